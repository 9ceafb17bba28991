//! What the requests of one worker share, and nothing outside it touches.

use std::rc::Rc;
use std::sync::Arc;

use crate::auth::Verifier;
use crate::batch::Sink;
use crate::config::Config;
use crate::http::body::Budget;
use crate::http::deadline::Deadlines;
use crate::metric::{Metric, MetricError, Sampling};
use crate::statsd::line;
use crate::statsd::upstream::Upstream;

/// One worker's state, as its requests see it.
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// Checks tokens, where they are required.
    pub verifier: Option<Verifier>,
    /// The way to StatsD.
    pub upstream: Upstream,
    /// The room for bodies.
    pub budget: Budget,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
}

impl Shared {
    /// Sends a metric on, if the lot so falls. Once accepted, it is not refused for anything that happens later.
    pub fn send(&self, metric: &Metric<'_>, sampling: Sampling) -> Result<(), MetricError> {
        let (style, rate) = (&self.config.style, metric.value.rate());
        if sampling == Sampling::Done || !rate.is_sampled() || rate.keeps(fastrand::f64()) {
            return self.upstream.push(style, metric);
        }
        // Chance must not decide whether a metric is sound.
        if line::fits(style, metric) { Ok(()) } else { Err(MetricError::TooLong) }
    }
}

impl Sink for &Shared {
    fn take(&mut self, metric: &Metric<'_>, sampling: Sampling) -> Result<(), MetricError> {
        self.send(metric, sampling)
    }
}
