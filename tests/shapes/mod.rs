//! The most expensive bodies for their length that a search has found, and the generator that it searched with.
//!
//! The tests check the bounds of their output, and `bench` their CPU time. A shape is a unit that is repeated up to the
//! size limit of the body.

mod deflate;
mod random;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

pub use random::random;

/// The maximum number of server tags.
const MANY_TAGS: [&str; 32] = [
    "k0=v0", "k1=v1", "k2=v2", "k3=v3", "k4=v4", "k5=v5", "k6=v6", "k7=v7", "k8=v8", "k9=v9", "k10=v10", "k11=v11",
    "k12=v12", "k13=v13", "k14=v14", "k15=v15", "k16=v16", "k17=v17", "k18=v18", "k19=v19", "k20=v20", "k21=v21",
    "k22=v22", "k23=v23", "k24=v24", "k25=v25", "k26=v26", "k27=v27", "k28=v28", "k29=v29", "k30=v30", "k31=v31",
];

/// A body, and the settings of its server.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name for output.
    pub name: String,
    /// `--statsd-dialect`
    pub dialect: &'static str,
    /// `--metric-prefix`
    pub prefix: &'static str,
    /// Values of `--statsd-tag`.
    pub tags: &'static [&'static str],
    /// Path of the request.
    pub path: &'static str,
    /// Content-Type of the body.
    pub content_type: &'static str,
    /// The uncompressed body.
    pub body: Vec<u8>,
    /// The gzip body, if it is sent compressed.
    pub gzip: Option<Vec<u8>>,
}

impl Shape {
    fn batch(name: &str, content_type: &'static str, body: Vec<u8>) -> Self {
        let (name, path) = (name.to_owned(), "/batch");
        Self { name, dialect: "statsd", prefix: "", tags: &[], path, content_type, body, gzip: None }
    }

    fn lines(name: &str, unit: &str, cap: usize) -> Self {
        Self::batch(&format!("lines, {name}"), "text/plain", filled("", unit, "", cap))
    }

    fn array(name: &str, unit: &str, cap: usize) -> Self {
        Self::batch(&format!("JSON, {name}"), "application/json", array(unit, cap))
    }

    fn form(name: &str, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { path: "/count/a.b", ..Self::batch(&format!("form, {name}"), content_type, body) }
    }

    fn to(self, dialect: &'static str) -> Self {
        Self { name: format!("{}, {dialect}", self.name), dialect, ..self }
    }

    fn with_many_tags(self) -> Self {
        Self { name: format!("{}, 32 tags of the server", self.name), tags: &MANY_TAGS, ..self }
    }

    fn compressed(self) -> Self {
        Self { name: format!("{}, gzip", self.name), gzip: Some(gzip(&self.body)), ..self }
    }

    /// The proxy's flags.
    #[allow(dead_code, reason = "the unit tests have no command line")]
    pub fn flags(&self) -> Vec<String> {
        let prefix = (!self.prefix.is_empty()).then(|| format!("--metric-prefix={}", self.prefix));
        let tags = self.tags.iter().map(|tag| format!("--statsd-tag={tag}"));
        [format!("--statsd-dialect={}", self.dialect)].into_iter().chain(prefix).chain(tags).collect()
    }

