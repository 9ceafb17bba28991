//! A pause that grows while sending fails.

use std::time::Duration;

use tokio::time::Instant;

/// How pauses grow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pauses {
    first: Duration,
    /// A path that is there again is found within this time.
    longest: Duration,
    /// Whether a pause is between half of its time and all of it, by chance: a daemon that restarts must not meet all of its
    /// clients at the same moment.
    is_jittered: bool,
}

/// For datagrams, which cost their daemon nothing while it is away. A full buffer drains in the first pause, and a request at
/// 100 Mbit/s takes as long.
pub(crate) const DATAGRAM_PAUSES: Pauses =
    Pauses { first: Duration::from_millis(5), longest: Duration::from_secs(1), is_jittered: false };

/// For connections, which a daemon that starts has to accept one by one.
pub(crate) const CONNECTION_PAUSES: Pauses =
    Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(5), is_jittered: true };

impl Pauses {
    /// How long to wait in a pause of at most `time`.
    fn wait(&self, time: Duration) -> Duration {
        if !self.is_jittered {
            return time;
        }
        let shortest = (time / 2).max(self.first);
        shortest + (time - shortest).mul_f64(fastrand::f64())
    }
}

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
    pub(crate) fn fail(&mut self, now: Instant, errno: i32, pauses: &Pauses) -> Instant {
        let failing = match self.0 {
            // A try long after the last pause says nothing of the time between.
            Some(last) if now <= last.until + pauses.longest => {
                let pause = (last.pause * 2).min(pauses.longest);
                Failing { since: last.since, pause, until: now + pauses.wait(pause), errno }
            }
            _ => Failing { since: now, pause: pauses.first, until: now + pauses.first, errno },
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
            let until = backoff.fail(now, 101, &DATAGRAM_PAUSES);
            assert_eq!(backoff.pausing(|| now), Some((until, 101)));
            assert_eq!(backoff.pausing(|| until), None);
            pauses.push(until.duration_since(now).as_millis());
            now = until;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.failing_for(now), now.duration_since(start));
        backoff.fail(now + Duration::from_secs(60), 101, &DATAGRAM_PAUSES);
        assert_eq!(backoff.failing_for(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn a_pause_can_be_ended() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, 1, &DATAGRAM_PAUSES);
        backoff.end_pause(now);
        assert_eq!(backoff.pausing(|| now), None);
    }

    #[test]
    fn connections_pause_for_a_tenth_of_a_second_to_five_by_chance() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let until = backoff.fail(now, 111, &CONNECTION_PAUSES);
            pauses.push(until.duration_since(now).as_millis());
            now = until;
        }
        assert_eq!(pauses[0], 100);
        for (index, most) in [100, 200, 400, 800, 1600, 3200, 5000].into_iter().enumerate() {
            assert!((most / 2).max(100) <= pauses[index] && pauses[index] <= most, "{pauses:?}");
        }
        let long = &pauses[7..];
        assert!(long.iter().all(|pause| (2500..=5000).contains(pause)), "{pauses:?}");
        assert!(long.iter().any(|pause| *pause != long[0]), "{pauses:?}");
    }
}
