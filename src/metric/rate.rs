//! Sample rates.

use std::fmt;

use crate::metric::MetricError;

/// Longest text of a rate, in bytes. Any language writes a double in at most 24; a decimal of more than 60 digits is an
/// attack by slow parsing.
const MAX_TEXT: usize = 64;

/// The share of metrics that is sent, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// Every metric is sent, and the line has no rate.
    pub const ALL: Rate = Rate(1.0);

    /// The rate 1 / `count`; `count` is not 0.
    pub const fn one_of(count: u32) -> Self {
        Self(1.0 / count as f64)
    }

    /// Reads a number from 0 to 1. It may have an exponent, since rates are rewritten before they are sent.
    pub fn parse(text: &str) -> Result<Self, MetricError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        if text.len() > MAX_TEXT {
            return Err(MetricError::Rate);
        }
        match text.parse::<f64>() {
            Ok(rate) if plain && (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(MetricError::Rate),
        }
    }

    /// Checks a rate that a client has applied already. It cannot be raised to `least`, because the metrics that the
    /// client left out would then be missing.
    pub fn applied(self, least: Self) -> Result<Self, MetricError> {
        if self.0 < least.0 { Err(MetricError::Rate) } else { Ok(self) }
    }

    /// The rate for this server to apply, at least `least`. The daemon divides by the rate in the line, so its totals
    /// are the same, and only more lines are sent. A rate of 0 stays 0.
    pub fn raised(self, least: Self) -> Self {
        if self.0 > 0.0 && self.0 < least.0 { least } else { self }
    }

    /// Number of measurements that a multiplying daemon makes of one, `int(1 / rate)` in its source. The rate is not 0.
    pub fn weight(&self) -> u64 {
        (1.0 / self.0) as u64
    }

    /// True if the line must carry the rate.
    pub fn is_sampled(&self) -> bool {
        self.0 < 1.0
    }

    /// Samples: returns true for this share of the calls, at random.
    pub fn keep(&self) -> bool {
        !self.is_sampled() || self.keeps(fastrand::f64())
    }

    /// True if a metric is kept whose random number, uniform over `0.0..1.0`, is `sample`.
    pub fn keeps(&self, sample: f64) -> bool {
        sample < self.0
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
    fn an_applied_rate_is_refused_below_the_least_and_one_of_ours_is_raised() {
        let least = Rate::one_of(1000);
        let read = |text: &str| Rate::parse(text).expect("a rate");
        for low in ["0", "0.0", "1e-300", "0.0000000001", "0.00099999"] {
            assert_eq!(read(low).applied(least), Err(MetricError::Rate), "{low}");
        }
        for low in ["1e-300", "0.0000000001", "0.00099999", "0.001"] {
            assert_eq!(read(low).raised(least).to_string(), "0.001", "{low}");
        }
        for sound in ["0.001", "1e-3", "0.5", "1"] {
            assert_eq!(read(sound).applied(least), Ok(read(sound)), "{sound}");
            assert_eq!(read(sound).raised(least), read(sound), "{sound}");
        }
        assert_eq!(read("0").raised(least), read("0"), "nothing stays nothing");
        assert_eq!((least.weight(), Rate::ALL.weight(), read("0.3").weight()), (1000, 1, 3));
    }

    #[test]
    fn a_rate_is_no_longer_than_any_client_writes_it() {
        let long = format!("0.{}", "3".repeat(MAX_TEXT - 2));
        assert!(Rate::parse(&long).is_ok());
        assert_eq!(Rate::parse(&format!("{long}3")), Err(MetricError::Rate));
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
