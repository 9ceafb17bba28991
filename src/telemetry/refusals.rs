//! Refused requests, logged as one line in 10 s: their number, their reasons, and the address with most of them.
//!
//! Each worker counts its own refusals, and adds them to those of the process at each tick of its clock: requests share
//! no state.

mod reason;

use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::telemetry::counters::Counters;

pub(crate) use reason::Reason;

/// Time from the first refusal to the line that reports it and all later ones.
const PERIOD: Duration = Duration::from_secs(10);

/// Addresses that are counted at the same time. An address with more than a 64th of the refusals is always among them.
const MAX_CLIENT_ADDRESSES: usize = 64;

/// An IPv4 address, or the /64 of an IPv6 address: a host that has one address of a /64 can use all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

/// One row of the table of addresses.
#[derive(Clone, Copy, Debug)]
struct Row {
    network: Network,
    /// The address, if the network had only one so far.
    address: Option<IpAddr>,
    /// Upper bound of the refusals of this network.
    count: u64,
    /// Refusals in `count` that may belong to earlier networks of the row.
    others: u64,
}

impl Row {
    /// Lower bound of the refusals of this network.
    fn sure(&self) -> u64 {
        self.count - self.others
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/64", self.network.0),
        }?;
        write!(f, ": {}{}", if self.others > 0 { "at least " } else { "" }, self.sure())
    }
}

/// Refusals by reason, and by address in a table of fixed size (the space-saving algorithm of Metwally, Agrawal and El
/// Abbadi, 2005): a new address takes over the row with the fewest refusals, with its count.
#[derive(Debug, Default)]
struct Tally {
    reasons: [u64; Reason::COUNT],
    rows: Vec<Row>,
}

impl Tally {
    fn total(&self) -> u64 {
        self.reasons.iter().sum()
    }

    fn note(&mut self, reason: Reason, address: Option<IpAddr>) {
        self.reasons[reason as usize] += 1;
        if let Some(address) = address {
            self.add(Row { network: address.into(), address: Some(address), count: 1, others: 0 });
        }
    }

    fn add(&mut self, new: Row) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.network == new.network) {
            row.count += new.count;
            row.others += new.others;
            row.address = row.address.filter(|address| new.address == Some(*address));
        } else if self.rows.len() < MAX_CLIENT_ADDRESSES {
            self.rows.push(new);
        } else if let Some(row) = self.rows.iter_mut().min_by_key(|row| row.count) {
            *row = Row { count: row.count + new.count, others: row.count + new.others, ..new };
        }
    }

    fn merge(&mut self, other: Self) {
        for (sum, count) in self.reasons.iter_mut().zip(other.reasons) {
            *sum += count;
        }
        for row in other.rows {
            self.add(row);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<(&str, u64)> = Reason::NAMES.into_iter().zip(self.reasons).collect();
        reasons.retain(|(_, count)| *count > 0);
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        write!(f, "{} requests refused:", self.total())?;
        for (index, (name, count)) in reasons.into_iter().enumerate() {
            write!(f, "{} {count} {name}", if index > 0 { "," } else { "" })?;
        }
        match self.rows.iter().max_by_key(|row| row.sure()) {
            Some(most) => write!(f, "; most from {most}"),
            None => Ok(()),
        }
    }
}

/// The refusals of all workers since the last log line.
#[derive(Debug)]
pub(crate) struct RefusalSummary {
    counters: Arc<Counters>,
    /// True if there are refusals; a tick without refusals takes no lock.
    pending: AtomicBool,
    untold: Mutex<Untold>,
}

#[derive(Debug, Default)]
struct Untold {
    tally: Tally,
    since: Option<Instant>,
}

impl RefusalSummary {
    /// Makes an empty summary. The sum of all refusals is added to `counters`.
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { counters, pending: AtomicBool::new(false), untold: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merge(&self, tally: Tally, now: Instant) {
        Counters::add(&self.counters.requests_refused, tally.total());
        let mut untold = self.lock();
        untold.tally.merge(tally);
        untold.since.get_or_insert(now);
        self.pending.store(true, Ordering::Relaxed);
    }

    /// Takes the refusals, if the first of them is at least `least` old.
    fn due(&self, now: Instant, least: Duration) -> Option<Tally> {
        let mut untold = self.lock();
        let since = untold.since?;
        if now.duration_since(since) < least {
            return None;
        }
        untold.since = None;
        self.pending.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut untold.tally))
    }

    /// Logs the refusals since the last line. For the end of the process.
    pub(crate) fn finish(&self) {
        if let Some(tally) = self.due(Instant::now(), Duration::ZERO) {
            warn!("{tally}");
        }
    }
}

