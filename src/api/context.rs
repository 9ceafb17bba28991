//! The state that the requests of one worker share.

use std::rc::Rc;

use crate::api::long_batch::Turns;
use crate::api::policy::CurrentPolicy;
use crate::api::settings::Settings;
use crate::api::site::Site;
use crate::conn::budget::Budget;
use crate::conn::deadlines::Deadlines;
use crate::metric::{Accepted, Metric, MetricError, Sink};
use crate::sinks::sample::Sample;
use crate::statsd::encoding::Encoding;
use crate::statsd::line;
use crate::telemetry::refusals::Refusals;
use crate::upstream::queue::Upstream;

/// The state of one worker that its requests use.
pub(crate) struct Context {
    /// The settings that do not change.
    pub settings: Settings,
    /// The settings that may change.
    pub policy: CurrentPolicy,
    /// The format of lines.
    pub encoding: Encoding,
    /// The queue towards StatsD.
    pub upstream: Upstream,
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
        Sample::new(&self.encoding, self).accept(metric).map(|_| ())
    }
}

impl Sink for &Context {
    // A tenth of a line's instructions: the reader of plain lines has seen already what the writer asks for.
    #[inline(always)]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let mut line_bytes = 0;
        self.upstream.push(metric.value().count(), |out| {
            let start = out.len();
            line::write(out, &self.encoding, metric);
            line_bytes = out.len() - start;
        })?;
        Ok(Accepted { line_bytes })
    }
}
