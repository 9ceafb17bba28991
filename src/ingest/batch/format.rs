//! The format of a batch.

use serde::de::IgnoredAny;

use crate::ingest::content_type::ContentType;
use crate::ingest::json::PlainObject;

/// The formats of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// StatsD lines.
    Lines,
    /// A JSON array, or one object.
    Json,
    /// JSON objects, one per line.
    JsonLines,
}

impl Format {
    /// The format that `content_type` names, or the format of `body` if it names none. `None` if it names another type.
    pub(super) fn of(content_type: ContentType, body: &[u8]) -> Option<Self> {
        match content_type {
            ContentType::Json => Some(Self::Json),
            ContentType::JsonLines => Some(Self::JsonLines),
            ContentType::Form | ContentType::Unnamed => Some(Self::guess(body)),
            ContentType::Multipart | ContentType::Other => None,
        }
    }

    /// Detects the format of `body`. No metric name begins with a bracket, so a bracket means JSON; an object with text after
    /// it is the first of several lines.
    fn guess(body: &[u8]) -> Self {
        match body.trim_ascii_start().first() {
            Some(b'[') => Self::Json,
            Some(b'{') if is_single(body) => Self::Json,
            Some(b'{') => Self::JsonLines,
            _ => Self::Lines,
        }
    }
}

/// True if `body` is one value. Text after the first value is not parsed.
fn is_single(body: &[u8]) -> bool {
    if let Some((_, len)) = PlainObject::read(body) {
        return body[len..].trim_ascii().is_empty();
    }
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    matches!(values.next(), Some(Ok(_))) && body[values.byte_offset()..].trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_what_they_are_said_to_be_or_look_like() {
        for (body, expected) in [
            ("a:1|c\n", Format::Lines),
            ("", Format::Lines),
            (" [1]", Format::Json),
            ("{\n\"metric\": 1\n}\n", Format::Json),
            ("{\"a\":1}\n{\"a\":2}", Format::JsonLines),
            ("{\"a\":", Format::JsonLines),
        ] {
            for unsaid in [ContentType::Unnamed, ContentType::Form] {
                assert_eq!(Format::of(unsaid, body.as_bytes()), Some(expected), "{body:?}");
            }
            assert_eq!(Format::of(ContentType::Json, body.as_bytes()), Some(Format::Json));
            assert_eq!(Format::of(ContentType::JsonLines, body.as_bytes()), Some(Format::JsonLines));
            assert_eq!(Format::of(ContentType::Multipart, body.as_bytes()), None);
        }
    }
}