/// The refusals of one worker.
#[derive(Debug)]
pub(crate) struct Refusals {
    tally: RefCell<Tally>,
    summary: Arc<RefusalSummary>,
}

impl Refusals {
    /// Starts without refusals.
    pub(crate) fn new(summary: Arc<RefusalSummary>) -> Self {
        Self { tally: RefCell::default(), summary }
    }

    /// Counts a refusal.
    pub(crate) fn note(&self, reason: Reason, address: Option<IpAddr>) {
        self.tally.borrow_mut().note(reason, address);
    }

    /// Adds the refusals of this worker to the summary, and logs the line when it is due. Call it a few times a second,
    /// and once at the end.
    pub(crate) fn tick(&self) {
        let now = Instant::now();
        let tally = self.tally.take();
        if tally.total() > 0 {
            self.summary.merge(tally, now);
        }
        if self.summary.pending.load(Ordering::Relaxed)
            && let Some(tally) = self.summary.due(now, PERIOD)
        {
            warn!("{tally}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(n.into()))
    }

    fn v6(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_line_has_the_reasons_and_the_address_with_most_refusals() {
        let mut tally = Tally::default();
        for (reason, address) in [
            (Reason::NotFound, v4(0x7f00_0001)),
            (Reason::NoToken, v4(0x7f00_0002)),
            (Reason::NoToken, v4(0x7f00_0002)),
        ] {
            tally.note(reason, address);
        }
        assert_eq!(tally.to_string(), "3 requests refused: 2 no_token, 1 not_found; most from 127.0.0.2: 2");
    }

    #[test]
    fn the_heaviest_address_is_found_among_many_in_bounded_memory() {
        let mut sum = Tally::default();
        let mut count = 0;
        for worker in 0..4 {
            let mut tally = Tally::default();
            for n in 0..50_000_u32 {
                // Every fourth refusal is of the heaviest address; every other address occurs once.
                let address = if n % 4 == 0 { v4(1) } else { v4(1000 + worker * 50_000 + n) };
                count += u64::from(n % 4 == 0);
                tally.note(Reason::BadToken, address);
            }
            assert_eq!(tally.rows.len(), MAX_CLIENT_ADDRESSES);
            sum.merge(tally);
        }
        assert_eq!((sum.total(), sum.rows.len()), (200_000, MAX_CLIENT_ADDRESSES));
        let most = sum.rows.iter().max_by_key(|row| row.sure()).expect("a row");
        assert_eq!(most.address, v4(1));
        assert!(most.sure() <= count && most.sure() > count * 9 / 10, "{most:?} of {count}");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let mut tally = Tally::default();
        tally.note(Reason::BadMetric, v6("2001:db8::1"));
        assert!(tally.to_string().ends_with("most from 2001:db8::1: 1"), "{tally}");
        tally.note(Reason::BadMetric, v6("2001:db8::2"));
        tally.note(Reason::BadMetric, v6("2001:db8:0:1::2"));
        assert!(tally.to_string().ends_with("most from 2001:db8::/64: 2"), "{tally}");
    }

    #[test]
    fn a_line_is_due_ten_seconds_after_the_first() {
        let counters = Arc::new(Counters::default());
        let summary = RefusalSummary::new(Arc::clone(&counters));
        let start = Instant::now();
        let one = || {
            let mut tally = Tally::default();
            tally.note(Reason::Crowded, None);
            tally
        };
        assert!(summary.due(start, Duration::ZERO).is_none(), "no refusals, no line");
        for (second, told) in [(0, None), (9, None), (10, Some(3)), (11, None), (20, None), (21, Some(3))] {
            let now = start + Duration::from_secs(second);
            summary.merge(one(), now);
            assert_eq!(summary.due(now, PERIOD).map(|tally| tally.total()), told, "after {second} s");
        }
        assert_eq!(counters.requests_refused.load(Ordering::Relaxed), 6);
    }
}
