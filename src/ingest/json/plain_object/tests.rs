//! A plain object is what serde_json makes of it, and so is a batch of them, whole or broken.

use proptest::prelude::*;

use super::*;
use crate::ingest::json::{Object, value_at};
use crate::internals::properties::assert_agreement;
use crate::internals::{ContentType, DIALECTS, Encoding, MAX_LINE, encoding};

const KINDS: [Kind; 6] = [Kind::Count, Kind::Gauge, Kind::Timing, Kind::Set, Kind::Histogram, Kind::Distribution];

/// Panics unless the object that `text` begins with, if it is plain, is the same to serde_json. Returns whether it is plain.
fn assert_same(text: &str) -> bool {
    let Some((object, len)) = PlainObject::read(text.as_bytes()) else { return false };
    let (expected, end) = value_at::<Object<'_>>(text.as_bytes(), 0).unwrap_or_else(|| panic!("no object: {text}"));
    assert_eq!(len, end, "{text}");
    let plain = PlainFields::new(&object, text);
    assert_eq!((plain.name(), plain.kind()), (expected.name(), expected.kind()), "{text}");
    for kind in KINDS {
        let (params, style) = (expected.params(kind), Encoding::default());
        assert_eq!(plain.params(kind), params, "{text}");
        if let Some(value) = plain.only_value() {
            let members = crate::ingest::params::Members::Any;
            let read = crate::ingest::params::ParamsRef::from_value(value).value(kind, &style, members);
            assert_eq!(read, params.value(kind, &style, members), "{text}");
        }
    }
    let (mut writer, mut other) = (TagsWriter::default(), TagsWriter::default());
    assert_eq!(plain.tags(&mut writer), expected.tags(&mut other), "{text}");
    true
}

#[test]
fn usual_objects_are_plain() {
    for text in [
        r#"{"metric":"a.b","type":"count","value":1}"#,
        r#"{"value":-1.50,"type":"g","metric":"größe"}"#,
        r#"{"metric":"a","metric_type":"timing","time":"12","sampleRate":0.5}"#,
        r#"{ "metric" : "a", "type": "gauge", "shift": -3 } ,{"metric":"b"}"#,
        "{\n  \"metric\": \"a\",\n  \"type\": \"set\",\n  \"value\": \"user 7\"\n}\n",
        r#"{"metric":"a","type":"c","tags":{"page":"cart","n":1,"on":true,"gone":null}}"#,
        r#"{"metric":"a","type":"c","tags":["page:cart","b"],"value":1e3}"#,
        r#"{"metric":"a","type":"c","tags":"page:cart","value":"\u0031\n"}"#,
        r#"{"metric":"a","type":"c","timestamp":1700000000,"x":{"y":[],"z":1}}"#.replace("[]", "0").as_str(),
        r#"{"metric":"a","metric":"","type":"c","value":null,"value":true,"tags":7}"#,
    ] {
        assert!(assert_same(text), "{text}");
    }
    for text in [
        "{}",
        "[1]",
        r#"{"metric":"a\u0062","type":"c"}"#,
        r#"{"m\u0065tric":"a","type":"c"}"#,
        r#"{"metric":null,"type":"c"}"#,
        r#"{"metric":"a","type" :"c"}"#,
        r#"{"metric":"a","tags":{"a":[]}}"#,
        r#"{"metric":"a","type":"c""#,
        r#"{"metric":"a","value":01}"#,
        r#"{"metric":"a",}"#,
    ] {
        assert!(!assert_same(text), "{text}");
    }
    let long = format!(r#"{{"metric":"{}","type":"c"}}"#, "a".repeat(MAX_LEN));
    assert!(!assert_same(&long) && assert_same(&long.replace("aaaa", "a")));
}

/// White space, or none.
fn space() -> BoxedStrategy<String> {
    prop_oneof![6 => Just(String::new()), 2 => Just(" ".to_owned()), 1 => "[ \n\r\t]{1,3}", 1 => "[\u{b}\u{c}\u{a0}]"]
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}",
        2 => "-?[0-9]{1,4}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        1 => "\\PC{0,12}",
        1 => Just(String::new()),
        1 => "[\\x00-\\x1f\\x7f]",
        1 => "(\\\\[\"\\\\/bfnrtx]|\\\\u[0-9a-f]{3,4}|\\\\ud83d\\\\ude00|\\\\ud800|a){1,3}",
        1 => Just("constructor".to_owned()),
        1 => "[a-z]{1,3}[:=][a-z]{0,3}(,[a-z]{1,3}[:=]?){0,3}",
    ]
    .boxed()
}

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?",
        2 => "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,3})?",
        1 => "[+.-]?[0-9.eE+-]{0,6}",
        1 => "[1-9][0-9]{300,320}",
    ]
    .boxed()
}

fn scalar() -> BoxedStrategy<String> {
    prop_oneof![
        4 => text().prop_map(|text| format!("\"{text}\"")),
        4 => number(),
        1 => "true|false|null|nul|True|NaN",
    ]
    .boxed()
}

