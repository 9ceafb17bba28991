//! Tags in JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::json::{param, string};
use crate::ingest::params::Param;
use crate::metric::{MAX_LINE, MAX_TAGS, MetricError, Tags, TagsWriter};

/// Parses tags from their JSON text: `null`, a string in the format of [`Tags`], an object or a list. The result borrows from
/// `writer`, unless it is a string without escapes.
pub(super) fn read<'t>(json: &'t str, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError> {
    match json.as_bytes().first() {
        Some(b'n') => Ok(Tags::NONE),
        Some(b'"') => match string(json) {
            Some(Cow::Borrowed(text)) => Tags::parse(text),
            Some(Cow::Owned(text)) => {
                *writer = TagsWriter::from(text);
                Tags::parse(writer.as_str())
            }
            None => Err(MetricError::Tags),
        },
        _ => {
            let mut json = serde_json::Deserializer::from_str(json);
            json.deserialize_any(TagsVisitor(writer)).map_err(|_| MetricError::Tags)?;
            Tags::parse(writer.as_str())
        }
    }
}

/// Writes tags from an object of strings, numbers and booleans, or from a list of `"key:value"`.
struct TagsVisitor<'t>(&'t mut TagsWriter);

impl TagsVisitor<'_> {
    /// Counts a tag. Fails at more than [`MAX_TAGS`], or if the text is already longer than a line.
    fn count<E: serde::de::Error>(&self, count: &mut usize) -> Result<(), E> {
        *count += 1;
        let fits = *count <= MAX_TAGS && self.0.as_str().len() <= MAX_LINE;
        if fits { Ok(()) } else { Err(E::custom("too many tags")) }
    }
}

/// A string that is copied only if it has escapes; serde copies every `Cow`.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> Visitor<'de> for TagsVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            self.count(&mut count)?;
            let value: &RawValue = map.next_value()?;
            match value.get() {
                // Means that the metric has no such tag.
                "null" => {}
                flag @ ("true" | "false") => self.0.push(&key, flag),
                _ => match param(value.get()) {
                    Param::Text(value) => self.0.push(&key, &value),
                    Param::Absent => self.0.push(&key, ""),
                    Param::Invalid => return Err(A::Error::custom("a tag's value is no text")),
                },
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tags: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(Text(tag)) = tags.next_element::<Text<'de>>()? {
            self.count(&mut count)?;
            let (key, value) = tag.split_once([':', '=']).unwrap_or((&tag, ""));
            self.0.push(key, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::json::{Fields as _, Object};

    fn tags(json: &str) -> Result<Vec<(String, Option<String>)>, MetricError> {
        let text = format!(r#"{{"tags":{json}}}"#);
        let mut writer = TagsWriter::default();
        let object: Object<'_> = serde_json::from_str(&text).expect("an object");
        let tags = object.tags(&mut writer)?;
        Ok(tags.iter().map(|tag| (tag.key.to_owned(), tag.value.map(str::to_owned))).collect())
    }

    #[test]
    fn tags_come_as_object_text_or_list() {
        let pair = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let expected = Ok(vec![pair("env", "prod"), pair("n", "1")]);
        assert_eq!(tags(r#"{"env":"prod","n":1,"gone":null}"#), expected);
        assert_eq!(tags(r#""env=prod,n=1""#), expected);
        assert_eq!(tags(r#""env\u003dprod,n:1""#), expected);
        assert_eq!(tags(r#"["env:prod","n=1"]"#), expected);
        assert_eq!(tags(r#"{"a,b:c=d":"e,f","on":true}"#), Ok(vec![pair("a_b_c_d", "e_f"), pair("on", "true")]));
        assert_eq!(tags("null"), Ok(vec![]));
        for bad in ["7", "true", r#"{"a":[1]}"#, r#"{"a":{}}"#, "[1]"] {
            assert_eq!(tags(bad), Err(MetricError::Tags), "{bad}");
        }
        let many = (0..=MAX_TAGS).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(",");
        assert_eq!(tags(&format!("{{{many}}}")), Err(MetricError::Tags));
    }
}
