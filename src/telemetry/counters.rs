//! Counters of one process: accepted metrics by outcome, refused requests, dropped log lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::telemetry::delivery::{Delivery, Totals};

/// Counters of one process, shared by its workers.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Those of each StatsD, once the addresses are known.
    deliveries: OnceLock<Vec<Arc<Delivery>>>,
    /// Requests answered with an error.
    pub requests_refused: AtomicU64,
    /// Log lines that were dropped, because the log could not be written, or not fast enough.
    pub log_lines_dropped: AtomicU64,
    /// Panics. Each is a bug; most end a single connection.
    pub panics: AtomicU64,
}

/// Adds `count` to `counter`. The order is relaxed, because no code depends on the order of updates.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    /// Adds `count` to a counter.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        add(counter, count);
    }

    /// Sets the counters of the addresses, and returns those that are set: the first call of a process decides.
    pub(crate) fn open(&self, deliveries: impl FnOnce() -> Vec<Delivery>) -> &[Arc<Delivery>] {
        self.deliveries.get_or_init(|| deliveries().into_iter().map(Arc::new).collect())
    }

    /// The counters of metrics, and those of requests, log lines and panics.
    pub(crate) fn all(&self) -> AllCounters<'_> {
        AllCounters(self)
    }

    /// The counters of each address, where there are several.
    pub(crate) fn of_each_address(&self) -> &[Arc<Delivery>] {
        self.deliveries.get().filter(|deliveries| deliveries.len() > 1).map_or(&[], Vec::as_slice)
    }

    /// The present totals of all addresses. A mirrored metric counts once for each.
    fn totals(&self) -> Totals {
        self.deliveries.get().into_iter().flatten().map(|delivery| delivery.totals()).sum()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals().fmt(f)
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
    fn the_counters_of_all_addresses_are_summed_up() {
        let counters = Counters::default();
        assert!(counters.all().to_string().starts_with("0 metrics sent in 0 datagrams, "));
        let name = |name: &str| Delivery { name: name.to_owned(), ..Delivery::default() };
        let deliveries = counters.open(|| vec![name("a"), name("b")]);
        add(&deliveries[0].handed, 3);
        add(&deliveries[1].handed, 4);
        assert!(counters.to_string().starts_with("7 metrics sent in "), "{counters}");
        let each: Vec<String> = counters.of_each_address().iter().map(|delivery| delivery.to_string()).collect();
        assert!(
            each[0].starts_with("StatsD at a: 3 metrics sent") && each[1].starts_with("StatsD at b: 4 "),
            "{each:?}"
        );
        let single = Counters::default();
        single.open(|| vec![name("a")]);
        assert!(single.of_each_address().is_empty(), "the line of all says the same");
    }
}
