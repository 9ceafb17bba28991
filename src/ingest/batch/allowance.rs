//! What one batch may cause: bytes of lines, samples at the daemon, rejections.
//!
//! A body has a cap, but what is made of it has none of its own: a name is written once and its thousand values share it,
//! the server's tags stand on every line, `1e308` has 309 digits, and a daemon that multiplies makes a thousand timings of
//! one line. So the bounds are those of the body as a whole.

use crate::metric::{MAX_LINE, Metric, MetricError, Value};
use crate::statsd::encoding::Encoding;

/// How many times its cap the lines of a batch may be long together, with the server's prefix and tags and a byte between
/// two: space for a short prefix and some tags on the shortest metrics, and for any on the usual ones.
const EXPANSION: usize = 2;

/// Samples that a batch may stand for where the daemon multiplies: some seven times what a largest batch of timings that
/// were not sampled comes to.
const MAX_SAMPLES: u64 = 1_000_000;

/// Samples for each byte of a body: a line of its own at the least rate has fewer, so packed values have no more.
const SAMPLES_PER_BYTE: u64 = 100;

/// Rejections after which nothing more of a batch is looked at: its client does not speak our language.
const MAX_REJECTED: u64 = 1000;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    samples: u64,
}

impl Allowance {
    /// What a body of `len` bytes may cause, where a largest one has `cap`.
    pub(super) fn new(len: usize, cap: usize) -> Self {
        Self {
            // The line that takes the last of it may be longer than what is left.
            bytes: (EXPANSION * cap).saturating_sub(MAX_LINE).max(1),
            samples: MAX_SAMPLES.min(SAMPLES_PER_BYTE * len as u64),
        }
    }

    /// Why nothing more is looked at after so many rejections, if so.
    pub(super) fn end(&self, rejections: u64) -> Option<MetricError> {
        if self.bytes == 0 {
            Some(MetricError::TooManyBytes)
        } else if rejections >= MAX_REJECTED {
            Some(MetricError::TooManyRejected)
        } else {
            None
        }
    }

    /// Takes a line of `len` bytes, and what parts it from the next; returns whether anything is left.
    #[inline]
    pub(super) fn spend(&mut self, len: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(len + 1);
        self.bytes > 0
    }

    /// Takes the samples that a daemon makes of a metric that its client has sampled.
    #[inline]
    pub(super) fn spend_samples(&mut self, style: &Encoding, metric: &Metric<'_>) -> Result<(), MetricError> {
        if let Value::Sampled(kind, values, rate) = *metric.value()
            && rate.is_sampled()
            && style.dialect().multiplied(kind)
        {
            let samples = u64::from(values.count()) * rate.weight();
            self.samples = self.samples.checked_sub(samples).ok_or(MetricError::TooManySamples)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_to_no_more_than_twice_the_cap() {
        let cap = 64 * 1024;
        let mut allowance = Allowance::new(10, cap);
        let mut sent = 0;
        while allowance.end(0).is_none() {
            allowance.spend(MAX_LINE);
            sent += MAX_LINE + 1;
        }
        assert_eq!(allowance.end(0), Some(MetricError::TooManyBytes));
        assert!(sent <= 2 * cap && sent > 2 * cap - 2 * MAX_LINE, "{sent}");
    }

    #[test]
    fn a_batch_ends_after_a_thousand_rejections() {
        let allowance = Allowance::new(10, 10);
        assert_eq!((allowance.end(999), allowance.end(1000)), (None, Some(MetricError::TooManyRejected)));
    }
}
