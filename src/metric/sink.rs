//! Where metrics go once they are sound.

use crate::metric::{Metric, MetricError};

/// What a sink says of a metric that it has accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// Bytes of the metric's line, whether it is sent or dropped by sampling: what a batch spends of its allowance. Only the
    /// step that writes a line knows them: tags shrink as they are cleaned, so to work them out elsewhere is to write the
    /// line twice.
    pub line_bytes: usize,
}

/// Accepts sound metrics, one at a time. Sinks stack: one that samples, filters or counts holds the next one and hands on
/// what may pass.
pub(crate) trait Sink {
    /// Accepts `metric`.
    ///
    /// # Errors
    ///
    /// The metric cannot be sent, [`MetricError::TooLong`] among the reasons. The sink is then as it was before.
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError>;
}

impl<S: Sink> Sink for &mut S {
    #[inline]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        (**self).accept(metric)
    }
}
