//! The report on a batch.

use serde::Serialize;

use crate::metric::MetricError;

/// The most rejections that a report lists; more would add nothing.
const MAX_TOLD: usize = 20;

/// The number of accepted metrics of a batch, and the first rejections with their reasons.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    accepted: u64,
    rejected: Vec<Rejected>,
    #[serde(skip)]
    rejections: u64,
}

/// A rejected metric.
#[derive(Debug, Serialize)]
struct Rejected {
    /// Its index in the batch, from 0.
    index: u64,
    #[serde(serialize_with = "text")]
    error: MetricError,
}

impl Report {
    /// Counts the next `count` metrics as accepted.
    #[inline]
    pub(crate) fn accept(&mut self, count: u64) {
        self.accepted += count;
    }

    /// Counts the next `count` metrics as accepted or rejected.
    pub(crate) fn note(&mut self, count: u64, result: Result<(), MetricError>) {
        match result {
            Ok(()) => self.accepted += count,
            Err(error) => {
                let untold = MAX_TOLD - self.rejected.len();
                let indices = self.total()..self.total() + count;
                self.rejected.extend(indices.take(untold).map(|index| Rejected { index, error }));
                self.rejections += count;
            }
        }
    }

    /// The number of metrics so far.
    pub(crate) fn total(&self) -> u64 {
        self.accepted + self.rejections
    }

    /// The number of rejected metrics so far.
    pub(crate) fn rejections(&self) -> u64 {
        self.rejections
    }

    /// True if there were metrics and none was accepted.
    pub(crate) fn is_refusal(&self) -> bool {
        self.accepted == 0 && self.rejections > 0
    }

    /// The report as JSON: `{"accepted":1,"rejected":[{"index":0,"error":"…"}]}`.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts are always JSON")
    }
}

fn text<S: serde::Serializer>(error: &MetricError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusals_are_told_with_their_places() {
        let mut report = Report::default();
        assert_eq!(report.to_json(), br#"{"accepted":0,"rejected":[]}"#);
        assert!(!report.is_refusal());
        report.note(1, Err(MetricError::Value));
        assert!(report.is_refusal());
        report.note(2, Ok(()));
        report.note(1, Err(MetricError::Name));
        let text = r#"{"accepted":2,"rejected":[{"index":0,"error":"Invalid value specified"},{"index":3,"error":"Invalid key specified"}]}"#;
        assert_eq!(String::from_utf8_lossy(&report.to_json()), text);
        report.note(30, Err(MetricError::Value));
        assert_eq!((report.rejected.len(), report.total()), (MAX_TOLD, 34));
    }
}
