//! Properties of every batch, however broken.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::metric::{Accepted, MAX_LINE, Prefix};
use crate::statsd::dialect::{DIALECTS, Dialect};
use crate::statsd::line;

#[path = "../../../tests/shapes/mod.rs"]
mod shapes;

/// The default cap of a batch, in bytes.
const CAP: usize = 1024 * 1024;

/// Everything that leaves, unit by unit.
#[derive(Default)]
struct Sent {
    encoding: Encoding,
    units: Vec<String>,
    measurements: u64,
}

impl Sent {
    fn new(encoding: &Encoding) -> Self {
        Self { encoding: encoding.clone(), ..Self::default() }
    }

    fn lines(&self) -> Vec<&str> {
        self.units.iter().flat_map(|unit| unit.split('\n')).collect()
    }
}

impl Sink for Sent {
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let mut line = Vec::new();
        line::write(&mut line, &self.encoding, metric);
        if line.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let line_bytes = line.len();
        self.units.push(String::from_utf8(line).expect("lines are UTF-8"));
        self.measurements += u64::from(metric.value().count());
        Ok(Accepted { line_bytes })
    }
}

fn run(content_type: ContentType, body: &[u8], encoding: &Encoding) -> Result<(Sent, Report), BatchError> {
    run_under(content_type, body, encoding, CAP)
}

fn run_under(
    content_type: ContentType,
    body: &[u8],
    encoding: &Encoding,
    cap: usize,
) -> Result<(Sent, Report), BatchError> {
    let mut sent = Sent::new(encoding);
    let mut batch = Batch::new(content_type, Bytes::copy_from_slice(body), cap)?;
    while !batch.advance(encoding, &mut sent).inspect_err(|_| assert!(sent.units.is_empty()))? {}
    Ok((sent, batch.into_report()))
}

fn encoding(dialect: usize, own_tag: bool) -> Encoding {
    let mut encoding = Encoding::new("p".parse().expect("a prefix"), DIALECTS[dialect % DIALECTS.len()]);
    if own_tag {
        encoding.add_tag("env=prod").expect("a tag");
    }
    encoding
}

/// StatsD's grammar, read once more and apart from the reader and the writer: prefix, name, tags, values, type, rate.
fn assert_valid(line: &str, encoding: &Encoding) {
    let dialect = encoding.dialect();
    assert!(!line.contains(char::is_control), "{line:?}");
    let (head, rest) = line.split_once(':').unwrap_or_else(|| panic!("no value in {line:?}"));
    assert!(head.strip_prefix("p.").is_some_and(|name| !name.is_empty()), "{line:?}");
    let mut fields = rest.split('|');
    let (values, kind) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    assert!(["c", "g", "ms", "s", "h", "d"].contains(&kind), "{line:?}");
    if kind != "s" {
        let values: Vec<f64> = values.split(':').map(|v| v.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect();
        assert!(values.iter().all(|v| v.is_finite()) && (values.len() == 1 || dialect.packed), "{line:?}");
        assert!(kind != "ms" || values.iter().all(|v| *v >= 0.0), "{line:?}");
    } else {
        assert!(!values.is_empty() && !values.contains(':'), "{line:?}");
    }
    let mut rest: Vec<&str> = fields.collect();
    if let Some(rate) = rest.first().and_then(|field| field.strip_prefix('@')) {
        assert!(rate.parse::<f64>().is_ok_and(|rate| rate > 0.0 && rate < 1.0), "{line:?}");
        rest.remove(0);
    }
    if let Some(tags) = rest.first().and_then(|field| field.strip_prefix('#')) {
        assert!(
            dialect.tags.is_some_and(|tags| !tags.in_name) && tags.split(',').all(|tag| !tag.is_empty()),
            "{line:?}"
        );
        rest.remove(0);
    }
    assert!(rest.is_empty(), "{line:?}");
}

/// What holds of every batch that could be read.
fn assert_sound(sent: &Sent, report: &Report, encoding: &Encoding) {
    for line in sent.lines() {
        assert_valid(line, encoding);
    }
    let accepted: u64 = serde_json::from_slice::<serde_json::Value>(&report.to_json()).expect("JSON")["accepted"]
        .as_u64()
        .expect("a number");
    assert_eq!(sent.measurements, accepted);
    assert!(accepted <= report.total());
    assert!(sent.units.len() as u64 <= accepted);
    for unit in &sent.units {
        let lines: Vec<&str> = unit.split('\n').collect();
        let is_negative_gauge = || encoding.dialect().shifts && lines[0].contains(":0|g") && lines[1].contains(":-");
        assert!(lines.len() == 1 || (lines.len() == 2 && is_negative_gauge()), "{unit:?}");
    }
}

/// Lines, some right, some nearly, some not at all.
fn line_text() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[a-z]{1,6}(\\.[a-z]{1,6})?", "\\PC{0,8}", Just("constructor".to_owned())];
    let values = prop_oneof!["[0-9]{1,4}", "[+-]?[0-9.]{0,5}", "([0-9]{1,3}:){1,4}[0-9x]{0,2}", "\\PC{0,4}"];
    let kind = prop_oneof!["c|g|ms|s|h|d", "[a-z]{0,2}"];
    let more = prop_oneof![
        Just(String::new()),
        "\\|@[0-9.e-]{0,5}",
        "\\|#[a-z:=,|# ]{0,12}",
        "\\|@0\\.5\\|#[a-z]{1,3}:\\PC{0,5}",
        "\\|c:[a-z]{1,3}",
        "\\|T[0-9]{1,3}",
    ];
    prop_oneof![
        8 => (name, values, kind, more).prop_map(|(n, v, k, m)| format!("{n}:{v}|{k}{m}")),
        1 => "\\PC{0,20}",
    ]
}

