//! Batches of StatsD lines.

use super::grammar::{assert_reads_back, assert_unit};
use super::input::Input;
use crate::internals::{ContentType, Encoding, MAX_LINE, Outcome, encoding, read_batch};

/// The lines that any batch sends are valid, within their bounds and counted, and parse back to themselves.
pub fn lines(data: &[u8]) {
    let mut input = Input(data);
    let encoding = input.encoding();
    // The first line prevents the detection of JSON.
    let body = [b"a.b:1|c\n", input.0].concat();
    let cap = body.len().max(MAX_LINE);
    let outcome = read_batch(&encoding, ContentType::Unnamed, &body, cap).expect("lines are always read");
    assert_sound(&outcome, &encoding, cap);
    let sent: u64 = outcome.units.iter().map(|unit| u64::from(unit.measurements)).sum();
    assert_eq!(sent, outcome.accepted, "lines were sampled by their client, and are all sent");
    let written = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    assert!(outcome.accepted + outcome.rejected >= written, "each line is accepted or rejected");
}

/// Checks a batch that was parsed, with a size limit of `cap` bytes.
pub(super) fn assert_sound(outcome: &Outcome, server: &Encoding, cap: usize) {
    let plain = encoding(server.dialect(), server.prefix().as_str(), &[]);
    let mut bytes = 0;
    for unit in &outcome.units {
        bytes += unit.bytes.len() + 1;
        assert_unit(unit, server);
        if server.tags().is_empty() {
            assert_reads_back(unit, &plain);
        }
    }
    assert!(bytes <= 2 * cap + 1, "{bytes} bytes of lines from a body of at most {cap}");
}
