//! JSON batches parsed by serde_json alone: the parsers of [`super`] must give the same result. Compiled in tests and with the
//! feature `internals` only.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::ingest::batch::allowance::Allowance;
use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::{BatchError, Report, accept_element};
use crate::ingest::content_type::ContentType;
use crate::ingest::json::Object;
use crate::metric::Sink;
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;

/// Processes a batch of at most `cap` bytes to its end. `None` if neither its type nor its first byte is that of JSON.
pub(crate) fn read(
    encoding: &Encoding,
    content_type: ContentType,
    body: &[u8],
    cap: usize,
    sink: &mut impl Sink,
) -> Option<Result<Report, BatchError>> {
    let by_line = match (content_type, body.trim_ascii_start().first()) {
        (ContentType::JsonLines, _) => true,
        (ContentType::Json, _) | (ContentType::Unnamed | ContentType::Form, Some(b'[')) => false,
        (ContentType::Unnamed | ContentType::Form, Some(b'{')) => {
            let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
            let first_is_sound = values.next().is_some_and(|first| first.is_ok());
            !(first_is_sound && body[values.byte_offset()..].trim_ascii().is_empty())
        }
        _ => return None,
    };
    let objects = if by_line { Ok(objects_of_lines(body)) } else { objects_of_array(body) };
    Some(objects.map(|objects| {
        let (mut report, mut allowance) = (Report::default(), Allowance::new(body.len(), cap));
        let mut intake = Intake::new(encoding, Sample::new(encoding, sink), &mut report, &mut allowance);
        for object in objects {
            accept_element(object.as_ref(), &mut intake);
        }
        report
    }))
}

fn objects_of_lines(body: &[u8]) -> Vec<Option<Object<'_>>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok().filter(|_| line.starts_with(b"{"))).collect()
}

fn objects_of_array(body: &[u8]) -> Result<Vec<Option<Object<'_>>>, BatchError> {
    let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
    let elements: Vec<&RawValue> = match text.trim_start_matches([' ', '\t', '\n', '\r']).as_bytes() {
        [] => Vec::new(),
        [b'[', ..] => serde_json::from_str(text).map_err(|_| BatchError::Json)?,
        [b'{', ..] => vec![serde_json::from_str(text).map_err(|_| BatchError::Json)?],
        _ => return Err(BatchError::Json),
    };
    let texts = elements.into_iter().map(RawValue::get);
    Ok(texts.map(|text| serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))).collect())
}
