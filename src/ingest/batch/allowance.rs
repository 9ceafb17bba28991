//! The bounds of one batch: bytes of lines, samples at the daemon, rejections.
//!
//! The cap of a body does not bound its output: a thousand values share one name, the server's tags are on every line,
//! `1e308` has 309 digits, and a multiplying daemon makes a thousand timings of one line. So these bounds apply to the
//! output of a whole body.

use crate::metric::{MAX_LINE, Metric, MetricError, Value};
use crate::statsd::encoding::Encoding;

/// The lines of a batch, with the server's prefix and tags and a byte between two, may be this many times as long as
/// its cap. That suffices for a short prefix and some tags on the shortest metrics, and for any on usual ones.
const EXPANSION: usize = 2;

/// The most samples that a daemon may make of a batch where it multiplies: about seven times those of the largest batch
/// of unsampled timings.
const MAX_SAMPLES: u64 = 1_000_000;

/// The most samples for each byte of a body: a separate line at the least rate has fewer, and packed values may not
/// have more.
const SAMPLES_PER_BYTE: u64 = 100;

/// The number of rejections after which the rest of a batch is not read: its client does not use these formats.
const MAX_REJECTED: u64 = 1000;

/// The remaining bytes and samples.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    samples: u64,
}

impl Allowance {
    /// The allowance of a body of `len` bytes, where the largest has `cap`.
    pub(super) fn new(len: usize, cap: usize) -> Self {
        Self {
            // The last line may be longer than the remaining bytes.
            bytes: (EXPANSION * cap).saturating_sub(MAX_LINE).max(1),
            samples: MAX_SAMPLES.min(SAMPLES_PER_BYTE * len as u64),
        }
    }

    /// The reason to stop reading after so many rejections, or `None`.
    pub(super) fn end(&self, rejections: u64) -> Option<MetricError> {
        if self.bytes == 0 {
            Some(MetricError::TooManyBytes)
        } else if rejections >= MAX_REJECTED {
            Some(MetricError::TooManyRejected)
        } else {
            None
        }
    }

    /// Spends a line of `len` bytes and its separator; returns false if nothing is left.
    #[inline]
    pub(super) fn spend(&mut self, len: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(len + 1);
        self.bytes > 0
    }

    /// Spends the samples that a daemon makes of a metric that its client has sampled.
    #[inline]
    pub(super) fn spend_samples(&mut self, encoding: &Encoding, metric: &Metric<'_>) -> Result<(), MetricError> {
        if let Value::Sampled(kind, values, rate) = *metric.value()
            && rate.is_sampled()
            && encoding.dialect().multiplied(kind)
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
