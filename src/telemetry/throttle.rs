//! Throttle for warnings that may occur thousands of times a second: the first is logged at once, the others as a sum.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Shortest time between two warnings.
const PERIOD: Duration = Duration::from_secs(10);

/// Counts one kind of event in one worker, and decides when to warn.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Throttle {
    /// Notes `count` events. At most once in 10 s, it calls `tell` with the number of events since the last call.
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
    fn the_first_warning_is_immediate_and_the_others_are_summed() {
        let flood = Throttle::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for ms in [0, 1, 5000, 9999, 10_000, 10_001, 20_000] {
            flood.note_at(start + Duration::from_millis(ms), 2, |sum| told.push((ms, sum)));
        }
        assert_eq!(told, [(0, 2), (10_000, 8), (20_000, 4)]);
    }

    #[test]
    fn no_event_gives_no_warning() {
        Throttle::default().note(0, |_| panic!("there was no event"));
    }
}
