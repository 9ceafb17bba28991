//! What became of the metrics for one StatsD.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::counters::add;

/// What is known of what was sent to an address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Certainty {
    /// UDP: the kernel takes a datagram or does not, and ICMP messages tell of those that did not arrive.
    #[default]
    Datagrams,
    /// Connections and Unix sockets: what was under way when they ended is lost or not.
    Doubt,
}

/// The counters of one address, which all workers share. A worker updates them once per flush, not per request.
///
/// No counter decreases. When an ICMP message says that a datagram did not arrive, or a connection breaks, a second counter
/// grows, which [`Totals`] subtracts from the first.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// The address, as the log calls it.
    pub name: String,
    /// What its transport lets the proxy know.
    pub certainty: Certainty,
    /// Metrics handed to the kernel.
    pub handed: AtomicU64,
    /// Datagrams or packets of lines that carried them.
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
    /// Metrics handed to the kernel that were under way when a connection broke, or unread in a socket that was closed.
    pub maybe_lost: AtomicU64,
    /// Metrics that were accepted with a 200, and that the kernel never took.
    pub dropped: AtomicU64,
}

/// The counters at one moment. Each accepted metric that has left the queue is in exactly one of `sent`, `refused`,
/// `dropped` and `maybe_lost`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// Metrics handed to the kernel, and not known to be lost.
    pub sent: u64,
    /// Datagrams that carried the metrics in `sent`. To a connection, packets of lines, those in doubt among them.
    pub datagrams: u64,
    /// Datagrams sent a second time.
    pub retried: u64,
    /// Metrics that the daemon's host is known to have refused.
    pub refused: u64,
    /// Metrics known to be lost for another reason.
    pub dropped: u64,
    /// Metrics of which nobody knows whether the daemon has read them. `None` over UDP, which leaves no such doubt.
    pub maybe_lost: Option<u64>,
}

impl Delivery {
    /// The counters of the address that the log calls `name`.
    pub(crate) fn new(name: String, certainty: Certainty) -> Self {
        Self { name, certainty, ..Self::default() }
    }

    /// The counters now.
    pub(crate) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // The counters to subtract are read first, because a worker updates them last.
        let (refused, undelivered, maybe_lost, returned) =
            (read(&self.refused), read(&self.undelivered), read(&self.maybe_lost), read(&self.returned_datagrams));
        Totals {
            sent: read(&self.handed).saturating_sub(refused + undelivered + maybe_lost),
            datagrams: read(&self.handed_datagrams).saturating_sub(returned),
            retried: read(&self.retried),
            refused,
            dropped: read(&self.dropped) + undelivered,
            maybe_lost: (self.certainty == Certainty::Doubt).then_some(maybe_lost),
        }
    }

    /// Adds `count` to a counter of this type.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        add(counter, count);
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            datagrams: self.datagrams + other.datagrams,
            retried: self.retried + other.retried,
            refused: self.refused + other.refused,
            dropped: self.dropped + other.dropped,
            maybe_lost: match (self.maybe_lost, other.maybe_lost) {
                (Some(one), Some(two)) => Some(one + two),
                (one, two) => one.or(two),
            },
        }
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, datagrams, retried, refused, dropped, maybe_lost } = self;
        write!(
            f,
            "{sent} metrics sent in {datagrams} datagrams, {retried} datagrams retried, {refused} metrics refused, \
             {dropped} metrics dropped"
        )?;
        maybe_lost.map_or(Ok(()), |metrics| write!(f, ", {metrics} metrics maybe lost"))
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatsD at {}: {}", self.name, self.totals())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_datagrams_are_subtracted_from_those_sent() {
        let delivery = Delivery::default();
        add(&delivery.handed, 10);
        add(&delivery.handed_datagrams, 4);
        add(&delivery.refused, 3);
        add(&delivery.undelivered, 2);
        add(&delivery.returned_datagrams, 2);
        add(&delivery.dropped, 1);
        let totals = delivery.totals();
        assert_eq!(totals, Totals { sent: 5, datagrams: 2, retried: 0, refused: 3, dropped: 3, maybe_lost: None });
        assert_eq!(
            totals.to_string(),
            "5 metrics sent in 2 datagrams, 0 datagrams retried, 3 metrics refused, 3 metrics dropped"
        );
    }

    #[test]
    fn what_is_maybe_lost_is_neither_sent_nor_dropped() {
        let delivery = Delivery::new("tcp://a:1".to_owned(), Certainty::Doubt);
        assert!(delivery.to_string().ends_with(", 0 metrics dropped, 0 metrics maybe lost"));
        add(&delivery.handed, 10);
        add(&delivery.handed_datagrams, 1);
        add(&delivery.maybe_lost, 4);
        assert_eq!(
            delivery.to_string(),
            "StatsD at tcp://a:1: 6 metrics sent in 1 datagrams, 0 datagrams retried, 0 metrics refused, 0 metrics \
             dropped, 4 metrics maybe lost"
        );
        let sum: Totals = [delivery.totals(), Delivery::default().totals(), delivery.totals()].into_iter().sum();
        assert_eq!((sum.sent, sum.maybe_lost), (12, Some(8)));
    }
}
