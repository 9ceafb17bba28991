//! What the requests of one worker share, and nothing outside it touches.

use std::rc::Rc;

use crate::api::long_batch::Turns;
use crate::api::policy::CurrentPolicy;
use crate::api::requester::Requester;
use crate::api::settings::Settings;
use crate::api::site::Site;
use crate::conn::budget::Budget;
use crate::conn::deadlines::Deadlines;
use crate::ingest::batch::{self, Sink};
use crate::metric::{Metric, MetricError};
use crate::statsd::encoding::Encoding;
use crate::statsd::line;
use crate::telemetry::refusals::Refusals;
use crate::upstream::queue::Upstream;

/// One worker's state, as its requests see it.
pub(crate) struct Context {
    /// What the operator decided for good.
    pub settings: Settings,
    /// The settings that may change.
    pub policy: CurrentPolicy,
    /// How lines are written.
    pub encoding: Encoding,
    /// The way to StatsD.
    pub upstream: Upstream,
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
    pub(crate) fn send(&self, requester: &Requester, metric: &Metric<'_>) -> Result<(), MetricError> {
        batch::sample(metric, &self.encoding, &mut self.sink(requester)).map(|_| ())
    }

    /// Where the metrics of a request go.
    pub(crate) fn sink<'r>(&'r self, requester: &'r Requester) -> RequestSink<'r> {
        RequestSink { context: self, requester }
    }
}

/// Where the metrics of one request go: to the queue of its worker. Rules about what its sender may send belong here.
pub(crate) struct RequestSink<'r> {
    context: &'r Context,
    #[expect(dead_code, reason = "every grant allows every metric, as yet")]
    requester: &'r Requester,
}

impl Sink for RequestSink<'_> {
    fn take(&mut self, metric: &Metric<'_>) -> Result<usize, MetricError> {
        let mut length = 0;
        self.context.upstream.push(metric.value.count(), |out| {
            let start = out.len();
            line::write(out, &self.context.encoding, metric);
            length = out.len() - start;
        })?;
        Ok(length)
    }

    fn take_line(&mut self, line: &[u8], count: u32) {
        // Its length was checked when it was written.
        let _ = self.context.upstream.push(count, |out| out.extend_from_slice(line));
    }
}
