//! Counts and bounds the metrics of a batch before the sink accepts them.

use crate::ingest::batch::Report;
use crate::ingest::batch::allowance::Allowance;
use crate::metric::{Accepted, Metric, MetricError, Sink};
use crate::statsd::encoding::Encoding;

/// The sink of a batch, with its report and its allowance.
pub(super) struct Intake<'a, S> {
    /// The encoding of the lines.
    pub encoding: &'a Encoding,
    sink: S,
    report: &'a mut Report,
    allowance: &'a mut Allowance,
    /// The last result of [`Allowance::end`], stored because every metric needs it.
    end: Option<MetricError>,
}

impl<'a, S: Sink> Intake<'a, S> {
    /// An intake for a slice of a batch.
    pub(super) fn new(encoding: &'a Encoding, sink: S, report: &'a mut Report, allowance: &'a mut Allowance) -> Self {
        let end = allowance.end(report.rejections());
        Self { encoding, sink, report, allowance, end }
    }

    /// The reason to stop reading, or `None`. The rest of the batch is then passed to [`Intake::reject`].
    #[inline]
    pub(super) fn end(&self) -> Option<MetricError> {
        self.end
    }

    /// Forwards a metric whose rate its client has applied: the daemon may multiply it.
    // For the reader of plain lines, which has seen already what the writer asks for: 30 instructions for each line.
    #[inline(always)]
    pub(super) fn accept_sampled(&mut self, metric: &Metric<'_>) {
        let spent = self.allowance.spend_samples(self.encoding, metric);
        let accepted = spent.and_then(|()| self.sink.accept(metric));
        self.note(metric.value().count(), accepted);
    }

    /// Forwards a metric whose rate this server applies.
    #[inline]
    pub(super) fn accept(&mut self, metric: &Metric<'_>) {
        let accepted = self.sink.accept(metric);
        self.note(metric.value().count(), accepted);
    }

    /// Rejects the next `count` metrics.
    #[cold]
    pub(super) fn reject(&mut self, count: u64, error: MetricError) {
        self.report.note(count, Err(error));
        self.end = self.allowance.end(self.report.rejections());
    }

    #[inline]
    fn note(&mut self, count: u32, accepted: Result<Accepted, MetricError>) {
        match accepted {
            Ok(Accepted { line_bytes }) => {
                self.report.accept(u64::from(count));
                if !self.allowance.spend(line_bytes) {
                    self.end = self.allowance.end(self.report.rejections());
                }
            }
            Err(error) => self.reject(u64::from(count), error),
        }
    }
}
