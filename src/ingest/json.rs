//! Metrics as JSON objects: `{"metric","type","value","time","shift","sampleRate","tags"}`.
//!
//! Nothing that is well-formed JSON fails here: what has the wrong type is an invalid parameter of its metric, and so
//! takes no other metric with it. Numbers are taken as the digits that came, without a float in between.

mod tags;
mod text;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::json::tags::TagsVisitor;
use crate::ingest::json::text::Text;
use crate::ingest::params::{Param, Params};
use crate::metric::{Kind, MetricError, Tags, TagsWriter, without_exponent};

/// Bytes of an object in most arrays, at the least: a capacity by it does not have to grow.
const USUAL_OBJECT: usize = 48;

/// A member's value, unread.
type Member<'a> = Option<&'a RawValue>;

/// The members of an object that are of use here; of several with one name the last counts.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    metric: Param<'a>,
    kind: Param<'a>,
    value: Member<'a>,
    time: Member<'a>,
    shift: Member<'a>,
    sample_rate: Member<'a>,
    tags: Member<'a>,
}

impl<'a> Object<'a> {
    /// The name, as it came.
    pub(crate) fn name(&self) -> Result<&str, MetricError> {
        self.metric.text(MetricError::Name)?.ok_or(MetricError::Name)
    }

    /// The kind: `type`, or as it is called by some, `metric_type`.
    pub(crate) fn kind(&self) -> Result<Kind, MetricError> {
        self.kind.text(MetricError::Kind)?.and_then(Kind::from_name).ok_or(MetricError::Kind)
    }

    /// The parameters of a metric of `kind`. A duration may be called `value` too.
    pub(crate) fn params(&self, kind: Kind) -> Params<'a> {
        let (value, time) = match (kind, param(self.time)) {
            (Kind::Timing, Param::Absent) => (Param::Absent, param(self.value)),
            (Kind::Timing, time) => (Param::Absent, time),
            (_, time) => (param(self.value), time),
        };
        Params { value, sample_rate: param(self.sample_rate), shift: param(self.shift), time }
    }

    /// The tags, written to `writer` if they did not come as one piece of text.
    pub(crate) fn tags<'t>(&self, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError>
    where
        'a: 't,
    {
        let Some(raw) = self.tags else { return Ok(Tags::NONE) };
        match raw.get().as_bytes().first() {
            Some(b'n') => Ok(Tags::NONE),
            Some(b'"') => match string(raw) {
                Some(Cow::Borrowed(text)) => Tags::parse(text),
                Some(Cow::Owned(text)) => {
                    *writer = TagsWriter::from(text);
                    Tags::parse(writer.as_str())
                }
                None => Err(MetricError::Tags),
            },
            _ => {
                let mut json = serde_json::Deserializer::from_str(raw.get());
                json.deserialize_any(TagsVisitor(writer)).map_err(|_| MetricError::Tags)?;
                Tags::parse(writer.as_str())
            }
        }
    }
}

/// A parameter from a string or a number; `null` is an absent one.
fn param(member: Member<'_>) -> Param<'_> {
    let Some(raw) = member else { return Param::Absent };
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => string(raw).map_or(Param::Invalid, Param::new),
        Some(b'-' | b'0'..=b'9') if !has_exponent(text) => Param::Text(Cow::Borrowed(text)),
        Some(b'-' | b'0'..=b'9') => match without_exponent(text) {
            Cow::Owned(plain) => Param::Text(Cow::Owned(plain)),
            // Beyond the range of a double.
            Cow::Borrowed(_) => Param::Invalid,
        },
        Some(b'n') => Param::Absent,
        _ => Param::Invalid,
    }
}

/// True if a number of JSON has an exponent; few have one.
fn has_exponent(number: &str) -> bool {
    number.bytes().fold(false, |found, byte| found | (byte | 0x20 == b'e'))
}

/// The text of a JSON string; `None` if it is none, or holds half a surrogate pair.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The objects of the array that `text` is, or the single object. `None` if it is malformed, holds anything else, or more
/// than `limit` objects.
pub(crate) fn objects(text: &str, limit: usize) -> Option<Vec<Object<'_>>> {
    let mut objects = Vec::with_capacity(limit.min(1 + text.len() / USUAL_OBJECT));
    let mut json = serde_json::Deserializer::from_str(text);
    let read = match text.trim_ascii_start().starts_with('{') {
        true => Object::deserialize(&mut json).map(|object| objects.push(object)),
        false => json.deserialize_seq(Objects { objects: &mut objects, limit }),
    };
    (read.is_ok() && json.end().is_ok()).then_some(objects)
}

