//! Counts and bounds the metrics of a batch before the sink accepts them.

use crate::ingest::batch::Report;
use crate::ingest::batch::allowance::Allowance;
use crate::metric::{Accepted, Metric, MetricError, Sink};
use crate::statsd::encoding::Encoding;

/// The sink of a batch, with its report and its allowance.
pub(super) struct Intake<'a, S> {
    /// How lines are written.
    pub style: &'a Encoding,
    sink: S,
    report: &'a mut Report,
    allowance: &'a mut Allowance,
    /// What [`Allowance::end`] said last; kept, since each metric asks.
    end: Option<MetricError>,
}

impl<'a, S: Sink> Intake<'a, S> {
    /// An intake for some of a batch.
    pub(super) fn new(style: &'a Encoding, sink: S, report: &'a mut Report, allowance: &'a mut Allowance) -> Self {
        let end = allowance.end(report.rejections());
        Self { style, sink, report, allowance, end }
    }

    /// Why nothing more is to be looked at, if so: it is then for [`Intake::reject`] as a whole.
    #[inline]
    pub(super) fn end(&self) -> Option<MetricError> {
        self.end
    }

    /// Hands on a metric whose rate its client has applied, so that the daemon multiplies it.
    #[inline]
    pub(super) fn accept_sampled(&mut self, metric: &Metric<'_>) {
        let spent = self.allowance.spend_samples(self.style, metric);
        let accepted = spent.and_then(|()| self.sink.accept(metric));
        self.note(metric.value().count(), accepted);
    }

    /// Hands on a metric whose rate this server applies.
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