fn nested() -> BoxedStrategy<String> {
    let pair = (text(), space(), space(), scalar()).prop_map(|(key, a, b, value)| format!("\"{key}\"{a}:{b}{value}"));
    let object = prop::collection::vec(pair, 0..4).prop_map(|pairs| format!("{{{}}}", pairs.join(",")));
    let list = prop::collection::vec(scalar(), 0..4).prop_map(|values| format!("[{}]", values.join(", ")));
    let flat = prop_oneof![object, list].boxed();
    prop_oneof![
        6 => flat.clone(),
        1 => (flat, 1usize..200, any::<bool>()).prop_map(|(inner, depth, lists)| match lists {
            true => format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth)),
            false => format!("{}{inner}{}", "{\"a\":".repeat(depth), "}".repeat(depth)),
        }),
    ]
    .boxed()
}

fn member() -> BoxedStrategy<String> {
    let key = prop_oneof![
        8 => "metric|type|metric_type|value|time|shift|sampleRate|tags",
        1 => "Metric|metri|metricx|types|sampleRat|samplerate|valu|tag|tim",
        1 => "m\\\\u0065tric|\\\\u0074ags|valu\\\\u0065",
        1 => text(),
    ];
    let kind = "\"(count|counter|gauge|timing|timer|set|histogram|distribution|c|g|ms|s|h|d|x|counts|)\"";
    let value = prop_oneof![6 => scalar(), 3 => nested(), 3 => kind];
    (key, space(), space(), value).prop_map(|(key, a, b, value)| format!("\"{key}\"{a}:{b}{value}")).boxed()
}

/// Members that together are a metric, so that not all objects are rejected for want of one.
fn metric() -> BoxedStrategy<String> {
    let kind = "count|gauge|timing|set|histogram|d|ms|g";
    let rest = prop_oneof![3 => Just(String::new()), 2 => member().prop_map(|member| format!(",{member}"))];
    ("[a-z]{1,5}(\\.[a-z]{1,5})?", kind, scalar(), rest)
        .prop_map(|(name, kind, value, rest)| format!(r#""metric":"{name}","type":"{kind}","value":{value}{rest}"#))
        .boxed()
}

fn object() -> BoxedStrategy<String> {
    let members = prop_oneof![
        3 => metric(),
        3 => (prop::collection::vec(member(), 0..7), space()).prop_map(|(members, space)| members.join(&format!(",{space}"))),
    ];
    (space(), members, space()).prop_map(|(a, members, b)| format!("{{{a}{members}{b}}}")).boxed()
}

fn element() -> BoxedStrategy<String> {
    prop_oneof![8 => object(), 1 => scalar(), 1 => nested()].boxed()
}

/// What is done to a body before it is read.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Damage {
    fn to(&self, mut body: Vec<u8>) -> Vec<u8> {
        let len = body.len();
        if len == 0 {
            return body;
        }
        match self {
            Self::None => {}
            Self::Cut(at) => body.truncate(at.index(len)),
            Self::Flip(at, bit) => body[at.index(len)] ^= 1 << bit,
            Self::Replace(at, byte) => body[at.index(len)] = *byte,
            Self::Insert(at, bytes) => {
                let at = at.index(len);
                body.splice(at..at, bytes.iter().copied());
            }
        }
        body
    }
}

fn damage() -> BoxedStrategy<Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => Just(Damage::None),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (at(), prop_oneof![any::<u8>(), "[\\[\\]{},:\"\\\\]".prop_map(|text| text.as_bytes()[0])])
            .prop_map(|(at, byte)| Damage::Replace(at, byte)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_plain_object_is_the_same_to_serde_json(object in object(), damage in damage()) {
        if let Ok(text) = std::str::from_utf8(&damage.to(object.into_bytes())) {
            assert_same(text);
        }
    }

    #[test]
    fn a_batch_is_the_same_to_serde_json(
        elements in prop::collection::vec(element(), 0..8),
        between in prop_oneof![4 => Just(",".to_owned()), 2 => Just("\n".to_owned()), 1 => Just("\r\n".to_owned()), 1 => Just(" ,\n ".to_owned())],
        brackets: bool,
        damage in damage(),
        dialect in 0..DIALECTS.len(),
        prefix in prop_oneof![Just(""), Just("p")],
        own_tag: bool,
        padding in prop_oneof![9 => Just(0usize), 1 => Just(70_000usize)],
    ) {
        let body = elements.join(&between);
        let space = " ".repeat(padding);
        let body = if brackets { format!("[{space}{body}{space}]") } else { format!("{body}{space}") };
        let body = damage.to(body.into_bytes());
        let own_tags: &[&str] = if own_tag { &["env=prod"] } else { &[] };
        let encoding = encoding(DIALECTS[dialect], prefix, own_tags);
        for content_type in [ContentType::Json, ContentType::JsonLines, ContentType::Unnamed] {
            let _ = assert_agreement(&encoding, content_type, &body, body.len().max(MAX_LINE));
        }
    }
}
