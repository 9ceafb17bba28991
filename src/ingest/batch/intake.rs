//! Where the metrics of a batch are counted and bounded, on their way to the sink.

use crate::ingest::batch::allowance::Allowance;
use crate::ingest::batch::{Report, Sink, sample};
use crate::metric::{Metric, MetricError};
use crate::statsd::encoding::Encoding;

/// The sink of a batch, with its report and its allowance.
pub(super) struct Intake<'a, S> {
    /// How lines are written.
    pub style: &'a Encoding,
    sink: &'a mut S,
    report: &'a mut Report,
    allowance: &'a mut Allowance,
    /// What [`Allowance::end`] said last; kept, since each metric asks.
    end: Option<MetricError>,
}

impl<'a, S: Sink> Intake<'a, S> {
    /// An intake for some of a batch.
    pub(super) fn new(
        style: &'a Encoding,
        sink: &'a mut S,
        report: &'a mut Report,
        allowance: &'a mut Allowance,
    ) -> Self {
        let end = allowance.end(report.rejections());
        Self { style, sink, report, allowance, end }
    }

    /// Why nothing more is to be looked at, if so: it is then for [`Intake::reject`] as a whole.
    #[inline]
    pub(super) fn end(&self) -> Option<MetricError> {
        self.end
    }

    /// Takes a metric that its client has sampled, if it was.
    #[inline]
    pub(super) fn take(&mut self, metric: &Metric<'_>) {
        let spent = self.allowance.spend_samples(self.style, metric);
        let taken = spent.and_then(|()| self.sink.take(metric));
        self.note(metric.value.count(), taken);
    }

    /// Takes a metric that is to be sampled here. One that is left out has its length counted as well, since chance must not
    /// decide how much of a batch is taken.
    #[inline]
    pub(super) fn sample(&mut self, metric: &Metric<'_>) {
        let taken = sample(metric, self.style, self.sink);
        self.note(metric.value.count(), taken);
    }

    /// Rejects the next `count` metrics.
    #[cold]
    pub(super) fn reject(&mut self, count: u64, error: MetricError) {
        self.report.note(count, Err(error));
        self.end = self.allowance.end(self.report.rejections());
    }

    #[inline]
    fn note(&mut self, count: u32, taken: Result<usize, MetricError>) {
        match taken {
            Ok(length) => {
                self.report.accept(u64::from(count));
                if !self.allowance.spend(length) {
                    self.end = self.allowance.end(self.report.rejections());
                }
            }
            Err(error) => self.reject(u64::from(count), error),
        }
    }
}
