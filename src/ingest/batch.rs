//! Many metrics in one body: StatsD lines, a JSON array or object, or JSON objects line by line.
//!
//! A batch is taken in slices, so that the largest one does not keep a worker from its other connections. What is said
//! of it in the end is its [`Report`]. Pure: knows neither sockets nor hyper.

mod allowance;
mod array;
mod format;
mod intake;
mod lines;
mod plain_line;
mod report;

use bytes::Bytes;
use memchr::memchr;
use thiserror::Error;

use crate::ingest::batch::allowance::Allowance;
use crate::ingest::batch::array::Array;
use crate::ingest::batch::intake::Intake;
use crate::ingest::content_type::ContentType;
use crate::ingest::json::{Object, objects};
use crate::ingest::params::Members;
use crate::metric::{Metric, MetricError, Sink, TagsWriter};
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;

use format::Format;

pub(crate) use report::Report;

/// Bytes of a body that are taken without a pause: what a batch of usual size has, and well under a millisecond of work.
pub(crate) const SLICE: usize = 64 * 1024;

/// Objects of a short array that are held until it has ended well. A metric has 25 bytes or more, so an array with more
/// elements has some that are none.
const MAX_HELD: usize = SLICE / r#"{"metric":"a","type":"c"}"#.len();

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
                take_json_lines(
                    slice(body, from),
                    &mut Intake::new(encoding, Sample::new(encoding, sink), report, allowance),
                );
                Ok(*from == body.len())
            }
            Reader::Short(array) => {
                let text = std::str::from_utf8(body).map_err(|_| BatchError::Json)?;
                let mut intake = Intake::new(encoding, Sample::new(encoding, sink), report, allowance);
                // To hold its objects until it has ended well is cheaper than to read it twice.
                if let Some(objects) = objects(text, MAX_HELD) {
                    objects.iter().for_each(|object| take(Some(object), &mut intake));
                    return Ok(true);
                }
                let mut elements = array.clone();
                array.check(body, usize::MAX)?;
                take_elements(body, &mut elements, array.count(), usize::MAX, &mut intake)
            }
            Reader::Unchecked(array) => {
                if array.check(body, SLICE)? {
                    *reader = Reader::Checked(Array::new(body)?, array.count());
                }
                Ok(false)
            }
            Reader::Checked(array, count) => {
                let mut intake = Intake::new(encoding, Sample::new(encoding, sink), report, allowance);
                take_elements(body, array, *count, SLICE, &mut intake)
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

/// Takes elements of a well-formed array that has `count`, some `len` bytes of them; returns whether those were the last.
fn take_elements(
    body: &[u8],
    array: &mut Array,
    count: u64,
    len: usize,
    intake: &mut Intake<'_, impl Sink>,
) -> Result<bool, BatchError> {
    let before = array.offset();
    while array.offset() - before < len {
        if let Some(error) = intake.end() {
            intake.reject(count - array.count(), error);
            return Ok(true);
        }
        let Some(object) = array.next(body)? else { return Ok(true) };
        take(object.as_ref(), intake);
    }
    Ok(false)
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
    let (name, kind) = (intake.encoding.name(object.name()?)?, object.kind()?);
    let params = object.params(kind);
    let value = params.value(kind, intake.encoding, Members::Any)?;
    let mut writer = TagsWriter::default();
    let tags = object.tags(&mut writer)?;
    intake.accept(&Metric::new(name, value, tags));
    Ok(())
}

#[cfg(test)]
mod tests;
