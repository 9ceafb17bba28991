//! What the requests of one worker share, and nothing outside it touches.

use std::rc::Rc;

use crate::api::long_batch::Turns;
use crate::api::policy::CurrentPolicy;
use crate::api::settings::Settings;
use crate::api::site::Site;
use crate::conn::budget::Budget;
use crate::conn::deadlines::Deadlines;
use crate::ingest::batch::{Batch, BatchError};
use crate::metric::{Metric, MetricError, Sink as _};
use crate::sinks::router::Router;
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;
use crate::telemetry::refusals::Refusals;

/// One worker's state, as its requests see it.
pub(crate) struct Context {
    /// What the operator decided for good.
    pub settings: Settings,
    /// The settings that may change.
    pub policy: CurrentPolicy,
    /// How metrics are read: by what all daemons understand.
    pub encoding: Encoding,
    /// The way to the daemons, which writes lines.
    pub router: Router,
    /// The memory for requests that are not there whole.
    pub budget: Budget,
    /// Turns of batches that take long.
    pub turns: Turns,
    /// The page that is served beside the API, if there is one.
    pub site: Option<Site>,
    /// Requests that were refused.
    pub refusals: Refusals,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
}

impl Context {
    /// Forwards the metric of a request unless sampling drops it.
    pub(crate) fn send(&self, metric: &Metric<'_>) -> Result<(), MetricError> {
        Sample::new(&self.encoding, &self.router).accept(metric).map(|_| ())
    }

    /// Takes a slice of a batch; returns whether that was the last.
    ///
    /// # Errors
    ///
    /// As [`Batch::advance`].
    pub(crate) fn advance(&self, batch: &mut Batch) -> Result<bool, BatchError> {
        match self.router.only() {
            // Compiled apart: to ask for each line how many daemons there are would cost 3 % of it.
            Some(mut outlet) => batch.advance(&self.encoding, &mut outlet),
            None => batch.advance(&self.encoding, &mut &self.router),
        }
    }
}
