//! A pause that grows while sending fails.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause: a full buffer drains in this time, and a request at 100 Mbit/s takes as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause: a path that is there again is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When to try again, and since when nothing has left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Backoff(Option<Failing>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Failing {
    since: Instant,
    pause: Duration,
    until: Instant,
    errno: i32,
}

impl Backoff {
    /// Notes that trying failed with `errno`, and says until when to pause: twice as long as the last time.
    pub(crate) fn fail(&mut self, now: Instant, errno: i32) -> Instant {
        let failing = match self.0 {
            // A try long after the last pause says nothing of the time between.
            Some(last) if now <= last.until + LONGEST_PAUSE => {
                let pause = (last.pause * 2).min(LONGEST_PAUSE);
                Failing { since: last.since, pause, until: now + pause, errno }
            }
            _ => Failing { since: now, pause: FIRST_PAUSE, until: now + FIRST_PAUSE, errno },
        };
        self.0 = Some(failing);
        failing.until
    }

    /// Until when to pause, and the error that made it so; `None` when it is time to try.
    pub(crate) fn pausing(&self, now: impl FnOnce() -> Instant) -> Option<(Instant, i32)> {
        let failing = self.0?;
        (now() < failing.until).then_some((failing.until, failing.errno))
    }

    /// How long nothing has left.
    pub(crate) fn failing_for(&self, now: Instant) -> Duration {
        self.0.map_or(Duration::ZERO, |failing| now.duration_since(failing.since))
    }

    /// Ends the pause under way, so that the next try is at once.
    pub(crate) fn end_pause(&mut self, now: Instant) {
        if let Some(failing) = &mut self.0 {
            failing.until = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_a_second_and_begins_anew() {
        let start = Instant::now();
        let (mut backoff, mut now, mut pauses) = (Backoff::default(), start, Vec::new());
        assert_eq!(backoff.pausing(|| now), None);
        for _ in 0..10 {
            let until = backoff.fail(now, 101);
            assert_eq!(backoff.pausing(|| now), Some((until, 101)));
            assert_eq!(backoff.pausing(|| until), None);
            pauses.push(until.duration_since(now).as_millis());
            now = until;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.failing_for(now), now.duration_since(start));
        backoff.fail(now + Duration::from_secs(60), 101);
        assert_eq!(backoff.failing_for(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn a_pause_can_be_ended() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, 1);
        backoff.end_pause(now);
        assert_eq!(backoff.pausing(|| now), None);
    }
}
