//! Metrics as JSON.

use serde::de::IgnoredAny;

use super::input::Input;
use super::lines::assert_sound;
use crate::internals::{BatchError, ContentType, Encoding, MAX_LINE, Outcome, read_batch, read_batch_by_serde_json};

/// A batch of JSON is accepted if and only if it is a well-formed array or object, or empty, and its lines satisfy the
/// same conditions as in a batch of lines. Its lines and its report are those that serde_json alone leads to.
pub fn json(data: &[u8]) {
    let mut input = Input(data);
    let encoding = input.encoding();
    let choice = input.byte();
    let content_type = match choice % 3 {
        0 => ContentType::Json,
        1 => ContentType::JsonLines,
        _ => ContentType::Unnamed,
    };
    let mut body = input.0.to_vec();
    // A long body is read in several slices.
    if choice >= 240 && body.iter().any(|byte| !byte.is_ascii_whitespace()) {
        body.splice(0..0, [b' '; 70_000]);
        body.resize(body.len() + 70_000, b'\n');
    }
    let cap = body.len().max(MAX_LINE);
    let outcome = assert_agreement(&encoding, content_type, &body, cap);
    if content_type == ContentType::Json {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let well_formed = match body.iter().find(|byte| !is_space(byte)) {
            // An empty body is an empty batch.
            None => true,
            Some(b'[' | b'{') => {
                std::str::from_utf8(&body).is_ok() && serde_json::from_slice::<IgnoredAny>(&body).is_ok()
            }
            Some(_) => false,
        };
        assert_eq!(outcome.is_ok(), well_formed, "{:?}", outcome.err());
    }
    let Ok(outcome) = outcome else { return };
    assert_sound(&outcome, &encoding, cap);
    let sent: u64 = outcome.units.iter().map(|unit| u64::from(unit.measurements)).sum();
    assert!(sent <= outcome.accepted, "{sent} sent of {}", outcome.accepted);
}

/// Panics unless a batch becomes what serde_json alone makes of it. Returns what it becomes.
pub fn assert_agreement(
    encoding: &Encoding,
    content_type: ContentType,
    body: &[u8],
    cap: usize,
) -> Result<Outcome, BatchError> {
    // Sampling is random, but the same input must give the same result.
    fastrand::seed(body.len() as u64);
    let outcome = read_batch(encoding, content_type, body, cap);
    fastrand::seed(body.len() as u64);
    if let Some(expected) = read_batch_by_serde_json(encoding, content_type, body, cap) {
        assert_eq!(outcome, expected, "{content_type:?} {:?}", String::from_utf8_lossy(body));
    }
    outcome
}
