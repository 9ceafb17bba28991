//! Metrics as JSON objects: `{"metric","type","value","time","shift","sampleRate","tags"}`.
//!
//! Well-formed JSON is never an error here: a member of the wrong type makes its own metric invalid, and no other one.
//! Numbers keep their digits; they are never converted to floats.

mod plain_object;
mod plain_tags;
mod scan;
mod tags;
mod text;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::json::text::Text;
use crate::ingest::params::{Param, Params};
use crate::metric::{Kind, MetricError, Tags, TagsWriter, without_exponent};

pub(crate) use plain_object::{PlainFields, PlainObject};

/// The members of an object that describe a metric.
pub(crate) trait Fields<'a> {
    /// The name, without the prefix of the server.
    fn name(&self) -> Result<&str, MetricError>;

    /// The kind, from `type` or its alias `metric_type`.
    fn kind(&self) -> Result<Kind, MetricError>;

    /// The parameters of a metric of `kind`.
    fn params(&self, kind: Kind) -> Params<'a>;

    /// The text of `value`, if the object is known to have no other parameter.
    #[inline]
    fn only_value(&self) -> Option<&'a str> {
        None
    }

    /// The tags. They borrow from `writer`, unless the object has them as one string without escapes.
    fn tags<'t>(&self, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError>
    where
        'a: 't;
}

/// The JSON text of a member's value.
type Member<'a> = Option<&'a str>;

/// The known members of an object, parsed by serde_json. If a name occurs twice, the last member counts.
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
    /// Parses the object at `offset` of `body`. `None` if there is no object, or none that can be parsed.
    pub(crate) fn at(body: &'a [u8], offset: usize) -> Option<Self> {
        value_at(body, offset).map(|(object, _)| object)
    }
}

/// The value at `offset` of `body`, and the offset of its end. `None` if it is malformed or of another type.
pub(crate) fn value_at<'a, T: Deserialize<'a>>(body: &'a [u8], offset: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(&body[offset..]).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, offset + values.byte_offset()))
}

impl<'a> Fields<'a> for Object<'a> {
    fn name(&self) -> Result<&str, MetricError> {
        self.metric.text(MetricError::Name)?.ok_or(MetricError::Name)
    }

    fn kind(&self) -> Result<Kind, MetricError> {
        self.kind.text(MetricError::Kind)?.and_then(|text| Kind::from_name(text.as_bytes())).ok_or(MetricError::Kind)
    }

    fn params(&self, kind: Kind) -> Params<'a> {
        let [value, time, shift, sample_rate] =
            [self.value, self.time, self.shift, self.sample_rate].map(|json| json.map_or(Param::Absent, param));
        params(kind, value, time, shift, sample_rate)
    }

    fn tags<'t>(&self, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError>
    where
        'a: 't,
    {
        self.tags.map_or(Ok(Tags::NONE), |json| tags::read(json, writer))
    }
}

/// The parameters of a metric of `kind`. A timing may have `value` in place of `time`.
#[inline]
fn params<'a>(kind: Kind, value: Param<'a>, time: Param<'a>, shift: Param<'a>, sample_rate: Param<'a>) -> Params<'a> {
    match (kind, time) {
        (Kind::Timing, Param::Absent) => Params { time: value, value: Param::Absent, sample_rate, shift },
        (Kind::Timing, time) => Params { time, value: Param::Absent, sample_rate, shift },
        (_, time) => Params { time, value, sample_rate, shift },
    }
}

/// A parameter from the JSON text of a string or a number; `null` means absent.
fn param(json: &str) -> Param<'_> {
    match json.as_bytes().first() {
        Some(b'"') => string(json).map_or(Param::Invalid, Param::new),
        Some(b'-' | b'0'..=b'9') if !has_exponent(json) => Param::Text(Cow::Borrowed(json)),
        Some(b'-' | b'0'..=b'9') => match without_exponent(json) {
            Cow::Owned(plain) => Param::Text(Cow::Owned(plain)),
            // Outside the range of a double.
            Cow::Borrowed(_) => Param::Invalid,
        },
        Some(b'n') => Param::Absent,
        _ => Param::Invalid,
    }
}

/// True if a JSON number has an exponent; few have one.
fn has_exponent(number: &str) -> bool {
    number.bytes().fold(false, |found, byte| found | (byte | 0x20 == b'e'))
}

/// The text of a JSON string. `None` if the value is no string, or has half a surrogate pair.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Self::default();
        ObjectSeed(&mut object).deserialize(deserializer)?;
        Ok(object)
    }
}

/// An empty object that is filled in place: serde copies each result several times.
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
            *slot = Some(map.next_value::<&RawValue>()?.get());
        }
        Ok(())
    }
}

/// The names of the known members.
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
