//! Many metrics in one body: StatsD lines, a JSON array or object, or JSON objects line by line.
//!
//! A batch is taken in slices, so that the largest one does not keep a worker from its other connections. What is said
//! of it in the end is its [`Report`]. Pure: knows neither sockets nor hyper.

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

/// Bytes of a body that are taken without a pause: what a batch of usual size has, and well under a millisecond of work.
pub(crate) const SLICE: usize = 64 * 1024;

/// Why a batch cannot be read at all.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BatchError {
    /// Neither lines nor JSON, after its Content-Type.
    #[error("Content type not supported")]
    ContentType,
    /// Not well-formed, or neither an array nor an object.
    #[error("Invalid JSON specified")]
    Json,
}

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    body: Bytes,
    reader: Reader,
    report: Report,
    allowance: Allowance,
}

/// How far a body was read.
#[derive(Debug)]
enum Reader {
    /// Lines from this offset on.
    Lines(usize),
    /// JSON, line by line, from this offset on.
    JsonLines(usize),
    /// An array or an object.
    Json(HeldArray),
}

impl Batch {
    /// A batch of what `content_type` says, or if that says nothing, what it looks like. What it may become is bounded by
    /// `cap`, the most bytes that a batch may have.
    pub(crate) fn new(content_type: ContentType, body: Bytes, cap: usize) -> Result<Self, BatchError> {
        let reader = match Format::of(content_type, &body).ok_or(BatchError::ContentType)? {
            Format::Lines => Reader::Lines(0),
            Format::JsonLines => Reader::JsonLines(0),
            // A short one is looked at when it is taken.
            Format::Json if body.len() <= SLICE => Reader::Json(HeldArray::new(Array::new(&body)?)),
            Format::Json => Reader::Json(HeldArray::new(Array::new(checked(&body)?)?)),
        };
        let allowance = Allowance::new(body.len(), cap);
        Ok(Self { body, reader, report: Report::default(), allowance })
    }

    /// Takes a slice; returns whether that was the last.
    ///
    /// An error comes before any metric was taken.
    pub(crate) fn advance(&mut self, encoding: &Encoding, sink: &mut impl Sink) -> Result<bool, BatchError> {
        let Self { body, reader, report, allowance } = self;
        match reader {
            Reader::Lines(from) => {
                lines::take(slice(body, from), &mut Intake::new(encoding, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::JsonLines(from) => {
                let sink = Sample::new(encoding, sink);
                json_lines::take_all(slice(body, from), &mut Intake::new(encoding, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::Json(array) => {
                let mut intake = Intake::new(encoding, Sample::new(encoding, sink), report, allowance);
                if body.len() > SLICE {
                    return array.advance(body, &mut intake);
                }
                let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
                array.take_at_once(text, &mut intake).map(|()| true)
            }
        }
    }

    /// What became of the metrics.
    pub(crate) fn into_report(self) -> Report {
        self.report
    }
}

/// `body`, if it is UTF-8, as JSON is (RFC 8259 section 8.1); the parser looks at the strings that are used only.
fn checked(body: &[u8]) -> Result<&[u8], BatchError> {
    std::str::from_utf8(body).map(str::as_bytes).map_err(|_| BatchError::Json)
}

/// The lines from `from` on that begin within a slice; moves `from` to their end.
fn slice<'a>(body: &'a [u8], from: &mut usize) -> &'a [u8] {
    let (start, reach) = (*from, *from + SLICE);
    *from = match body.get(reach..).and_then(|rest| memchr(b'\n', rest)) {
        Some(at) => reach + at + 1,
        None => body.len(),
    };
    &body[start..*from]
}

/// Takes the metric that `object` is, if it is an object.
fn take<'a>(object: Option<&impl Fields<'a>>, intake: &mut Intake<'_, impl Sink>) {
    if let Err(error) = try_take(object, intake) {
        intake.reject(1, error);
    }
}

fn try_take<'a>(object: Option<&impl Fields<'a>>, intake: &mut Intake<'_, impl Sink>) -> Result<(), MetricError> {
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
