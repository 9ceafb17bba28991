//! Many metrics in one body: StatsD lines, a JSON array or object, or JSON objects line by line.
//!
//! A batch is taken in slices, so that the largest one does not keep a worker from its other connections. What is said
//! of it in the end is its [`Report`]. Pure: knows neither sockets nor hyper.

mod allowance;
mod array;
mod format;
mod intake;
mod lines;
mod plain;
mod report;
mod stage;

use bytes::Bytes;
use memchr::memchr;
use thiserror::Error;

use crate::ingest::batch::allowance::Allowance;
use crate::ingest::batch::array::Array;
use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::stage::StagedLines;
use crate::ingest::content_type::ContentType;
use crate::ingest::json::{Object, each_object};
use crate::ingest::params::Members;
use crate::metric::{MAX_LINE, Metric, MetricError, TagsWriter};
use crate::statsd::encoding::Encoding;
use crate::statsd::line;

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

/// Where metrics go, one by one.
pub(crate) trait Sink {
    /// Takes a sound metric, and returns how many bytes its line has; refuses one that is too long.
    fn take(&mut self, metric: &Metric<'_>) -> Result<usize, MetricError>;

    /// Takes a line of `count` measurements, or two that belong together, none of them too long.
    fn take_line(&mut self, line: &[u8], count: u32);

    /// Whether a line may come before its metric is accepted. If not, only metrics come.
    fn takes_lines(&self) -> bool {
        true
    }
}

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    body: Bytes,
    cap: usize,
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
    /// An array or an object of no more than a slice.
    Short(Array),
    /// An array or an object that has yet to be found well-formed: nothing is sent of one that is not.
    Unchecked(Array),
    /// An array or an object that is well-formed, and how many elements it has.
    Checked(Array, u64),
}

impl Batch {
    /// A batch of what `content_type` says, or if that says nothing, what it looks like. What it may become is bounded by
    /// `cap`, the most bytes that a batch may have.
    pub(crate) fn new(content_type: ContentType, body: Bytes, cap: usize) -> Result<Self, BatchError> {
        let reader = match Format::of(content_type, &body).ok_or(BatchError::ContentType)? {
            Format::Lines => Reader::Lines(0),
            Format::JsonLines => Reader::JsonLines(0),
            Format::Json if body.len() <= SLICE => Reader::Short(Array::new(checked(&body)?)?),
            Format::Json => Reader::Unchecked(Array::new(checked(&body)?)?),
        };
        let allowance = Allowance::new(body.len(), cap);
        Ok(Self { body, cap, reader, report: Report::default(), allowance })
    }

    /// Takes a slice; returns whether that was the last.
    ///
    /// An error comes before any metric was taken.
    pub(crate) fn advance(&mut self, style: &Encoding, sink: &mut impl Sink) -> Result<bool, BatchError> {
        let Self { body, cap, reader, report, allowance } = self;
        match reader {
            Reader::Lines(from) => {
                lines::take(slice(body, from), &mut Intake::new(style, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::JsonLines(from) => {
                take_json_lines(slice(body, from), &mut Intake::new(style, sink, report, allowance));
                Ok(*from == body.len())
            }
            Reader::Short(array) if !sink.takes_lines() => {
                let mut check = Array::new(body)?;
                while !check.check(body, SLICE)? {}
                let mut intake = Intake::new(style, sink, report, allowance);
                while let Some(object) = array.next(body)? {
                    take(object.as_ref(), &mut intake);
                }
                Ok(true)
            }
            // To hold its lines back until it has ended well is cheaper than to read it twice.
            Reader::Short(array) => {
                let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
                let mut stage = StagedLines::new(style, text.len());
                let mut intake = Intake::new(style, &mut stage, report, allowance);
                if !each_object(text, |object| take(Some(object), &mut intake)) {
                    // Something in it is no object: once more, element by element.
                    (*report, *allowance) = (Report::default(), Allowance::new(body.len(), *cap));
                    stage = StagedLines::new(style, text.len());
                    let mut intake = Intake::new(style, &mut stage, report, allowance);
                    while let Some(object) = array.next(body)? {
                        take(object.as_ref(), &mut intake);
                    }
                }
                stage.release(sink);
                Ok(true)
            }
            Reader::Unchecked(array) => {
                if array.check(body, SLICE)? {
                    *reader = Reader::Checked(Array::new(body)?, array.count());
                }
                Ok(false)
            }
            Reader::Checked(array, count) => {
                let before = array.offset();
                let mut intake = Intake::new(style, sink, report, allowance);
                while array.offset() - before < SLICE {
                    if let Some(error) = intake.end() {
                        intake.reject(*count - array.count(), error);
                        return Ok(true);
                    }
                    let Some(object) = array.next(body)? else { return Ok(true) };
                    take(object.as_ref(), &mut intake);
                }
                Ok(false)
            }
        }
    }

    /// What became of the metrics.
    pub(crate) fn into_report(self) -> Report {
        self.report
    }
}

/// Hands a sound metric to `sink` unless sampling drops it; returns how many bytes its line has either way.
#[inline]
pub(crate) fn sample(metric: &Metric<'_>, style: &Encoding, sink: &mut impl Sink) -> Result<usize, MetricError> {
    if metric.value.rate().keep() {
        return sink.take(metric);
    }
    // Chance must not decide whether a metric is sound.
    match line::length(style, metric) {
        length if length > MAX_LINE => Err(MetricError::TooLong),
        length => Ok(length),
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

fn take_json_lines(text: &[u8], intake: &mut Intake<'_, impl Sink>) {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if let Some(error) = intake.end() {
            return intake.reject(1 + lines.count() as u64, error);
        }
        let object = match line {
            [b'{', ..] => serde_json::from_slice::<Object<'_>>(line).ok(),
            _ => None,
        };
        take(object.as_ref(), intake);
    }
}

/// Takes the metric that `object` is, if it is an object.
fn take(object: Option<&Object<'_>>, intake: &mut Intake<'_, impl Sink>) {
    if let Err(error) = try_take(object, intake) {
        intake.reject(1, error);
    }
}

fn try_take(object: Option<&Object<'_>>, intake: &mut Intake<'_, impl Sink>) -> Result<(), MetricError> {
    if let Some(error) = intake.end() {
        return Err(error);
    }
    let object = object.ok_or(MetricError::Object)?;
    let (name, kind) = (intake.style.name(object.name()?)?, object.kind()?);
    let params = object.params(kind);
    let value = params.value(kind, intake.style, Members::Any)?;
    let mut writer = TagsWriter::default();
    let tags = object.tags(&mut writer)?;
    intake.sample(&Metric { name, value, tags, as_it_came: None });
    Ok(())
}

#[cfg(test)]
mod tests;
