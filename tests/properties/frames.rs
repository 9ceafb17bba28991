//! The meter of HTTP/2 frames.

use super::input::{Input, cut};
use crate::internals::{Admission, FrameMeter, frame_meter};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Maximum number of bytes; floods repeat few bytes.
const MAX_STREAM: usize = 32 * 1024;

/// Frames of any kind that are never a flood.
const HARMLESS: usize = 1000;

/// The result of a meter for a stream.
#[derive(Debug, Eq, PartialEq)]
struct Verdict {
    flood: bool,
    /// Number of HEADERS frames that it asked to admit, and number of those that began a request.
    asked: (u32, u32),
    /// The incomplete frame at the end of the stream, if any: its bytes, and true if a part of a head was read.
    incomplete: Option<(usize, bool)>,
}

/// The result for a stream depends neither on the boundaries of reads nor on the time when its requests are admitted.
pub fn frames(data: &[u8]) {
    let mut input = Input(data);
    let repeats = usize::from(input.byte()) + 1;
    let (admitted, seed) = (input.byte(), input.short());
    let stream = [PREFACE, &input.0.repeat(repeats.min(MAX_STREAM / input.0.len().max(1)))].concat();
    let whole = run(&[&stream], u8::MAX);
    assert_eq!(run(&cut(&stream, seed), u8::MAX), whole, "cut");
    assert_eq!(run(&[&stream], admitted), whole, "with requests that wait");
    assert_eq!(run(&cut(&stream, seed), admitted), whole, "cut, with requests that wait");
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(run(&single, admitted), whole, "byte by byte");
    assert!(!whole.flood || count(&stream) > HARMLESS, "a flood of {} frames", count(&stream));
}

/// Passes the pieces to a new meter. Of each eight requests, those whose bit is set are admitted at once.
fn run(pieces: &[&[u8]], admitted: u8) -> Verdict {
    let mut meter = frame_meter();
    let mut asked = (0, 0);
    for piece in pieces {
        if give(&mut meter, piece, admitted, &mut asked) {
            return Verdict { flood: true, asked, incomplete: None };
        }
    }
    let incomplete = meter.incomplete().map(|incomplete| (incomplete.bytes, incomplete.head));
    Verdict { flood: false, asked, incomplete }
}

/// Passes `piece` to the meter; returns true if the frames are a flood.
fn give(meter: &mut FrameMeter, mut piece: &[u8], admitted: u8, asked: &mut (u32, u32)) -> bool {
    while !piece.is_empty() {
        let counted = meter.count(piece, |frame| {
            *asked = (asked.0 + 1, asked.1 + u32::from(frame == Admission::Request));
            admitted >> (asked.0 % 8) & 1 == 1
        });
        let Ok(taken) = counted else { return true };
        assert!(taken > 0 && taken <= piece.len(), "{taken} of {} bytes", piece.len());
        piece = &piece[taken..];
    }
    false
}

/// Number of frames that begin in `stream`.
fn count(stream: &[u8]) -> usize {
    let (mut at, mut count) = (PREFACE.len(), 0);
    while let Some([a, b, c, ..]) = stream.get(at..at + 9) {
        at += 9 + usize::from(*a) * 65_536 + usize::from(*b) * 256 + usize::from(*c);
        count += 1;
    }
    count
}
