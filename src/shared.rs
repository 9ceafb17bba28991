//! What the requests of one worker share, and nothing outside it touches.

use std::rc::Rc;
use std::sync::Arc;

use crate::auth::Verifier;
use crate::config::Config;
use crate::http::deadline::Deadlines;
use crate::metric::Rate;
use crate::statsd::upstream::Upstream;

/// One worker's state, as its requests see it.
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// Checks tokens, where they are required.
    pub verifier: Option<Verifier>,
    /// The way to StatsD.
    pub upstream: Upstream,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
}

impl Shared {
    /// Whether a request of this sample rate is among those sent on.
    pub fn keeps(&self, rate: Rate) -> bool {
        !rate.is_sampled() || rate.keeps(fastrand::f64())
    }
}
