//! Chooses the connection to close when no permit is free and others wait.
//!
//! A connection that was served stays as long as there is one that was not. Among those that were not, the steps towards
//! the first answer decide. Each step is noted once, with its time, which distinguishes a peer with a long round trip from
//! one that does nothing. The time is exact, not that of the sweep: an attacker who reconnects a thousand times a second
//! replaces all of 100 connections within one tick.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The grace of a connection that was not served yet after its last step, while no other has waited for long: enough for the
/// bytes of a peer that writes after it has connected.
pub(crate) const CROWDED_GRACE: Duration = Duration::from_millis(100);

/// The same in a TLS handshake, which takes one or two round trips: those of nearly all peers are shorter. It also holds
/// once others have waited for long.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(200);

/// The same while a body is awaited, once others have waited for long.
const BODY_GRACE: Duration = Duration::from_millis(50);

/// The number of connections that were not served from which on each has its full grace once others have waited for long;
/// fewer have proportionally less. So connections in a handshake are replaced 500 times a second at most, and those that
/// await a body 2000 times, however few there are.
const GRACED: u32 = 100;

/// The time without a step after which a connection counts as idle, whatever it did before.
const STALE: Duration = Duration::from_secs(1);

/// The steps of a connection towards its first answer. Each is taken once.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// It was accepted.
    Accepted,
    /// First bytes were received.
    Begun,
    /// Our part of the TLS handshake was written.
    Greeted,
    /// The TLS handshake is complete.
    Secured,
    /// A head is complete.
    Requested,
}

/// The last step of a connection, and its time by the clock of its worker.
#[derive(Debug)]
pub struct Progress {
    step: Cell<Step>,
    since: Cell<Duration>,
}

impl Progress {
    /// A connection that was accepted at `now`.
    pub fn new(now: Duration) -> Self {
        Self { step: Cell::new(Step::Accepted), since: Cell::new(now) }
    }

    /// Notes a step, unless it or a later one was taken already. `now` is called only if it is noted.
    pub fn reach(&self, step: Step, now: impl FnOnce() -> Duration) {
        if step > self.step.get() {
            self.step.set(step);
            self.since.set(now());
        }
    }

    /// The claim of a connection that was not served yet, and the time since its last step.
    fn claim(&self, now: Duration) -> Idleness {
        let idle = now.saturating_sub(self.since.get());
        let step = self.step.get();
        let claim = match step {
            _ if idle >= STALE => Claim::Stale,
            Step::Accepted => Claim::Silent,
            Step::Begun => Claim::Begun,
            Step::Greeted | Step::Secured | Step::Requested => Claim::Underway,
        };
        Idleness { claim, idle, step }
    }
}

/// The claim of a connection to its permit. The greatest is closed first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Claim {
    /// It was served.
    Served,
    /// Not served yet, but it has recently completed a handshake, or sent a head.
    Underway,
    /// It was served, and has been idle for long.
    ServedLongAgo,
    /// It has sent a part of a message that it can complete without an answer.
    Begun,
    /// It has sent nothing.
    Silent,
    /// Not served yet, and no step for long.
    Stale,
}

/// The claim of a connection and its idle time. The greatest is closed first. The order of the fields is that of the
/// comparison.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Idleness {
    claim: Claim,
    idle: Duration,
    step: Step,
}

impl Idleness {
    /// Of a connection that was not served yet.
    pub fn unserved(progress: &Progress, now: Duration) -> Self {
        progress.claim(now)
    }

    /// Of a connection that was served `idle` ago.
    pub fn served(idle: Duration) -> Self {
        let claim = if idle >= STALE { Claim::ServedLongAgo } else { Claim::Served };
        Self { claim, idle, step: Step::Requested }
    }
}

/// The urgency of a demand of the accept loop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pressure {
    /// Others have waited for long, so that hardly any connection has a grace any more.
    pub urgent: bool,
    /// Connections that were served may be closed although others were not: those apparently cannot be closed.
    pub served_too: bool,
}

