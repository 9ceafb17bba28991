//! Writes `Date`: to HTTP/2 answers, and to HTTP/1.1 answers after the system clock was set back.
//!
//! On HTTP/1.1 hyper writes that header, and renders it again when the system clock has reached the next second. If the
//! clock was ahead and is set back, hyper continues to send the wrong time until the clock reaches it again: for an hour,
//! if it was an hour ahead. During that time the header is set here, and hyper leaves it unchanged. The answers that hyper
//! writes itself, to heads that it cannot parse, keep the old time.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::{DATE, HeaderMap};

/// The latest reading of the system clock on one worker. hyper keeps its text per thread too.
#[derive(Debug, Default)]
pub(crate) struct AnswerDate {
    /// The latest time that was ever read, in seconds since 1970.
    latest: Cell<u64>,
    is_behind: Cell<bool>,
}

impl AnswerDate {
    /// Reads the system clock. Called several times a second.
    pub(crate) fn look(&self) {
        self.look_at(SystemTime::now());
    }

    fn look_at(&self, now: SystemTime) {
        // In whole seconds: hyper's text may be as old.
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        self.is_behind.set(seconds < self.latest.get());
        self.latest.set(seconds.max(self.latest.get()));
    }

    /// Adds the time to an answer if hyper would add another.
    pub(crate) fn correct(&self, headers: &mut HeaderMap) {
        if self.is_behind.get() {
            write_now(headers);
        }
    }
}

/// Adds the time to an answer of HTTP/2, which hyper does not write.
pub(crate) fn write_now(headers: &mut HeaderMap) {
    write(headers, SystemTime::now());
}

fn write(headers: &mut HeaderMap, now: SystemTime) {
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(now)) {
        headers.insert(DATE, date);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// 2026-11-24 12:00:00 UTC, and so many seconds.
    fn noon(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_521_600 + seconds)
    }

    /// True if an answer gets a date here, after a reading of the clock at `now`.
    fn is_corrected(clock: &AnswerDate, now: SystemTime) -> bool {
        let mut headers = HeaderMap::new();
        clock.look_at(now);
        clock.correct(&mut headers);
        headers.contains_key(DATE)
    }

    #[test]
    fn hyper_writes_the_date_while_the_clock_goes_forward() {
        let clock = AnswerDate::default();
        for seconds in [0, 0, 1, 2, HOUR, 24 * HOUR] {
            assert!(!is_corrected(&clock, noon(seconds)), "{seconds} s");
        }
    }

    #[test]
    fn after_a_jump_backward_the_date_is_right_until_the_clock_is_there_again() {
        let clock = AnswerDate::default();
        for (seconds, corrected) in
            [(HOUR, false), (0, true), (1, true), (HOUR - 1, true), (HOUR, false), (2 * HOUR, false)]
        {
            assert_eq!(is_corrected(&clock, noon(seconds)), corrected, "{seconds} s");
        }
        // Once more, and before 1970, which Linux does not let a clock be.
        assert!(is_corrected(&clock, noon(HOUR)));
        assert!(is_corrected(&clock, UNIX_EPOCH - Duration::from_secs(1)));
    }

    #[test]
    fn the_date_is_that_of_http() {
        let mut headers = HeaderMap::new();
        write(&mut headers, noon(61));
        assert_eq!(headers[DATE], "Tue, 24 Nov 2026 12:01:01 GMT");
    }
}
