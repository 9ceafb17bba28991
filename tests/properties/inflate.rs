//! Compressed bodies.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Decompress, FlushDecompress, Status};

use super::input::{Input, cut};
use crate::internals::{Coding, InflateError, inflate as inflate_pieces};

/// Limits of the decompressed size, in bytes: smaller and larger than the decoder's buffer.
const CAPS: [usize; 4] = [100, 4096, 20_000, 256 * 1024];

/// Decompressed data does not depend on the boundaries of reads, stays within its limit, and equals the output of
/// another decoder.
pub fn inflate(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let coding = if choice & 1 == 0 { Coding::Gzip } else { Coding::Deflate };
    let cap = CAPS[usize::from(choice >> 1 & 3)];
    let seed = input.short();
    if choice & 8 == 0 {
        assert_any(coding, input.0, cap, seed);
    } else {
        assert_round_trip(coding, input.0, cap, seed, u32::from(choice >> 4) % 10);
    }
}

/// Arbitrary bytes.
fn assert_any(coding: Coding, body: &[u8], cap: usize, seed: u16) {
    let whole = inflate_pieces(coding, [body], cap);
    let cut = inflate_pieces(coding, cut(body, seed), cap);
    // The count of blocks, and the order of the errors for damage and for too many bytes, depend on the boundaries of
    // reads.
    let is_bound = |result: &Result<_, _>| matches!(result, Err(InflateError::TooLarge | InflateError::TooManyBlocks));
    if !is_bound(&whole) && !is_bound(&cut) {
        assert!(whole == cut, "whole and cut differ: {:?}, {:?}", whole.map(|b| b.len()), cut.map(|b| b.len()));
    }
    assert_reference(coding, body, cap, whole);
}

/// Compares the result with that of flate2's decoder.
fn assert_reference(coding: Coding, body: &[u8], cap: usize, result: Result<Vec<u8>, InflateError>) {
    if let Ok(bytes) = &result {
        assert!(bytes.len() <= cap, "{} bytes under a cap of {cap}", bytes.len());
    }
    let expected = reference(coding, body, cap + 1);
    match (result, expected) {
        (Ok(bytes), Some(expected)) => assert!(bytes == expected, "other bytes than flate2's"),
        (Ok(bytes), None) => assert!(bytes.is_empty() && body.is_empty(), "flate2 does not read this"),
        (Err(InflateError::Broken), Some(expected)) => {
            assert!(expected.len() > cap, "flate2 reads {} bytes of what is broken", expected.len());
        }
        (Err(_), _) => {}
    }
}

/// The output of flate2 for `body`, up to `limit` bytes. `None` if it is damaged, truncated, or followed by other
/// bytes.
fn reference(coding: Coding, body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut decoder = match coding {
        Coding::Gzip => Decompress::new_gzip(15),
        _ => Decompress::new(body.first().is_some_and(|first| first & 0x0f == 8)),
    };
    let mut out = Vec::with_capacity(limit);
    let status = decoder.decompress_vec(body, &mut out, FlushDecompress::Finish).ok()?;
    let full = out.len() == out.capacity();
    ((status == Status::StreamEnd && decoder.total_in() == body.len() as u64) || full).then_some(out)
}

/// The output of a compressor is accepted, or is too large.
fn assert_round_trip(coding: Coding, body: &[u8], cap: usize, seed: u16, level: u32) {
    // Repetition makes long bodies from short inputs.
    let body = body.repeat(1 + usize::from(seed % 7) * 8);
    let compressed = match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
        _ => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
    }
    .expect("writing to a Vec cannot fail");
    let expected = if body.len() > cap { Err(InflateError::TooLarge) } else { Ok(body) };
    assert!(inflate_pieces(coding, [&compressed[..]], cap) == expected, "whole");
    assert!(inflate_pieces(coding, cut(&compressed, seed), cap) == expected, "cut");
    // A body that is truncated at any byte is broken.
    if let Some((_, short)) = compressed.split_last().filter(|_| expected.is_ok()) {
        assert!(inflate_pieces(coding, [short], cap) == Err(InflateError::Broken), "cut short");
    }
    let trailing = [&compressed[..], b"x"].concat();
    assert!(inflate_pieces(coding, [&trailing[..]], cap).is_err(), "with a byte too many");
}