impl Pressure {
    /// The grace of a connection in a process with `unserved` connections that were not served.
    fn grace(self, idleness: Idleness, unserved: usize) -> Duration {
        let scaled = |full: Duration| full.saturating_mul(unserved as u32).min(full.saturating_mul(GRACED)) / GRACED;
        match (idleness.claim, idleness.step) {
            (Claim::Stale | Claim::ServedLongAgo | Claim::Served, _) => Duration::ZERO,
            (_, Step::Greeted | Step::Secured) if self.urgent => scaled(HANDSHAKE_GRACE),
            (_, Step::Greeted | Step::Secured) => HANDSHAKE_GRACE,
            (_, Step::Requested) if self.urgent => scaled(BODY_GRACE),
            (_, Step::Accepted | Step::Begun) if self.urgent => Duration::ZERO,
            (_, Step::Accepted | Step::Begun | Step::Requested) => CROWDED_GRACE,
        }
    }

    /// The connections of `idle` to close, `count` at most, in a process with `unserved` connections that were not served.
    pub fn choose<K: Copy + Ord>(self, mut idle: Vec<(Idleness, K)>, count: usize, unserved: usize) -> Vec<K> {
        let served = |idleness: &Idleness| idleness.claim == Claim::Served;
        if unserved > 0 && !self.served_too {
            idle.retain(|(idleness, _)| !served(idleness));
        }
        let first = idle.iter().max().map(|(first, _)| first.claim);
        // Once others have waited for long, a grace protects only the connection itself. Before, the next connection to
        // close also protects those with a better claim.
        let next = |idleness: &Idleness| self.urgent || self.served_too || Some(idleness.claim) == first;
        idle.retain(|(idleness, _)| next(idleness) && idleness.idle >= self.grace(*idleness, unserved));
        let count = count.min(idle.len());
        if count > 0 {
            idle.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
        }
        idle.truncate(count);
        idle.into_iter().map(|(_, key)| key).collect()
    }
}

/// The demand of the accept loop that a worker close a connection: the urgency, and in the bits above it a number, by which
/// a worker recognises that a demand which it could not meet has not changed.
#[derive(Debug, Default)]
pub struct PermitDemand {
    demand: AtomicU64,
    unserved: AtomicUsize,
}

impl PermitDemand {
    const STANDS: u64 = 1;
    const URGENT: u64 = 2;
    const SERVED_TOO: u64 = 4;
    const FLAGS: u64 = 7;
    const NEXT: u64 = 8;

    /// Demands a permit.
    pub fn set(&self, pressure: Pressure) {
        let urgent = if pressure.urgent { Self::URGENT } else { 0 };
        let served_too = if pressure.served_too { Self::SERVED_TOO } else { 0 };
        self.replace(Self::STANDS | urgent | served_too);
    }

    /// Withdraws the demand: a permit is free, or no connection waits any more.
    pub fn clear(&self) {
        self.replace(0);
    }

    /// Only the accept loop writes new numbers, so nothing is lost between the two steps.
    fn replace(&self, flags: u64) {
        let number = (self.demand.load(Ordering::Relaxed) & !Self::FLAGS).wrapping_add(Self::NEXT);
        self.demand.store(number | flags, Ordering::Relaxed);
    }

    /// True if a demand is not met.
    pub fn stands(&self) -> bool {
        self.demand.load(Ordering::Relaxed) & Self::STANDS != 0
    }

    /// Meets the demand, if there is one, by `close`, which gets its urgency. Only one worker meets it, unless that one
    /// finds nothing to close.
    pub fn meet(&self, close: impl FnOnce(Pressure) -> bool) {
        // Nearly always there is none, and this costs one load.
        let demand = self.demand.load(Ordering::Relaxed);
        if demand & Self::STANDS == 0 {
            return;
        }
        let pressure = Pressure { urgent: demand & Self::URGENT != 0, served_too: demand & Self::SERVED_TOO != 0 };
        let taken = demand & !Self::FLAGS;
        let exchange = |from, to| self.demand.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if exchange(demand, taken) && !close(pressure) {
            exchange(taken, demand);
        }
    }

    /// Counts an accepted connection. Its worker does not, since it may stay in the worker's inbox for a while.
    pub fn add_unserved(&self) {
        self.unserved.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a connection was served for the first time, or ended without it.
    pub fn remove_unserved(&self) {
        self.unserved.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number of connections of all workers that were not served yet.
    pub fn unserved(&self) -> usize {
        self.unserved.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
