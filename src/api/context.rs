//! The state that the requests of one worker share.

use std::rc::Rc;

use crate::api::long_batch::Turns;
use crate::api::policy::CurrentPolicy;
use crate::api::settings::Settings;
use crate::api::site::Site;
use crate::conn::budget::Budget;
use crate::conn::deadlines::Deadlines;
use crate::ingest::batch::{Batch, BatchError};
use crate::metric::{Metric, MetricError, Sink as _};
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;
use crate::telemetry::refusals::Refusals;
use crate::upstream::router::Router;

/// The state of one worker that its requests use.
pub(crate) struct Context {
    /// The settings that do not change.
    pub settings: Settings,
    /// The settings that may change.
    pub policy: CurrentPolicy,
    /// Defines the values and names that are accepted: those that all daemons understand.
    pub encoding: Encoding,
    /// Writes lines to the queues of the daemons.
    pub router: Router,
    /// The memory for unfinished requests.
    pub budget: Budget,
    /// The turns of long batches.
    pub turns: Turns,
    /// The page beside the API; `None` without `--demo`.
    pub site: Option<Site>,
    /// Counts refused requests.
    pub refusals: Refusals,
    /// The clock and the connections of the worker.
    pub deadlines: Rc<Deadlines>,
}

impl Context {
    /// Forwards the metric of a request unless sampling drops it.
    pub(crate) fn send(&self, metric: &Metric<'_>) -> Result<(), MetricError> {
        Sample::new(&self.encoding, &self.router).accept(metric).map(|_| ())
    }

    /// Processes a slice of a batch. Returns true if that was the last.
    ///
    /// # Errors
    ///
    /// As [`Batch::advance`].
    pub(crate) fn advance(&self, batch: &mut Batch) -> Result<bool, BatchError> {
        match self.router.only() {
            // Compiled separately: checking the number of daemons for each line would cost 3 % of it.
            Some(mut outlet) => batch.advance(&self.encoding, &mut outlet),
            None => batch.advance(&self.encoding, &mut &self.router),
        }
    }
}
