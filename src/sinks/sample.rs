//! Sampling: of the metrics with a rate of 0.1, one in ten reaches the next sink.

use crate::metric::{Accepted, Metric, MetricError, Sink};
use crate::statsd::encoding::Encoding;
use crate::statsd::line;

/// Forwards each metric to the next sink unless sampling drops it. For metrics whose client leaves the sampling to this
/// server: the rate of a metric that its client has sampled would be applied twice here.
#[derive(Debug)]
pub(crate) struct Sample<'a, S> {
    encoding: &'a Encoding,
    next: S,
}

impl<'a, S: Sink> Sample<'a, S> {
    /// Samples before `next`, which writes its lines in `encoding`.
    pub(crate) fn new(encoding: &'a Encoding, next: S) -> Self {
        Self { encoding, next }
    }
}

impl<S: Sink> Sink for Sample<'_, S> {
    #[inline]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        if metric.value().rate().keep() {
            return self.next.accept(metric);
        }
        // Chance must decide neither which metrics are valid nor how many of a batch are accepted.
        line::length(self.encoding, metric).map(|line_bytes| Accepted { line_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Kind, MAX_LINE, Number, Rate, Tags, Value};

    /// Counts the metrics, and reports a line of one byte for each.
    #[derive(Default)]
    struct Passed(usize);

    impl Sink for Passed {
        fn accept(&mut self, _: &Metric<'_>) -> Result<Accepted, MetricError> {
            self.0 += 1;
            Ok(Accepted { line_bytes: 1 })
        }
    }

    fn count<'a>(encoding: &Encoding, name: &'a str, rate: &str) -> Metric<'a> {
        let rate = Rate::parse(rate).expect("a rate");
        let name = encoding.name(name).expect("a name");
        Metric::new(name, Value::Sampled(Kind::Count, Number::ONE.into(), rate), Tags::NONE)
    }

    #[test]
    fn a_share_passes_and_the_rest_counts_with_the_length_of_its_line() {
        let encoding = Encoding::default();
        let (mut passed, mut lengths) = (Passed::default(), Vec::new());
        let mut sample = Sample::new(&encoding, &mut passed);
        for _ in 0..10_000 {
            lengths.push(sample.accept(&count(&encoding, "a", "0.25")).expect("a short line").line_bytes);
        }
        let dropped = "a:1|c|@0.25".len();
        assert!(lengths.iter().all(|length| [1, dropped].contains(length)));
        assert_eq!(passed.0, lengths.iter().filter(|length| **length == 1).count());
        // Eleven standard deviations.
        assert!((2000..=3000).contains(&passed.0), "{}", passed.0);
    }

    #[test]
    fn all_pass_at_a_rate_of_one_and_none_at_zero() {
        let encoding = Encoding::default();
        for (rate, expected) in [("1", 100), ("0", 0)] {
            let mut passed = Passed::default();
            let mut sample = Sample::new(&encoding, &mut passed);
            for _ in 0..100 {
                sample.accept(&count(&encoding, "a", rate)).expect("a short line");
            }
            assert_eq!(passed.0, expected, "{rate}");
        }
    }

    #[test]
    fn a_dropped_metric_is_refused_if_its_line_is_too_long() {
        let encoding = Encoding::default();
        let mut passed = Passed::default();
        let name = "n".repeat(MAX_LINE);
        let accepted = Sample::new(&encoding, &mut passed).accept(&count(&encoding, &name, "0"));
        assert_eq!((accepted, passed.0), (Err(MetricError::TooLong), 0));
    }

    #[test]
    fn sinks_stack() {
        let encoding = Encoding::default();
        let mut passed = Passed::default();
        let mut twice = Sample::new(&encoding, Sample::new(&encoding, &mut passed));
        for _ in 0..10_000 {
            twice.accept(&count(&encoding, "a", "0.5")).expect("a short line");
        }
        assert!((2000..=3000).contains(&passed.0), "{}", passed.0);
    }
}
