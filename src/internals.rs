//! Interface of fuzz targets and microbenchmarks to the pure modules. Compiled only for tests and with the feature
//! `internals`.
//!
//! `fuzz/` and `benches/` use the crate only through this file: if a module is moved or renamed, only this file
//! changes. It is not an interface for other programs.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use crate::api::routes::{Route, Routes};

use crate::conn::deadlines::Deadlines;
use crate::conn::deadlines::Timeouts;
use crate::ingest::batch::{Batch, Report, reference};
use crate::metric::{Accepted, Metric, Sink, Tags};
use crate::statsd::line;

pub use crate::api::kept_head::KeptHead;
pub use crate::api::routes::decode_key;
pub use crate::auth::secret::Secret;
pub use crate::auth::{AuthError, Grant, Verifier};
pub use crate::conn::frames::{Admission, FrameMeter};
pub use crate::conn::head::{Field, Fields, HeadError, check as check_head};
pub use crate::conn::inflate::{Coding, Inflate, InflateError};
pub use crate::ingest::batch::BatchError;
pub use crate::ingest::content_type::ContentType;
pub use crate::ingest::form::{multipart, urlencoded};
pub use crate::ingest::params::{Members, Param, Params};
pub use crate::metric::{Kind, MAX_LINE, MetricError};
pub use crate::statsd::dialect::{DIALECTS, Dialect};
pub use crate::statsd::encoding::Encoding;
pub use crate::statsd::packer::{DEFAULT_PACKET_SIZE, MAX_DATAGRAM, MAX_QUEUE, Packer, Push};

#[path = "../tests/properties/mod.rs"]
pub mod properties;

/// The key in the path of a metric, still percent-encoded.
pub fn metric_key(path: &str) -> Option<&str> {
    match Routes::default().find(&Method::POST, path, None) {
        Ok(Route::Metric(_, key)) => path.get(key..),
        _ => None,
    }
}

/// Lines that leave together: one, or the two of a negative gauge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// The lines, with a newline between.
    pub bytes: Vec<u8>,
    /// Number of measurements in the lines.
    pub measurements: u32,
}

/// The result of a batch.
#[derive(Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The lines to send, in order.
    pub units: Vec<Unit>,
    /// Measurements that were accepted, including those that sampling dropped.
    pub accepted: u64,
    /// Measurements that were rejected.
    pub rejected: u64,
    /// The report, as the client gets it.
    pub report: String,
}

impl Outcome {
    fn new(units: Vec<Unit>, report: &Report) -> Self {
        let (accepted, rejected) = (report.total() - report.rejections(), report.rejections());
        Self { units, accepted, rejected, report: String::from_utf8_lossy(&report.to_json()).into_owned() }
    }
}

/// A sink that collects its lines.
struct Kept<'a> {
    encoding: &'a Encoding,
    units: Vec<Unit>,
}

impl Sink for Kept<'_> {
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let mut line = Vec::new();
        line::write(&mut line, self.encoding, metric);
        if line.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let line_bytes = line.len();
        self.units.push(Unit { bytes: line, measurements: metric.value().count() });
        Ok(Accepted { line_bytes })
    }
}

/// An encoding with these settings; `own_tags` are `key=value`.
///
/// # Panics
///
/// If a setting is invalid.
pub fn encoding(dialect: &'static Dialect, prefix: &str, own_tags: &[&str]) -> Encoding {
    let mut encoding = Encoding::new(prefix.parse().expect("a sound prefix"), dialect);
    for tag in own_tags {
        encoding.add_tag(tag).expect("a sound tag");
    }
    encoding
}

/// Reads a batch of at most `cap` bytes to its end.
///
/// # Panics
///
/// If lines reached the sink before an error.
pub fn read_batch(
    encoding: &Encoding,
    content_type: ContentType,
    body: &[u8],
    cap: usize,
) -> Result<Outcome, BatchError> {
    let mut kept = Kept { encoding, units: Vec::new() };
    let mut batch = Batch::new(content_type, Bytes::copy_from_slice(body), cap)?;
    while !batch
        .advance(encoding, &mut kept)
        .inspect_err(|_| assert!(kept.units.is_empty(), "lines before an error"))?
    {}
    Ok(Outcome::new(kept.units, &batch.into_report()))
}

/// Reads a batch of JSON as [`read_batch`] must, with serde_json alone. `None` if it is not JSON.
pub fn read_batch_by_serde_json(
    encoding: &Encoding,
    content_type: ContentType,
    body: &[u8],
    cap: usize,
) -> Option<Result<Outcome, BatchError>> {
    let mut kept = Kept { encoding, units: Vec::new() };
    let report = reference::read(encoding, content_type, body, cap, &mut kept)?;
    Some(report.map(|report| Outcome::new(kept.units, &report)))
}

/// A sink that packs its lines into datagrams, as a worker's queue does.
struct Packed<'a> {
    encoding: &'a Encoding,
    packer: &'a mut Packer,
}

impl Sink for Packed<'_> {
    #[inline(always)]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let mut line_bytes = 0;
        let pushed = self.packer.push(metric.value().count(), |out| {
            let start = out.len();
            line::write(out, self.encoding, metric);
            line_bytes = out.len() - start;
        });
        if pushed == Push::TooLong { Err(MetricError::TooLong) } else { Ok(Accepted { line_bytes }) }
    }
}

/// Reads a batch to its end, and packs its lines. Lines that do not fit into the queue are dropped.
pub fn pack_batch(
    encoding: &Encoding,
    content_type: ContentType,
    body: Bytes,
    packer: &mut Packer,
) -> Result<(), BatchError> {
    let cap = body.len().max(MAX_LINE);
    let mut batch = Batch::new(content_type, body, cap)?;
    while !batch.advance(encoding, &mut Packed { encoding, packer })? {}
    Ok(())
}

/// The line of a single metric, from the parameters of its request.
pub fn write_single(
    encoding: &Encoding,
    kind: Kind,
    name: &str,
    params: &Params<'_>,
    members: Members,
) -> Result<Vec<u8>, MetricError> {
    let (name, value) = (encoding.name(name)?, params.value(kind, encoding, members)?);
    let mut line = Vec::new();
    line::write(&mut line, encoding, &Metric::new(name, value, Tags::NONE));
    if line.len() > MAX_LINE { Err(MetricError::TooLong) } else { Ok(line) }
}

/// A meter for the frames of a new HTTP/2 connection. Its clock stands still.
pub fn frame_meter() -> FrameMeter {
    let timeouts = Timeouts { read: None, write: None, idle: None };
    FrameMeter::new(Rc::new(Deadlines::new(&timeouts, Arc::default())))
}

/// Inflates a body that arrives in these pieces.
pub fn inflate<'a>(
    coding: Coding,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    cap: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut inflate = Inflate::new(coding, cap);
    for piece in pieces {
        inflate.write(piece)?;
    }
    inflate.finish()
}