/// JSON values, some of them metrics.
fn json_text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "-?[1-9][0-9]{0,3}(\\.[0-9]{1,2})?(e-?[0-9])?",
        "\"[+-]?[0-9.]{0,4}\"",
        Just("null".to_owned()),
        Just("[1,{}]".to_owned()),
        Just("\"a|b\"".to_owned()),
    ];
    let name = prop_oneof!["[a-z]{1,6}", "[a-z:|. ]{0,6}", Just("\\\\u000a".to_owned()), Just("\\\\ud800".to_owned())];
    let kind = prop_oneof!["count|gauge|timing|set|histogram|d|g", "[a-z]{0,3}"];
    let tags = prop_oneof![
        Just("null".to_owned()),
        "\"[a-z=:,|]{0,9}\"",
        Just("{\"a\":\"b\\nc\",\"d\":1}".to_owned()),
        Just("7".to_owned()),
    ];
    prop_oneof![
        8 => (name, kind, value.clone(), value, tags).prop_map(|(n, k, v, s, t)| {
            format!(r#"{{"metric":"{n}","type":"{k}","value":{v},"shift":{s},"tags":{t}}}"#)
        }),
        1 => Just("7".to_owned()),
        1 => Just("[{}]".to_owned()),
        1 => Just("{}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn lines_yield_only_valid_lines_and_each_is_accounted_for(
        lines in prop::collection::vec(line_text(), 0..20),
        end in prop_oneof!["\n", "\r\n"],
        dialect in 0..DIALECTS.len(),
        own_tag: bool,
    ) {
        let encoding = encoding(dialect, own_tag);
        // A first line that begins with a bracket would make it JSON.
        let body = format!("first:1|c{end}{}", lines.join(&end));
        let (sent, report) = run(ContentType::Unnamed, body.as_bytes(), &encoding).expect("lines are always read");
        assert_sound(&sent, &report, &encoding);
        let present = || body.split('\n').filter(|line| !line.trim_ascii().is_empty());
        let colons: usize = present().map(|line| line.matches(':').count()).sum();
        prop_assert!(report.total() >= present().count() as u64);
        prop_assert!(report.total() <= (present().count() + colons) as u64);
    }

    #[test]
    fn bytes_of_any_kind_yield_only_valid_lines(
        mut body in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        kind in 0usize..3,
        dialect in 0..DIALECTS.len(),
    ) {
        let encoding = encoding(dialect, false);
        let at = at.index(body.len() + 1);
        body.splice(at..at, b"\nok.name:1|c\n".iter().copied());
        let content_type = [ContentType::Unnamed, ContentType::Json, ContentType::JsonLines][kind];
        if let Ok((sent, report)) = run(content_type, &body, &encoding) {
            assert_sound(&sent, &report, &encoding);
        }
    }

    #[test]
    fn json_yields_only_valid_lines_and_each_element_is_accounted_for(
        elements in prop::collection::vec(json_text(), 0..20),
        dialect in 0..DIALECTS.len(),
        own_tag: bool,
        padding in prop_oneof![Just(0usize), Just(SLICE)],
    ) {
        let encoding = encoding(dialect, own_tag);
        let space = " ".repeat(padding);
        let array = format!("[{}{space}]", elements.join(" ,\n"));
        let (sent, report) = run(ContentType::Json, array.as_bytes(), &encoding).expect("an array");
        assert_sound(&sent, &report, &encoding);
        prop_assert_eq!(report.total(), elements.len() as u64);

        let by_line = elements.iter().map(|element| element.replace('\n', " ")).collect::<Vec<_>>().join("\n");
        let (line_by_line, line_report) = run(ContentType::JsonLines, by_line.as_bytes(), &encoding).expect("lines");
        assert_sound(&line_by_line, &line_report, &encoding);
        prop_assert_eq!(line_by_line.units, sent.units);
        prop_assert_eq!(line_report.to_json(), report.to_json());
    }

    #[test]
    fn json_that_breaks_off_sends_nothing(
        elements in prop::collection::vec(json_text(), 1..9),
        cut in any::<prop::sample::Index>(),
        padding in prop_oneof![Just(0usize), Just(2 * SLICE)],
    ) {
        let array = format!("[{}{}]", elements.join(","), " ".repeat(padding));
        let cut = 1 + cut.index(array.len() - 1);
        let broken = &array.as_bytes()[..cut];
        // `run` asserts that nothing has left when there is an error.
        prop_assert_eq!(run(ContentType::Json, broken, &Encoding::default()).err(), Some(BatchError::Json));
    }

    #[test]
    fn a_plain_line_is_read_as_any_other(line in line_text(), prefixed: bool, dialect in 0..DIALECTS.len()) {
        let encoding = Encoding::new(if prefixed { "p" } else { "" }.parse().expect("a prefix"), DIALECTS[dialect]);
        let Some((metric, rest)) = plain_line::read(&line, &encoding) else { return Ok(()) };
        prop_assert_eq!(rest, "");
        let mut at_once = Sent::new(&encoding);
        at_once.accept(&metric).expect("a short line");
        let mut by_fields = Sent::new(&encoding);
        // A space at its end is not plain, and is not part of a line either.
        let (slow, report) = run(ContentType::Unnamed, format!("{line} ").as_bytes(), &encoding).expect("a line");
        prop_assert_eq!(report.total(), 1);
        by_fields.units = slow.units;
        prop_assert_eq!(at_once.units, by_fields.units);
    }
}

#[test]
fn a_batch_of_many_slices_is_the_same_as_one_of_few() {
    let line = |i: usize| format!("metric.{i}:{i}|c\n");
    let object = |i: usize| format!("{{\"metric\":\"metric.{i}\",\"type\":\"count\",\"value\":{i}}}\n");
    let encoding = Encoding::default();
    let expected: Vec<String> = (0..20_000).map(|i| line(i).trim_end().to_owned()).collect();
    let array = format!("[{}]", (0..20_000).map(object).collect::<Vec<_>>().join(","));
    for (content_type, body) in [
        (ContentType::Unnamed, (0..20_000).map(line).collect::<String>()),
        (ContentType::JsonLines, (0..20_000).map(object).collect()),
        (ContentType::Json, array),
    ] {
        assert!(body.len() > 4 * SLICE);
        let (sent, report) = run(content_type, body.as_bytes(), &encoding).expect("sound");
        assert_eq!((report.total(), sent.units == expected), (20_000, true), "{content_type:?}");
    }
}

#[test]
fn packed_values_leave_without_plus_signs() {
    for (dialect, expected) in [("datadog", &["p.a:1:20:-3|c"][..]), ("statsd", &["p.a:1|c", "p.a:20|c", "p.a:-3|c"])] {
        let encoding = Encoding::new("p".parse().expect("a prefix"), Dialect::find(dialect).expect("a dialect"));
        let (sent, _) = run(ContentType::Unnamed, b"a:+1:+2e1:-3|c", &encoding).expect("a line");
        assert_eq!(sent.units, expected, "{dialect}");
        let (sent, report) = run(ContentType::Unnamed, b"a:++1:1|c", &encoding).expect("a line");
        assert_eq!((sent.units, report.rejections()), (vec!["p.a:1|c".to_owned()], 1), "{dialect}");
    }
}

#[test]
fn packed_values_do_not_multiply_a_body_without_end() {
    let line = format!("{}:{}|ms\n", "n.".repeat(2000), vec!["1"; 2000].join(":"));
    for count in [1, 10] {
        let (sent, report) =
            run(ContentType::Unnamed, line.repeat(count).as_bytes(), &Encoding::default()).expect("lines");
        // After the first line there are more rejections than a batch may have; of those that follow the lines are counted.
        assert_eq!(report.total(), 2000 + count as u64 - 1);
        let bytes: usize = sent.units.iter().map(String::len).sum();
        assert!((4000..=64 * 1024).contains(&bytes), "{bytes}");
    }
    // So few values that all of them fit into one line.
    let line = format!("{}:{}|ms\n", "n.".repeat(1000), vec!["1"; 30].join(":"));
    let (sent, report) = run(ContentType::Unnamed, line.repeat(500).as_bytes(), &Encoding::default()).expect("lines");
    let bytes: usize = sent.units.iter().map(|unit| unit.len() + 1).sum();
    assert!((2 * CAP - 2 * MAX_LINE..=2 * CAP).contains(&bytes), "{bytes}");
    assert!(report.total() > 1000);
}

#[test]
fn packed_values_without_a_daemon_for_them_share_their_tags() {
    let mut encoding = Encoding::default();
    encoding.add_tag("dc=eu").expect("a tag");
    let (sent, _) = run(ContentType::Unnamed, b"a:1:2e1|ms|@0.5|#k:v,dc:us,b%\n", &encoding).expect("lines");
    assert_eq!(sent.units, ["a:1|ms|@0.5|#k:v,b_:true,dc:eu", "a:20|ms|@0.5|#k:v,b_:true,dc:eu"]);
    let datadog = Encoding::new(Prefix::default(), Dialect::find("datadog").expect("a dialect"));
    let (sent, _) = run(ContentType::Unnamed, b"a:1e1:2:3E-1|d|@0.5|#k", &datadog).expect("lines");
    assert_eq!(sent.units, ["a:10:2:0.3|d|@0.5|#k"]);
}

/// How many samples a daemon that multiplies makes of what was sent.
fn samples(sent: &Sent) -> f64 {
    let sampled = sent.lines().into_iter().filter(|line| !line.contains("|c"));
    sampled
        .map(|line| {
            let values = line.split('|').next().unwrap_or_default().matches(':').count() as f64;
            let rate = line
                .split("|@")
                .nth(1)
                .map_or(1.0, |rest| rest.split('|').next().expect("a rate").parse().expect("a rate"));
            values / rate
        })
        .sum()
}

#[test]
fn a_batch_stands_for_no_more_samples_than_its_bytes_and_a_million() {
    for dialect in DIALECTS.into_iter().filter(|dialect| dialect.multiplies) {
        let encoding = Encoding::new(Prefix::default(), dialect);
        for line in ["t:1|ms|@0.001\n", "t:1:1:1:1:1:1:1:1|h|@0.001\n", "t:1:1|d|@0.5\n"] {
            for count in [1, 10, 1000, 30_000] {
                let body = line.repeat(count);
                let (sent, report) = run(ContentType::Unnamed, body.as_bytes(), &encoding).expect("lines");
                let samples = samples(&sent).round();
                let bound = (100 * body.len()).min(1_000_000) as f64;
                assert!(samples <= bound, "{} {line:?} × {count}: {samples}", dialect.name);
                // A line by itself is always taken at the least rate.
                assert!(line.matches(":1").count() > 1 || samples >= 1e6_f64.min(1000.0 * count as f64));
                assert!(report.total() >= count as u64);
            }
        }
        // Counters are divided by their rates, whatever these are.
        let (sent, _) =
            run(ContentType::Unnamed, "c:1|c|@0.000001\n".repeat(1000).as_bytes(), &encoding).expect("lines");
        assert_eq!(sent.units.len(), 1000);
    }
}

/// Holds what becomes of a body, whatever it is, to its bounds.
fn assert_bounded(shape: &shapes::Shape, cap: usize) {
    let dialect = Dialect::find(shape.dialect).expect("a dialect");
    let mut encoding = Encoding::new(shape.prefix.parse().expect("a prefix"), dialect);
    for tag in shape.tags {
        encoding.add_tag(tag).expect("a tag");
    }
    assert!(shape.body.len() <= cap && shape.request().len() <= cap + 200, "{}", shape.name);
    let content_type = ContentType::of(Some(shape.content_type.as_bytes()));
    let Ok((sent, report)) = run_under(content_type, &shape.body, &encoding, cap) else { return };
    let bytes: usize = sent.units.iter().map(|unit| unit.len() + 1).sum();
    assert!(bytes <= 2 * cap, "{}: {bytes} bytes of {cap}", shape.name);
    // Those that are sampled here are not multiplied beyond what came, but for chance.
    if dialect.multiplies && shape.content_type == "text/plain" {
        let bound = (100 * shape.body.len()).min(1_000_000) as f64 + report.total() as f64;
        assert!(samples(&sent) <= bound, "{}: {} samples", shape.name, samples(&sent));
    }
    assert!(sent.measurements <= report.total(), "{}", shape.name);
    assert!(sent.units.iter().all(|unit| unit.len() <= MAX_LINE), "{}", shape.name);
}

#[test]
fn no_worst_body_becomes_more_than_twice_its_cap() {
    for shape in shapes::worst(CAP / 4, CAP / 16).iter().filter(|shape| shape.path == "/batch" && shape.gzip.is_none())
    {
        assert_bounded(shape, CAP / 4);
    }
}

#[test]
fn no_random_body_becomes_more_than_twice_its_cap() {
    for seed in 0..600 {
        assert_bounded(&shapes::random(seed, 32 * 1024), 32 * 1024);
    }
}

#[test]
fn after_a_thousand_rejections_nothing_more_is_looked_at() {
    let (good_line, good) = ("a.b:1|c", r#"{"metric":"a.b","type":"c"}"#);
    for rejected in [999, 1000, 1001] {
        let accepted = if rejected < 1000 { 2 } else { 1 };
        let lines = format!("{good_line}\n{}{good_line}\n", "bad\n".repeat(rejected));
        let broken = [good_line.as_bytes(), &b"\n\xff".repeat(rejected), b"\n", good_line.as_bytes()].concat();
        let ndjson = format!("{good}\n{}\n{good}\n\n", vec!["{}"; rejected].join("\n\n"));
        let array = format!("[{good},{},{good}]", vec!["7"; rejected].join(","));
        let objects = format!("[{good},{},{good}]", vec!["{}"; rejected].join(","));
        let long = format!("[{good},{},{good}{}]", vec!["[7]"; rejected].join(","), " ".repeat(SLICE));
        for (content_type, body) in [
            (ContentType::Unnamed, lines.as_bytes()),
            (ContentType::Unnamed, &broken),
            (ContentType::JsonLines, ndjson.as_bytes()),
            (ContentType::Json, array.as_bytes()),
            (ContentType::Json, objects.as_bytes()),
            (ContentType::Json, long.as_bytes()),
        ] {
            let (sent, report) = run(content_type, body, &Encoding::default()).expect("a batch");
            let case = format!("{rejected} {content_type:?} {:?}", &body[..60]);
            assert_eq!(sent.units, vec![good_line; accepted], "{case}");
            assert_eq!(report.total(), rejected as u64 + 2, "{case}");
        }
    }
    // An array that ends badly is refused whole all the same.
    let bad = format!("[{}", vec!["7"; 2000].join(","));
    assert_eq!(run(ContentType::Json, bad.as_bytes(), &Encoding::default()).err(), Some(BatchError::Json));
}

#[test]
fn a_short_array_is_the_same_whatever_is_held_of_it() {
    let good = r#"{"metric":"a","type":"c"}"#;
    let most = vec![good; SLICE / (good.len() + 1) - 1];
    for (elements, expected) in [
        // All are held.
        (most.clone(), most.len()),
        // One is no object; more are held than may be; both.
        ([&most[1..], &["7"]].concat(), most.len() - 1),
        ([vec![good; 2], vec!["{}"; 5000]].concat(), 2),
        ([vec![good; 2], vec!["7"; 5000]].concat(), 2),
    ] {
        let body = format!("[{}]", elements.join(","));
        assert!(body.len() <= SLICE);
        let (sent, report) = run(ContentType::Json, body.as_bytes(), &Encoding::default()).expect("an array");
        let case = (elements.len(), elements.last());
        assert_eq!((sent.units.len(), report.total()), (expected, elements.len() as u64), "{case:?}");
        for bad in [&body[..body.len() - 1], &format!("{body}]"), &format!("{},{good}", &body[..body.len() - 1])] {
            // `run` asserts that nothing has left.
            let read = run(ContentType::Json, bad.as_bytes(), &Encoding::default());
            assert_eq!(read.err(), Some(BatchError::Json), "{case:?}");
        }
    }
}

#[test]
fn an_array_is_the_same_whether_all_of_it_is_held() {
    let good = |i: usize| format!(r#"{{"metric":"a{i}","type":"c"}}"#);
    let escaped = r#"{"metric":"\u0061","type":"c"}"#;
    for count in [held_array::MAX_HELD - 1, held_array::MAX_HELD, held_array::MAX_HELD + 1, 36_000] {
        let mut elements: Vec<String> = (0..count).map(|i| good(i % 1000)).collect();
        // Those that serde_json has to read, and those that are no objects, before and behind the last that is held.
        for (every, other) in [(100, escaped), (101, "7"), (103, "{}")] {
            elements.iter_mut().step_by(every).for_each(|element| other.clone_into(element));
        }
        let rejected = elements.iter().filter(|element| element.len() < 3).count();
        let expected: Vec<String> = elements
            .iter()
            .filter_map(|element| match element.as_str() {
                "7" | "{}" => None,
                other if other == escaped => Some("a:1|c".to_owned()),
                good => Some(format!("{}:1|c", &good[11..good.len() - 13])),
            })
            .collect();
        let body = format!("[{}]", elements.join(","));
        let (sent, report) = run(ContentType::Json, body.as_bytes(), &Encoding::default()).expect("an array");
        assert_eq!((report.total(), report.rejections()), (count as u64, rejected as u64));
        assert!(sent.units == expected, "{count}");
        for bad in [&body[..body.len() - 1], &format!("{body}]"), &format!("{},{{}}", &body[..body.len() - 1])] {
            // `run` asserts that nothing has left.
            assert_eq!(
                run(ContentType::Json, bad.as_bytes(), &Encoding::default()).err(),
                Some(BatchError::Json),
                "{count}"
            );
        }
    }
    assert_eq!(size_of::<array::Element>(), 32);
}

#[test]
fn a_short_array_is_one_slice() {
    for (body, units) in [("{\"metric\":\"a\",\"type\":\"c\"}", 1), ("[7]", 0), ("", 0), ("[ ]", 0)] {
        for body in [body.to_owned(), format!("{}{body}", " ".repeat(SLICE - body.len()))] {
            let mut sent = Sent::default();
            let mut batch = Batch::new(ContentType::Json, Bytes::from(body), CAP).expect("JSON");
            assert_eq!(batch.advance(&Encoding::default(), &mut sent), Ok(true));
            assert_eq!(sent.units.len(), units);
        }
    }
}

#[test]
fn an_endless_line_costs_one_look() {
    for body in ["1:".repeat(400_000), format!("a:{}|c", "1:".repeat(400_000)), "x".repeat(900_000)] {
        let (sent, report) = run(ContentType::Unnamed, body.as_bytes(), &Encoding::default()).expect("lines");
        assert!(sent.units.len() <= 64 * 1024 && report.total() >= 1);
    }
}

#[test]
fn lines_are_read_as_clients_write_them() {
    for (line, expected) in [
        ("a.b:1|c", Ok("a.b:1|c")),
        ("a:+1|c|@0.50", Ok("a:1|c|@0.5")),
        ("a:1|c|#k:v|@0.5", Ok("a:1|c|@0.5|#k:v")),
        ("a:12|ms@0.25|#k:v", Ok("a:12|ms|@0.25|#k:v")),
        ("a:1|c|c:box|e:it|card:low", Ok("a:1|c")),
        ("a:-1|g|@0.5", Ok("a:-1|g")),
        ("a:1|h", Ok("a:1|ms")),
        ("a:user 7|s", Ok("a:user 7|s")),
        ("a", Err(MetricError::Line)),
        ("a:1", Err(MetricError::Line)),
        ("a:1|c|T1656581400", Err(MetricError::Line)),
        ("a:1|c|", Err(MetricError::Line)),
        ("a:1|x", Err(MetricError::Kind)),
        ("a:1|c:2|ms", Err(MetricError::Kind)),
        ("a:1|c|@0", Err(MetricError::Rate)),
        ("a:1|c|@0.000001", Ok("a:1|c|@0.000001")),
        ("a:1|c|@0.0000009", Err(MetricError::Rate)),
        ("a:1|ms|@0.001", Ok("a:1|ms|@0.001")),
        ("a:1|ms|@1e-03", Ok("a:1|ms|@0.001")),
        ("a:1|ms|@0.0009", Err(MetricError::Rate)),
        ("a:1|h@0.0009", Err(MetricError::Rate)),
        ("a:1|d|@0.0009", Err(MetricError::Rate)),
        ("a:1e-07|g", Ok("a:0.0000001|g")),
        ("a:-2.5E+2|g", Ok("a:-250|g")),
        ("a:+1e2|g", Ok("a:+100|g")),
        ("a:1e2|c|@0.5|#k:v", Ok("a:100|c|@0.5|#k:v")),
        ("a:1e309|c", Err(MetricError::Value)),
        ("a:1e|c", Err(MetricError::Value)),
        ("a:1e5|s", Ok("a:1e5|s")),
        ("statsd.bad_lines_seen:1|c", Err(MetricError::Name)),
        ("stat%sd.x:1|c", Err(MetricError::Name)),
        ("my.statsd.x:1|c", Ok("my.statsd.x:1|c")),
        ("a:1|ms@2", Err(MetricError::Rate)),
        ("a:-1|ms", Err(MetricError::Time)),
        ("a:|s", Err(MetricError::Set)),
        (":1|c", Err(MetricError::Name)),
    ] {
        let (sent, report) = run(ContentType::Unnamed, line.as_bytes(), &Encoding::default()).expect("lines");
        let mut only = Report::default();
        only.note(1, expected.map(|_| ()));
        assert_eq!(report.to_json(), only.to_json(), "{line}");
        assert_eq!(sent.units, expected.into_iter().collect::<Vec<_>>(), "{line}");
    }
}
