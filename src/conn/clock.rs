//! The clock of a worker: coarse ticks for each request, and the exact time for rare events of a connection.

use std::cell::Cell;
use std::time::Duration;

/// The time between two sweeps, and the unit of the coarse time.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A time in ticks, plus one: an event within a tick may be up to a tick later than the clock says, and no deadline may be
/// early.
pub(crate) const fn ticks(time: Duration) -> u32 {
    time.as_millis().div_ceil(TICK.as_millis()) as u32 + 1
}

/// True if `limit` ticks have passed at `now` since `since`. The clock wraps after 13 years.
pub(crate) fn is_over(now: u32, since: u32, limit: u32) -> bool {
    now.wrapping_sub(since) >= limit
}

/// The time since the start of a worker. Tests control the exact time.
#[derive(Debug)]
pub(crate) struct Clock {
    tick: Cell<u32>,
    #[cfg(not(test))]
    start: std::time::Instant,
    #[cfg(test)]
    passed: Cell<Duration>,
}

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self {
            tick: Cell::new(0),
            #[cfg(not(test))]
            start: std::time::Instant::now(),
            #[cfg(test)]
            passed: Cell::default(),
        }
    }

    /// The coarse time, in ticks. Costs a load.
    pub(crate) fn tick(&self) -> u32 {
        self.tick.get()
    }

    /// Advances the coarse time by a tick, and returns it.
    pub(crate) fn advance(&self) -> u32 {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        tick
    }

    /// The exact time. It is read a few times per connection, not for each request.
    #[cfg(not(test))]
    pub(crate) fn exact(&self) -> Duration {
        self.start.elapsed()
    }

    /// The exact time of a test.
    #[cfg(test)]
    pub(crate) fn exact(&self) -> Duration {
        self.passed.get()
    }

    /// Advances the exact time of a test.
    #[cfg(test)]
    pub(crate) fn pass(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_ticks_is_never_short() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(TICK), 2);
        assert_eq!(ticks(Duration::from_secs(5)), 51);
    }

    #[test]
    fn a_limit_is_kept_when_the_clock_wraps() {
        let since = u32::MAX - 2;
        assert!(!is_over(since.wrapping_add(4), since, 5));
        assert!(is_over(since.wrapping_add(5), since, 5));
    }
}
