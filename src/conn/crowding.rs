//! Which connection is closed when others wait to be accepted and all places are taken.
//!
//! A connection that was served stays while there is one that was not. Among those that were not, the steps that a
//! connection takes towards its first answer decide: each is noted once, with its time, so that a peer that takes its time
//! over a far round trip is told apart from one that merely sits there. The time is exact, not the sweep's: an attacker who
//! comes back a thousand times a second changes all of 100 connections within one tick.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a connection that was not served yet is kept after its last step while nobody has waited for long: enough for the
/// bytes of a peer that connects first and writes then.
pub(crate) const CROWDED_GRACE: Duration = Duration::from_millis(100);

/// The same in a TLS handshake, which takes a round trip or two: nearly all peers are nearer. It holds also once others have
/// waited for long.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(200);

/// The same while a body is awaited, once others have waited for long.
const BODY_GRACE: Duration = Duration::from_millis(50);

/// So many connections that were not served have their full grace once others have waited for long; fewer have less of it.
/// Those in a handshake are thus replaced 500 times a second at most, those that await a body 2000 times, however few there
/// are.
const GRACED: u32 = 100;

/// A connection that has taken no step for so long sits there, whatever it did before.
const STALE: Duration = Duration::from_secs(1);

/// The steps of a connection towards its first answer. Each is taken once.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// It was accepted.
    Accepted,
    /// First bytes came.
    Begun,
    /// Our part of the TLS handshake was written.
    Greeted,
    /// The TLS handshake is complete.
    Secured,
    /// A head is complete.
    Requested,
}

/// How far a connection has come, and when it came there by its worker's clock.
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

    /// Notes a step, unless it or a later one was taken already: then `now` is not asked.
    pub fn reach(&self, step: Step, now: impl FnOnce() -> Duration) {
        if step > self.step.get() {
            self.step.set(step);
            self.since.set(now());
        }
    }

    /// The claim of a connection that was never served, and the time since its last step.
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

/// What a connection can say for itself; the greatest is closed first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Claim {
    /// It was served.
    Served,
    /// Not served yet, but it has shaken hands, or sent a head, lately.
    Underway,
    /// It was served, and has been idle for long since.
    ServedLongAgo,
    /// It has sent something that needs no answer of ours to be completed.
    Begun,
    /// It has sent nothing.
    Silent,
    /// Not served yet, and without a step for long.
    Stale,
}

/// How little a connection has to show for its place; the greatest is closed first: the order of the fields is that of the
/// comparison.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Idleness {
    claim: Claim,
    idle: Duration,
    step: Step,
}

impl Idleness {
    /// Of a connection that was never served.
    pub fn unserved(progress: &Progress, now: Duration) -> Self {
        progress.claim(now)
    }

    /// Of a connection that was served `idle` ago.
    pub fn served(idle: Duration) -> Self {
        let claim = if idle >= STALE { Claim::ServedLongAgo } else { Claim::Served };
        Self { claim, idle, step: Step::Requested }
    }
}

/// What the accept loop demands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pressure {
    /// Others have waited for long, so that hardly a connection has a grace any more.
    pub urgent: bool,
    /// Connections that were served may go although others were not: those cannot be closed, it seems.
    pub served_too: bool,
}

impl Pressure {
    /// How long a connection is kept in a process with so many that were not served.
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

    /// The `count` connections of `idle` to close, or fewer, in a process with so many that were not served.
    pub fn choose<K: Copy + Ord>(self, mut idle: Vec<(Idleness, K)>, count: usize, unserved: usize) -> Vec<K> {
        let served = |idleness: &Idleness| idleness.claim == Claim::Served;
        if unserved > 0 && !self.served_too {
            idle.retain(|(idleness, _)| !served(idleness));
        }
        let first = idle.iter().max().map(|(first, _)| first.claim);
        // Once others have waited for long, one whose grace has not passed protects nobody but itself. Before, it is the next
        // to go, and those that have more to show stay.
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

/// The accept loop's demand that a worker close a connection: the pressure, and in the bits above it a number, by which a
/// worker knows whether the demand that it could not meet still stands.
#[derive(Debug, Default)]
pub struct PlaceDemand {
    demand: AtomicU64,
    unserved: AtomicUsize,
}

impl PlaceDemand {
    const STANDS: u64 = 1;
    const URGENT: u64 = 2;
    const SERVED_TOO: u64 = 4;
    const FLAGS: u64 = 7;
    const NEXT: u64 = 8;

    /// Demands a place.
    pub fn set(&self, pressure: Pressure) {
        let urgent = if pressure.urgent { Self::URGENT } else { 0 };
        let served_too = if pressure.served_too { Self::SERVED_TOO } else { 0 };
        self.replace(Self::STANDS | urgent | served_too);
    }

    /// A place was found, or nobody waits for one any more.
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

    /// Meets the demand, if there is one, by `close`, which is told how pressing it is. Only one worker meets it, unless
    /// that one finds nothing to close.
    pub fn meet(&self, close: impl FnOnce(Pressure) -> bool) {
        // Nearly always there is none: then this is one load.
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

    /// A connection is accepted. Counted here, not by its worker, whose inbox may hold it for a while.
    pub fn add_unserved(&self) {
        self.unserved.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was served for the first time, or ended without.
    pub fn remove_unserved(&self) {
        self.unserved.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many connections of all workers were not served yet.
    pub fn unserved(&self) -> usize {
        self.unserved.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
