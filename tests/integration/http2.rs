//! HTTP/2 requests that are never finished, or refused.

mod crowd;
mod heads;
mod refusals;
mod stalled;

use std::io::Read;

use crate::https::{TlsClient, frame};

/// HTTP/2 frame types and flags (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:method POST`, `:scheme https`, `:path` and `:authority`, in HPACK (RFC 7541) without the dynamic table.
fn post_to(path: &str) -> Vec<u8> {
    [b"\x83\x87", &literal(4, path)[..], &literal(1, "localhost")[..]].concat()
}

/// A field whose name is in the static table, not indexed (RFC 7541 section 6.2.2).
fn literal(name: u8, value: &str) -> Vec<u8> {
    assert!(name < 15);
    [&[name][..], &text(value)].concat()
}

/// A field with a new name, not indexed.
fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A text without Huffman coding; its length as an integer with a prefix of 7 bits (RFC 7541 section 5.1).
fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if text.len() < 127 {
        out.push(text.len() as u8);
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text.as_bytes());
    out
}

/// A frame that came from the proxy.
#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// The next frame; `None` when the connection has ended.
fn next_frame(client: &mut TlsClient) -> Option<Frame> {
    let mut head = [0; 9];
    client.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    client.read_exact(&mut payload).ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream, payload })
}

/// A head without an end of its stream.
fn open(stream: u32, head: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, head)
}