    /// The whole request, head and body.
    pub fn request(&self) -> Vec<u8> {
        let (coding, body) = match &self.gzip {
            Some(gzip) => ("Content-Encoding: gzip\r\n", gzip),
            None => ("", &self.body),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n{coding}Content-Length: {}\r\n\r\n",
            self.path,
            self.content_type,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

/// As many `unit`s between two texts as fit into `cap` bytes.
fn filled(before: &str, unit: &str, after: &str, cap: usize) -> Vec<u8> {
    let count = cap.saturating_sub(before.len() + after.len()) / unit.len();
    [before, &unit.repeat(count), after].concat().into_bytes()
}

/// An array of `unit`s.
fn array(unit: &str, cap: usize) -> Vec<u8> {
    let mut body = filled("[", &format!("{unit},"), "", cap);
    body.pop();
    body.push(b']');
    body
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("a Vec takes it");
    encoder.finish().expect("a Vec takes it")
}

/// `count` times `unit`, with a separator.
fn list(unit: &str, count: usize, between: &str) -> String {
    vec![unit; count].join(between)
}

/// The most expensive shapes, with a batch of at most `batch` bytes and a single metric of at most `single` bytes.
pub fn worst(batch: usize, single: usize) -> Vec<Shape> {
    let mut shapes = lines(batch);
    shapes.extend(json(batch));
    shapes.extend(singles(single));
    let compressed: Vec<Shape> = shapes.iter().map(|shape| shape.clone().compressed()).collect();
    shapes.extend(compressed);
    shapes.extend(deflate::bodies(batch));
    shapes
}

fn lines(cap: usize) -> Vec<Shape> {
    let lines = |name: &str, unit: &str| Shape::lines(name, unit, cap);
    let packed = |values: &str, count| format!("a:{}|ms\n", list(values, count, ":"));
    let tagged = |tags: &str| format!("a:1|c|#{tags}\n");
    let dropped = format!("a:{}|ms|#{}\n", list("1", 50, ":"), list("k1:a", 60, ","));
    let rate = |rate: &str| format!("a:1|c|@{rate}\n");
    let broken = [filled("", "a:1|c\n", "", cap - 2), b"\xff\n".to_vec()].concat();
    vec![
        lines("shortest", "a:1|c\n"),
        lines("shortest", "a:1|c\n").with_many_tags(),
        lines("histograms", "a:1|h\n"),
        lines("shifts", "a:-1|g\n"),
        lines("no line", "a\n"),
        lines("empty", "\n"),
        lines("blank", " \n"),
        Shape::batch("lines, one not UTF-8", "text/plain", broken),
        lines("packed", &packed("1", 4000)),
        lines("packed", &packed("1", 4000)).to("datadog"),
        lines("packed by two", &packed("1", 2)).to("datadog"),
        lines("packed sets", &format!("a:{}|s\n", list("1", 4000, ":"))).to("datadog"),
        lines("packed exponents", &packed("1e9", 1000)),
        lines("packed exponents", &packed("1e9", 1000)).to("datadog"),
        lines("packed, long name", &format!("{}:{}|ms\n", "n.".repeat(2000), list("1", 2000, ":"))),
        lines("packed, tags that are dropped", &dropped).with_many_tags(),
        lines("packed, sampled", &format!("a:{}|ms|@0.001\n", list("1", 4000, ":"))),
        lines("long names", &format!("{}:1|c\n", "n.".repeat(4090))),
        lines("odd names", &format!("{}:1|c\n", "%".repeat(8100))),
        lines("odd members of sets", &format!("a:{}|s\n", "§".repeat(4000))),
        lines("309 digits", &format!("a:1{}|c\n", "7".repeat(308))),
        lines("rates of many digits", &rate("0.300000000000000016653345369377348106354475021362")),
        lines("rates of 16 digits", &rate("0.6238671987543217")),
        lines("tags of a letter", &tagged(&list("a", 61, ","))),
        lines("tags of a letter", &tagged(&list("a", 61, ","))).with_many_tags(),
        lines("tags of the server's keys", &tagged(&list("k1", 61, ","))).with_many_tags(),
        lines("tags of odd characters", &tagged(&"§".repeat(4000))),
        lines("tags of other scripts", &tagged(&"ключ".repeat(1000))),
        lines("tags of other planes", &tagged(&"𐐀".repeat(2000))),
    ]
}

fn json(cap: usize) -> Vec<Shape> {
    let array = |name: &str, unit: &str| Shape::array(name, unit, cap);
    let metric = |more: &str| format!(r#"{{"metric":"a","type":"c"{more}}}"#);
    let tagged = |tags: &str| metric(&format!(r#","tags":{tags}"#));
    let object = |pair: &str, count| format!("{{{}}}", list(pair, count, ","));
    let gauge = format!(r#"{{"metric":"a","type":"g","value":-1,"tags":["{}"]}}"#, list("§", 60, r#"",""#));
    let nested = |open: &str, close: &str, before: &str, after: &str| {
        let depth = (cap - before.len() - after.len()) / (open.len() + close.len());
        let body = format!("{before}{}{}{after}", open.repeat(depth), close.repeat(depth));
        Shape::batch(&format!("JSON, nested {before}"), "application/json", body.into_bytes())
    };
    let members = |name: &str, unit: &str| {
        Shape::batch(&format!("JSON, {name}"), "application/json", filled("[{", unit, r#""type":"c"}]"#, cap))
    };
    let ndjson = |name: &str, unit: &str| {
        Shape::batch(&format!("NDJSON, {name}"), "application/x-ndjson", filled("", unit, "", cap))
    };
    vec![
        array("numbers", "1"),
        array("arrays", "[]"),
        array("empty objects", "{}"),
        array("empty strings", r#""""#),
        array("broken keys", r#"{"\ud800":1}"#),
        array("shortest", &metric("")),
        array("shortest", &metric("")).with_many_tags(),
        array("sampled away", &metric(r#","sampleRate":0"#)),
        array("1e308", &metric(r#","value":1e308"#)),
        array("many digits and an exponent", &metric(r#","value":9007199254740993.0000000000001e-300"#)),
        array("rates of many digits", &metric(r#","sampleRate":1.2345678901234567890123456789e-300"#)),
        array("tags, an object", &tagged(&object(r#""a":1"#, 64))),
        array("tags, an object of escapes", &tagged(&object(r#""\u0061":"\u00a7""#, 64))),
        array("tags, an object of 1e308", &tagged(&object(r#""a":1e308"#, 64))),
        array("plain but for the last key", &metric(&format!(r#",{},"\u0061":1"#, list(r#""b":"c""#, 100, ",")))),
        array("plain but for the last value", &metric(&format!(r#",{},"b":[[]]"#, list(r#""b":1"#, 100, ",")))),
        array("plain but for the last tag", &tagged(&format!(r#"{{{},"a":"\n"}}"#, list(r#""a":1"#, 60, ",")))),
        array("tags, a list", &tagged(&format!("[{}]", list(r#""""#, 64, ",")))),
        array("negative gauges with odd tags", &gauge),
        array("names of escapes", &format!(r#"{{"metric":"{}","type":"c"}}"#, r"\u0061".repeat(1000))),
        nested("[", "]", "", ""),
        nested("[", "]", r#"[{"a":"#, "}]"),
        nested(r#"{"a":"#, "}", r#"[{"tags":"#, "}]"),
        members("the name again and again", r#""metric":"\n","#),
        members("the value again and again", r#""value":1,"#),
        members("empty keys", r#""":1,"#),
        ndjson("empty objects", "{}\n"),
        ndjson("plain but for the last byte", &format!("{}x\n", metric(&list(r#","b":"c""#, 20, "")))),
        ndjson("shortest", &format!("{}\n", metric(""))),
        ndjson("empty lines", "\n"),
    ]
}

fn singles(cap: usize) -> Vec<Shape> {
    const FORM: &str = "application/x-www-form-urlencoded";
    const PARTS: &str = "multipart/form-data; boundary=X";
    let part = "--X\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n";
    let json = |name: &str, unit: &str| {
        Shape::form(&format!("JSON, {name}"), "application/json", filled("{", unit, r#""value":1}"#, cap))
    };
    vec![
        Shape::form("no parameters", FORM, filled("", "&", "", cap)),
        Shape::form("escapes", FORM, filled("", "%41=%42&", "", cap)),
        Shape::form("a value of escapes", FORM, filled("value=", "%31", "", cap)),
        Shape::form("almost boundaries", PARTS, filled(part, "\r\n--", "\r\n--X--\r\n", cap)),
        Shape::form("parts", PARTS, filled("", "--X\r\n\r\n\r\n", "--X--\r\n", cap)),
        Shape::form("heads of parts", PARTS, filled("--X\r\n", "a:b\r\n", "\r\n1\r\n--X--\r\n", cap)),
        json("empty keys", r#""":1,"#),
        json("digits", r#""value":7777777777777777,"#),
    ]
}
