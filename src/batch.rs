//! Many metrics in one body: StatsD lines, a JSON array or object, or JSON objects line by line.
//!
//! A batch is taken in slices, so that the largest one does not keep a worker from its other connections. What is said
//! of it in the end is its [`Report`]. Pure: knows neither sockets nor hyper.

mod array;
mod format;
mod lines;
mod report;

use bytes::Bytes;
use memchr::memchr;
use thiserror::Error;

use crate::batch::array::Array;
use crate::content_type::ContentType;
use crate::json::Object;
use crate::metric::{Metric, MetricError, Sampling, TagsWriter};
use crate::params::Members;
use crate::statsd::style::Style;

use format::Format;

pub use report::Report;

/// Bytes of a body that are taken without a pause: what a batch of usual size has, and well under a millisecond of work.
const SLICE: usize = 64 * 1024;

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

/// Where the metrics of a batch go, one by one.
pub trait Sink {
    /// Takes a sound metric; refuses one that is too long.
    fn take(&mut self, metric: &Metric<'_>, sampling: Sampling) -> Result<(), MetricError>;
}

/// A batch on its way.
#[derive(Debug)]
pub struct Batch {
    body: Bytes,
    reader: Reader,
    report: Report,
}

/// How far a body was read.
#[derive(Debug)]
enum Reader {
    /// Lines from this offset on.
    Lines(usize),
    /// JSON, line by line, from this offset on.
    JsonLines(usize),
    /// An array or an object that has yet to be found well-formed: nothing is sent of one that is not.
    Unchecked(Array),
    /// An array or an object that is well-formed.
    Json(Array),
}

impl Batch {
    /// A batch of what `content_type` says, or if that says nothing, what it looks like.
    pub fn new(content_type: ContentType, body: Bytes) -> Result<Self, BatchError> {
        let reader = match Format::of(content_type, &body).ok_or(BatchError::ContentType)? {
            Format::Lines => Reader::Lines(0),
            Format::JsonLines => Reader::JsonLines(0),
            Format::Json => Reader::Unchecked(Array::new(&body)?),
        };
        Ok(Self { body, reader, report: Report::default() })
    }

    /// Takes a slice; returns whether that was the last.
    ///
    /// An error comes before any metric was taken.
    pub fn advance(&mut self, style: &Style, sink: &mut impl Sink) -> Result<bool, BatchError> {
        let Self { body, reader, report } = self;
        let mut left = SLICE;
        loop {
            match reader {
                Reader::Lines(from) => {
                    let end = slice_end(body, *from, left);
                    lines::take(&body[*from..end], style, sink, report);
                    *from = end;
                    return Ok(end == body.len());
                }
                Reader::JsonLines(from) => {
                    let end = slice_end(body, *from, left);
                    take_json_lines(&body[*from..end], style, sink, report);
                    *from = end;
                    return Ok(end == body.len());
                }
                Reader::Unchecked(array) => {
                    let mut read = array.clone();
                    let before = read.offset();
                    if read.check(body, left)? {
                        left = left.saturating_sub(read.offset() - before);
                        *reader = Reader::Json(Array::new(body)?);
                        if left == 0 {
                            return Ok(false);
                        }
                    } else {
                        *reader = Reader::Unchecked(read);
                        return Ok(false);
                    }
                }
                Reader::Json(array) => {
                    let before = array.offset();
                    while array.offset() - before < left {
                        let Some(object) = array.next(body)? else { return Ok(true) };
                        report.note(object.ok_or(MetricError::Object).and_then(|object| take(&object, style, sink)));
                    }
                    return Ok(false);
                }
            }
        }
    }

    /// What became of the metrics.
    pub fn into_report(self) -> Report {
        self.report
    }
}

/// The end of the line that reaches past `len` bytes from `from` on, or the body's.
fn slice_end(body: &[u8], from: usize, len: usize) -> usize {
    let reach = from + len;
    match body.get(reach..).and_then(|rest| memchr(b'\n', rest)) {
        Some(at) => reach + at + 1,
        None => body.len(),
    }
}

fn take_json_lines(text: &[u8], style: &Style, sink: &mut impl Sink, report: &mut Report) {
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let object = serde_json::from_slice::<Object<'_>>(line).map_err(|_| MetricError::Object);
        report.note(object.and_then(|object| take(&object, style, sink)));
    }
}

/// Takes the metric that `object` is.
fn take(object: &Object<'_>, style: &Style, sink: &mut impl Sink) -> Result<(), MetricError> {
    let name = object.name()?;
    let name = style.name(&name)?;
    let params = object.params();
    let value = params.value(object.kind()?, style, Members::Any)?;
    let mut writer = TagsWriter::default();
    let tags = object.tags(&mut writer)?;
    sink.take(&Metric { name, value, tags }, Sampling::Here)
}
