//! Warnings that may come thousands of times a second: the first is told at once, the rest as a sum.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The shortest time between two tellings.
const PERIOD: Duration = Duration::from_secs(10);

/// Counts one kind of event in one worker, and says when it is time to tell of it.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Throttle {
    /// Notes `count` events, and calls `tell` with the sum of those not told yet, at most once in 10 s.
    pub(crate) fn note(&self, count: u64, tell: impl FnOnce(u64)) {
        self.note_at(Instant::now(), count, tell);
    }

    fn note_at(&self, now: Instant, count: u64, tell: impl FnOnce(u64)) {
        let untold = self.untold.get() + count;
        let due = self.told.get().is_none_or(|told| now.duration_since(told) >= PERIOD);
        if due && untold > 0 {
            self.told.set(Some(now));
            self.untold.set(0);
            tell(untold);
        } else {
            self.untold.set(untold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_summed() {
        let flood = Throttle::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for ms in [0, 1, 5000, 9999, 10_000, 10_001, 20_000] {
            flood.note_at(start + Duration::from_millis(ms), 2, |sum| told.push((ms, sum)));
        }
        assert_eq!(told, [(0, 2), (10_000, 8), (20_000, 4)]);
    }

    #[test]
    fn nothing_is_not_told() {
        Throttle::default().note(0, |_| panic!("nothing happened"));
    }
}
