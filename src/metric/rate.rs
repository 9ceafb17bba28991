//! Sample rates.

use std::fmt;

use crate::metric::MetricError;

/// Who draws the lots of a sampled metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sampling {
    /// This server does: its rate is the share to be sent on.
    Here,
    /// The client has: what came is that share.
    Done,
}

/// The least rate of a line. Who sends fewer than one of a billion has made a mistake, or wants one counter to overflow.
const APPLIED_MIN: f64 = 1e-9;

/// The share of requests, from 0 to 1, that is sent on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// Everything is sent, and the line bears no rate.
    pub const ALL: Rate = Rate(1.0);

    /// Reads a number from 0 to 1. An exponent is welcome: rates are rewritten before they are sent.
    pub fn parse(text: &str) -> Result<Self, MetricError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        match text.parse::<f64>() {
            Ok(rate) if plain && (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(MetricError::Rate),
        }
    }

    /// Reads the rate of a line, which a client has applied already. StatsD divides by it, so 0 and its neighbours are no
    /// rates.
    pub fn parse_applied(text: &str) -> Result<Self, MetricError> {
        Self::parse(text).and_then(|rate| if rate.0 < APPLIED_MIN { Err(MetricError::Rate) } else { Ok(rate) })
    }

    /// Whether the line must say that it was sampled.
    pub fn is_sampled(&self) -> bool {
        self.0 < 1.0
    }

    /// Draws a lot: whether what has this rate is among what is sent on.
    pub fn draw(&self) -> bool {
        !self.is_sampled() || self.keeps(fastrand::f64())
    }

    /// Whether a request that drew `lot`, evenly spread over `0.0..1.0`, is among those sent on.
    pub fn keeps(&self, lot: f64) -> bool {
        lot < self.0
    }
}

impl fmt::Display for Rate {
    /// The shortest plain decimal that reads back the same: StatsD takes the `1` of `1e-05` for the rate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_rewritten_without_exponent() {
        let read = |text: &str| Rate::parse(text).map(|rate| rate.to_string());
        assert_eq!(read("0.5").as_deref(), Ok("0.5"));
        assert_eq!(read("0.50").as_deref(), Ok("0.5"));
        assert_eq!(read("1e-05").as_deref(), Ok("0.00001"));
        assert_eq!(read(".25").as_deref(), Ok("0.25"));
        assert!(!Rate::parse("1").expect("a rate").is_sampled());
        for bad in ["", "2", "1.5", "-1", "NaN", "inf", "Infinity", "x", "1e999", "0x1", "1 "] {
            assert_eq!(read(bad), Err(MetricError::Rate), "{bad}");
        }
    }

    #[test]
    fn a_rate_keeps_its_share_of_the_lots() {
        let rate = Rate::parse("0.25").expect("a rate");
        let kept = (0..1000).filter(|i| rate.keeps(f64::from(*i) / 1000.0)).count();
        assert_eq!(kept, 250);
        assert!(Rate::ALL.keeps(0.999_999));
        assert!(!Rate::parse("0").expect("a rate").keeps(0.0));
    }

    #[test]
    fn a_rate_that_was_applied_can_be_divided_by() {
        for bad in ["0", "0.0", "1e-300", "0.0000000001", "1.5", "-0.5", "", "NaN"] {
            assert_eq!(Rate::parse_applied(bad), Err(MetricError::Rate), "{bad}");
        }
        assert_eq!(Rate::parse_applied("0.001").map(|r| r.to_string()).as_deref(), Ok("0.001"));
        assert_eq!(Rate::parse_applied("1"), Ok(Rate::ALL));
    }

    proptest! {
        #[test]
        fn a_written_rate_reads_back_the_same(rate in 0.0f64..=1.0) {
            let read = Rate::parse(&format!("{rate:e}")).expect("a rate in range");
            let written = read.to_string();
            prop_assert!(written.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            prop_assert_eq!(written.parse::<f64>().ok(), Some(rate));
        }
    }
}
