//! What became of the metrics that were accepted, of requests that were not, and of log lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one process, shared by its workers. They are touched once for each flush, not for each request.
#[derive(Debug, Default)]
pub struct Counters {
    /// Metrics handed to the kernel.
    pub sent: AtomicU64,
    /// Datagrams that carried them.
    pub datagrams: AtomicU64,
    /// Datagrams sent a second time, since the kernel answered the first time with an older datagram's refusal.
    pub retried: AtomicU64,
    /// Metrics accepted with a 200 that could not be sent.
    pub dropped: AtomicU64,
    /// Requests answered with an error.
    pub refused: AtomicU64,
    /// Log lines for which there was no room, since the log was not written fast enough, or could not be.
    pub log_lines_dropped: AtomicU64,
    /// Panics, each a bug; most end a single connection.
    pub panics: AtomicU64,
}

impl Counters {
    /// Adds `count` to `counter`. Relaxed: the figures are read for people, and order nothing.
    pub fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// The counters of metrics, and those of requests, log lines and panics.
    pub fn all(&self) -> AllCounters<'_> {
        AllCounters(self)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{} metrics sent in {} datagrams, {} datagrams retried, {} metrics dropped",
            read(&self.sent),
            read(&self.datagrams),
            read(&self.retried),
            read(&self.dropped)
        )
    }
}

/// All counters: those of metrics, and those of the server.
#[derive(Debug)]
pub struct AllCounters<'a>(&'a Counters);

impl fmt::Display for AllCounters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counters) = self;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{counters}, {} requests refused, {} log lines dropped, {} panics",
            read(&counters.refused),
            read(&counters.log_lines_dropped),
            read(&counters.panics)
        )
    }
}
