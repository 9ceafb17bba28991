//! A parser of the most common tags, in one pass: an object or a list whose strings have no escapes.
//!
//! It leaves any other tags to [`tags`], which must give the same result for these.

use std::ops::Range;

use crate::ingest::json::scan::{Scan, Token};
use crate::ingest::json::tags;
use crate::metric::{MAX_LINE, MAX_TAGS, MetricError, Tags, TagsWriter};

/// Parses tags from their JSON text, as [`tags::read`] does.
pub(super) fn read<'t>(json: &'t str, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError> {
    if write(json, writer).is_none() {
        *writer = TagsWriter::default();
        return tags::read(json, writer);
    }
    Tags::parse(writer.as_str())
}

/// Writes the tags of an object or a list. `None` if they are not plain; some may be written then.
fn write(json: &str, writer: &mut TagsWriter) -> Option<()> {
    let (mut scan, close) = match json.as_bytes() {
        bytes @ [b'{', ..] => (Scan::new(bytes), b'}'),
        bytes @ [b'[', ..] => (Scan::new(bytes), b']'),
        _ => return None,
    };
    *writer = TagsWriter::with_capacity(json.len().min(MAX_LINE));
    scan.skip(1);
    if scan.accept(close) {
        return Some(());
    }
    for _ in 0..MAX_TAGS {
        let text = |range: Range<usize>| json.get(range);
        let key = text(scan.plain_string()?)?;
        scan.space();
        if close == b']' {
            let (key, value) = key.split_once([':', '=']).unwrap_or((key, ""));
            writer.push(key, value);
        } else {
            scan.accept(b':').then_some(())?;
            let start = scan.at();
            match (scan.value()?, scan.at()) {
                (Token::PlainString, end) => writer.push(key, text(start + 1..end - 1)?),
                (Token::PlainNumber, end) => writer.push(key, text(start..end)?),
                (Token::Scalar, end) => match text(start..end)? {
                    // Means that the metric has no such tag.
                    "null" => {}
                    flag @ ("true" | "false") => writer.push(key, flag),
                    _ => return None,
                },
                (Token::Nested, _) => return None,
            }
            scan.space();
        }
        if writer.as_str().len() > MAX_LINE {
            return None;
        }
        if !scan.accept(b',') {
            return scan.accept(close).then_some(());
        }
    }
    None
}
