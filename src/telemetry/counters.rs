//! Counters of accepted metrics, by outcome; of refused requests; and of dropped log lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one process, shared by its workers. A worker updates them once per flush, not per request.
///
/// No counter decreases. When an ICMP message says that a datagram did not arrive, a second counter grows, which
/// [`Totals`] subtracts from the first.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Metrics handed to the kernel.
    pub handed: AtomicU64,
    /// Datagrams that carried them.
    pub handed_datagrams: AtomicU64,
    /// Datagrams sent a second time, because the kernel answered the first attempt with an ICMP message about an older
    /// one.
    pub retried: AtomicU64,
    /// Metrics handed to the kernel and refused by the daemon's host: nothing listened on the port.
    pub refused: AtomicU64,
    /// Metrics handed to the kernel that did not arrive, as another ICMP message says.
    pub undelivered: AtomicU64,
    /// Datagrams that carried the metrics in `refused` and `undelivered`.
    pub returned_datagrams: AtomicU64,
    /// Metrics that were accepted with a 200, and that the kernel never took.
    pub dropped: AtomicU64,
    /// Requests answered with an error.
    pub requests_refused: AtomicU64,
    /// Log lines that were dropped, because the log could not be written, or not fast enough.
    pub log_lines_dropped: AtomicU64,
    /// Panics. Each is a bug; most end a single connection.
    pub panics: AtomicU64,
}

/// The counters at one moment. Each accepted metric that has left the queue is in exactly one of `sent`, `refused` and
/// `dropped`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// Metrics handed to the kernel, and not known to be lost.
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
    /// Adds `count` to `counter`. The order is relaxed, because no code depends on the order of updates.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// The counters of metrics, and those of requests, log lines and panics.
    pub(crate) fn all(&self) -> AllCounters<'_> {
        AllCounters(self)
    }

    /// The present totals.
    pub(crate) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // The counters to subtract are read first: a worker adds to them after it has added to `handed`.
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
    fn returned_metrics_do_not_count_as_sent() {
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
