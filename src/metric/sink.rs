//! The trait of every step that accepts metrics.

use crate::metric::{Metric, MetricError};

/// A sink's report on a metric that it has accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// Bytes of the metric's line, sent or dropped by sampling. A batch spends them of its allowance. Only the step
    /// that writes a line knows their number: cleaning shortens tags, so any other step would have to write the line a
    /// second time.
    pub line_bytes: usize,
}

/// Accepts valid metrics, one at a time. Sinks stack: one that samples, filters or sums holds the next one and forwards
/// to it.
pub(crate) trait Sink {
    /// Accepts `metric`.
    ///
    /// # Errors
    ///
    /// The metric cannot be sent, for example [`MetricError::TooLong`]. The sink's state is then unchanged.
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError>;
}

impl<S: Sink> Sink for &mut S {
    #[inline]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        (**self).accept(metric)
    }
}
