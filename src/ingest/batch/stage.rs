//! Lines that wait until it is certain that their batch can be read.

use crate::ingest::batch::Sink;
use crate::metric::{MAX_LINE, Metric, MetricError};
use crate::statsd::encoding::Encoding;
use crate::statsd::line;

/// Lines held back.
#[derive(Debug)]
pub(super) struct StagedLines<'s> {
    style: &'s Encoding,
    lines: Vec<u8>,
    /// Where each ends, and how many measurements it is.
    ends: Vec<(usize, u32)>,
}

impl<'s> StagedLines<'s> {
    /// An empty stage, for a body of `len` bytes.
    pub(super) fn new(style: &'s Encoding, len: usize) -> Self {
        Self { style, lines: Vec::with_capacity(len), ends: Vec::new() }
    }

    /// Hands all lines on.
    pub(super) fn release(self, sink: &mut impl Sink) {
        let mut start = 0;
        for (end, count) in self.ends {
            sink.take_line(&self.lines[start..end], count);
            start = end;
        }
    }
}

impl Sink for StagedLines<'_> {
    #[inline]
    fn take(&mut self, metric: &Metric<'_>) -> Result<usize, MetricError> {
        let start = self.lines.len();
        line::write(&mut self.lines, self.style, metric);
        if self.lines.len() - start > MAX_LINE {
            self.lines.truncate(start);
            return Err(MetricError::TooLong);
        }
        self.ends.push((self.lines.len(), metric.value.count()));
        Ok(self.lines.len() - start)
    }

    fn take_line(&mut self, line: &[u8], count: u32) {
        self.lines.extend_from_slice(line);
        self.ends.push((self.lines.len(), count));
    }
}
