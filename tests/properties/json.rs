//! Metrics as JSON.

use serde::de::IgnoredAny;

use super::input::Input;
use super::lines::assert_sound;
use crate::internals::{ContentType, MAX_LINE, read_batch};

/// A batch of JSON is accepted if and only if it is a well-formed array or object, or empty, and its lines satisfy the
/// same conditions as in a batch of lines.
pub fn json(data: &[u8]) {
    let mut input = Input(data);
    let encoding = input.encoding();
    let content_type = match input.byte() % 3 {
        0 => ContentType::Json,
        1 => ContentType::JsonLines,
        _ => ContentType::Unnamed,
    };
    let body = input.0;
    let cap = body.len().max(MAX_LINE);
    // Sampling is random, but the same input must give the same result.
    fastrand::seed(u64::from(data.first().copied().unwrap_or_default()));
    let outcome = read_batch(&encoding, content_type, body, cap);
    if content_type == ContentType::Json {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let well_formed = match body.iter().find(|byte| !is_space(byte)) {
            // An empty body is an empty batch.
            None => true,
            Some(b'[' | b'{') => {
                std::str::from_utf8(body).is_ok() && serde_json::from_slice::<IgnoredAny>(body).is_ok()
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
