//! What became of the metrics that were accepted, of requests that were not, and of log lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one process, shared by its workers. They are touched once for each flush, not for each request.
///
/// Each one only ever grows. What was handed to the kernel is taken back by a second counter when an ICMP message says that
/// it did not arrive, so that [`Totals`] can say what was sent.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Metrics handed to the kernel.
    pub handed: AtomicU64,
    /// Datagrams that carried them.
    pub handed_datagrams: AtomicU64,
    /// Datagrams sent a second time, since the kernel answered the first time with the ICMP message about an older one.
    pub retried: AtomicU64,
    /// Metrics handed to the kernel and refused by the daemon's host: nothing listened on the port.
    pub refused: AtomicU64,
    /// Metrics handed to the kernel of which another ICMP message says that they did not arrive.
    pub undelivered: AtomicU64,
    /// Datagrams of the metrics in `refused` and `undelivered`.
    pub returned_datagrams: AtomicU64,
    /// Metrics accepted with a 200 that the kernel never took.
    pub dropped: AtomicU64,
    /// Requests answered with an error.
    pub requests_refused: AtomicU64,
    /// Log lines that were dropped, since the log was not written fast enough, or could not be.
    pub log_lines_dropped: AtomicU64,
    /// Panics, each a bug; most end a single connection.
    pub panics: AtomicU64,
}

/// The counters at one moment. Each accepted metric that waits no longer is in exactly one of `sent`, `refused`, `dropped`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// Metrics handed to the kernel, of which nobody said that they did not arrive.
    pub sent: u64,
    /// Datagrams that carried the metrics in `sent`.
    pub datagrams: u64,
    /// Datagrams sent a second time.
    pub retried: u64,
    /// Metrics that the daemon's host is known to have refused.
    pub refused: u64,
    /// Metrics known to be lost for another reason.
    pub dropped: u64,
}

impl Counters {
    /// Adds `count` to `counter`. Relaxed: the figures are read for people, and order nothing.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// The counters of metrics, and those of requests, log lines and panics.
    pub(crate) fn all(&self) -> AllCounters<'_> {
        AllCounters(self)
    }

    /// The counters now.
    pub(crate) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // What was taken back is read first: a worker adds to it after it has added to what was handed over.
        let (refused, undelivered, returned) =
            (read(&self.refused), read(&self.undelivered), read(&self.returned_datagrams));
        Totals {
            sent: read(&self.handed).saturating_sub(refused + undelivered),
            datagrams: read(&self.handed_datagrams).saturating_sub(returned),
            retried: read(&self.retried),
            refused,
            dropped: read(&self.dropped) + undelivered,
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { sent, datagrams, retried, refused, dropped } = self.totals();
        write!(
            f,
            "{sent} metrics sent in {datagrams} datagrams, {retried} datagrams retried, {refused} metrics refused, \
             {dropped} metrics dropped"
        )
    }
}

/// All counters: those of metrics, and those of the server.
#[derive(Debug)]
pub(crate) struct AllCounters<'a>(&'a Counters);

impl fmt::Display for AllCounters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counters) = self;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{counters}, {} requests refused, {} log lines dropped, {} panics",
            read(&counters.requests_refused),
            read(&counters.log_lines_dropped),
            read(&counters.panics)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_back_is_not_sent() {
        let counters = Counters::default();
        Counters::add(&counters.handed, 10);
        Counters::add(&counters.handed_datagrams, 4);
        Counters::add(&counters.refused, 3);
        Counters::add(&counters.undelivered, 2);
        Counters::add(&counters.returned_datagrams, 2);
        Counters::add(&counters.dropped, 1);
        let totals = counters.totals();
        assert_eq!(totals, Totals { sent: 5, datagrams: 2, retried: 0, refused: 3, dropped: 3 });
        assert_eq!(
            counters.to_string(),
            "5 metrics sent in 2 datagrams, 0 datagrams retried, 3 metrics refused, 3 metrics dropped"
        );
    }
}