/// Collects the objects of an array.
struct Objects<'o, 'a> {
    objects: &'o mut Vec<Object<'a>>,
    limit: usize,
}

impl<'de> Visitor<'de> for Objects<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} objects", self.limit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(object) = elements.next_element()? {
            if self.objects.len() == self.limit {
                return Err(A::Error::invalid_length(self.limit + 1, &self));
            }
            self.objects.push(object);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Self::default();
        ObjectSeed(&mut object).deserialize(deserializer)?;
        Ok(object)
    }
}

/// An empty object that is filled in place: to hand one on through serde's results is to copy it several times.
struct ObjectSeed<'o, 'de>(&'o mut Object<'de>);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let object = self.0;
        while let Some(field) = map.next_key::<Field>()? {
            let slot = match field {
                Field::Metric => {
                    map.next_value_seed(Text(&mut object.metric))?;
                    continue;
                }
                Field::Kind => {
                    map.next_value_seed(Text(&mut object.kind))?;
                    continue;
                }
                Field::Value => &mut object.value,
                Field::Time => &mut object.time,
                Field::Shift => &mut object.shift,
                Field::SampleRate => &mut object.sample_rate,
                Field::Tags => &mut object.tags,
                Field::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *slot = Some(map.next_value()?);
        }
        Ok(())
    }
}

/// The names of members that are known.
enum Field {
    Metric,
    Kind,
    Value,
    Time,
    Shift,
    SampleRate,
    Tags,
    Unknown,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "metric" => Field::Metric,
                    "type" | "metric_type" => Field::Kind,
                    "value" => Field::Value,
                    "time" => Field::Time,
                    "shift" => Field::Shift,
                    "sampleRate" => Field::SampleRate,
                    "tags" => Field::Tags,
                    _ => Field::Unknown,
                })
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object<'_> {
        serde_json::from_str(text).expect("an object")
    }

    fn value(number: &str) -> Param<'static> {
        let text = format!(r#"{{"value":{number}}}"#);
        match object(&text).params(Kind::Count).value {
            Param::Text(text) => Param::Text(Cow::Owned(text.into_owned())),
            Param::Absent => Param::Absent,
            Param::Invalid => Param::Invalid,
        }
    }

    #[test]
    fn numbers_leave_as_they_came() {
        for text in ["1", "-2.50", "0.1", "123456789012345678901234567890", "\"1.10\""] {
            assert_eq!(value(text), Param::Text(text.trim_matches('"').to_owned().into()));
        }
        assert_eq!(value("1e3"), Param::Text("1000".into()));
        assert_eq!(value("-1.5E-7"), Param::Text("-0.00000015".into()));
        assert_eq!(value("null"), Param::Absent);
        assert_eq!(value("\"\""), Param::Absent);
        for bad in ["1e999", "true", "[1]", "{}", r#""\ud800""#] {
            assert_eq!(value(bad), Param::Invalid, "{bad}");
        }
    }

    #[test]
    fn objects_of_an_array_are_read_at_once() {
        let count = |text| objects(text, 3).map(|objects| objects.len());
        assert_eq!(count(r#" [{}, {"metric":"a"},{"x":[]}] "#), Some(3));
        assert_eq!(count("[]"), Some(0));
        assert_eq!(count("\n {\"metric\":\"a\"} "), Some(1));
        for other in ["", "[{},{},{},{}]", "[{},7]", "[{},]", "[{}", "[{}]]", "{}{}", "{", "7", "[[]]", "null"] {
            assert_eq!(count(other), None, "{other}");
        }
    }

    #[test]
    fn members_have_their_aliases_and_the_last_counts() {
        let read = object(r#"{"metric":"a\u0062","metric_type":"ms","x":[{"y":1}],"value":1,"value":2}"#);
        assert_eq!(read.name(), Ok("ab"));
        assert_eq!(read.kind(), Ok(Kind::Timing));
        assert_eq!(read.params(Kind::Count).value, Param::Text("2".into()));
        assert_eq!(read.params(Kind::Timing).time, Param::Text("2".into()));
        assert_eq!(object(r#"{"time":1,"value":2}"#).params(Kind::Timing).time, Param::Text("1".into()));
        assert_eq!(object("{}").kind(), Err(MetricError::Kind));
        assert_eq!(object(r#"{"type":7}"#).kind(), Err(MetricError::Kind));
        for bad in ["null", "7", "-7", "0.5", "true", "[[1]]", r#"{"a":{}}"#, r#""""#] {
            assert_eq!(object(&format!(r#"{{"metric":{bad},"value":1}}"#)).name(), Err(MetricError::Name), "{bad}");
        }
    }
}
