//! Many metrics in one body: StatsD lines, a JSON array or object, or JSON objects line by line.
//!
//! A batch is processed in slices, so that a large one does not delay the other connections of its worker. Its result is a
//! [`Report`]. Pure: knows neither sockets nor hyper.

mod allowance;
mod array;
mod format;
mod held_array;
mod intake;
mod json_lines;
mod lines;
mod plain_line;
#[cfg(any(test, feature = "internals"))]
pub(crate) mod reference;
mod report;

use bytes::Bytes;
use memchr::memchr;
use thiserror::Error;

use crate::ingest::batch::allowance::Allowance;
use crate::ingest::batch::array::Array;
use crate::ingest::batch::held_array::HeldArray;
use crate::ingest::batch::intake::Intake;
use crate::ingest::content_type::ContentType;
use crate::ingest::json::Fields;
use crate::ingest::params::{Members, ParamsRef};
use crate::metric::{Metric, MetricError, Sink, TagsWriter};
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;

use format::Format;

pub(crate) use report::Report;

/// Bytes of a body that are processed without a pause: the size of a usual batch, and well under a millisecond of work.
pub(crate) const SLICE: usize = 64 * 1024;

/// Why a batch is refused as a whole.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BatchError {
    /// The Content-Type is neither that of lines nor that of JSON.
    #[error("Content type not supported")]
    ContentType,
    /// Malformed JSON, or neither an array nor an object.
    #[error("Invalid JSON specified")]
    Json,
}

/// A batch that is being processed.
#[derive(Debug)]
pub(crate) struct Batch {
    body: Bytes,
    reader: Reader,
    report: Report,
    allowance: Allowance,
}

/// The format of a body, and the position in it.
#[derive(Debug)]
enum Reader {
    /// Lines, from this offset on.
    Lines(usize),
    /// JSON, line by line, from this offset on.
    JsonLines(usize),
    /// An array or an object.
    Json(HeldArray),
}

impl Batch {
    /// A batch in the format of `content_type`, or the detected one if that names none. `cap` is the size limit of batches, in
    /// bytes, which also bounds the lines of the batch.
    pub(crate) fn new(content_type: ContentType, body: Bytes, cap: usize) -> Result<Self, BatchError> {
        let reader = match Format::of(content_type, &body).ok_or(BatchError::ContentType)? {
            Format::Lines => Reader::Lines(0),
            Format::JsonLines => Reader::JsonLines(0),
            // A short one is checked when it is parsed.
            Format::Json if body.len() <= SLICE => Reader::Json(HeldArray::new(Array::new(&body)?)),
            Format::Json => Reader::Json(HeldArray::new(Array::new(checked(&body)?)?)),
        };
        let allowance = Allowance::new(body.len(), cap);
        Ok(Self { body, reader, report: Report::default(), allowance })
    }

    /// Processes a slice. Returns true if that was the last one.
    ///
    /// # Errors
    ///
    /// The batch is refused as a whole. No metric has reached `sink` then.
    pub(crate) fn advance(&mut self, encoding: &Encoding, sink: &mut impl Sink) -> Result<bool, BatchError> {
        let Self { body, reader, report, allowance } = self;
        match reader {
            Reader::Lines(from) => {
                lines::take(slice(body, from), &mut Intake::new(encoding, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::JsonLines(from) => {
                let sink = Sample::new(encoding, sink);
                json_lines::accept_all(slice(body, from), &mut Intake::new(encoding, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::Json(array) => {
                let mut intake = Intake::new(encoding, Sample::new(encoding, sink), report, allowance);
                if body.len() > SLICE {
                    return array.advance(body, &mut intake);
                }
                let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
                array.process_short(text, &mut intake).map(|()| true)
            }
        }
    }

    /// The report of the metrics that were accepted or rejected.
    pub(crate) fn into_report(self) -> Report {
        self.report
    }
}

/// `body`, if it is UTF-8, as JSON must be (RFC 8259 section 8.1): the parsers check only the strings that they use.
fn checked(body: &[u8]) -> Result<&[u8], BatchError> {
    std::str::from_utf8(body).map(str::as_bytes).map_err(|_| BatchError::Json)
}

/// The lines that begin within a slice after `from`. Moves `from` to their end.
fn slice<'a>(body: &'a [u8], from: &mut usize) -> &'a [u8] {
    let (start, reach) = (*from, *from + SLICE);
    *from = match body.get(reach..).and_then(|rest| memchr(b'\n', rest)) {
        Some(at) => reach + at + 1,
        None => body.len(),
    };
    &body[start..*from]
}

/// Accepts or rejects the metric of an element; `None` is one that is no object.
fn accept_element<'a>(object: Option<&impl Fields<'a>>, intake: &mut Intake<'_, impl Sink>) {
    if let Err(error) = try_accept(object, intake) {
        intake.reject(1, error);
    }
}

fn try_accept<'a>(object: Option<&impl Fields<'a>>, intake: &mut Intake<'_, impl Sink>) -> Result<(), MetricError> {
    if let Some(error) = intake.end() {
        return Err(error);
    }
    let object = object.ok_or(MetricError::Object)?;
    let (name, kind) = (intake.encoding.name(object.name()?)?, object.kind()?);
    let params;
    let value = match object.only_value() {
        Some(value) => ParamsRef::from_value(value).value(kind, intake.encoding, Members::Any)?,
        None => {
            params = object.params(kind);
            params.value(kind, intake.encoding, Members::Any)?
        }
    };
    let mut writer = TagsWriter::default();
    let tags = object.tags(&mut writer)?;
    intake.accept(&Metric::new(name, value, tags));
    Ok(())
}

#[cfg(test)]
mod tests;
