//! HTTP/2 requests that are never completed, or are refused.

mod blocked;
mod crowd;
mod foreign_lines;
mod heads;
mod refusals;
mod stalled;

use std::io::{Read, Write};

use crate::https::{TlsClient, frame};

/// HTTP/2 frame types and flags (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:method POST`, `:scheme https`, `:path` and `:authority`, in HPACK (RFC 7541) without the dynamic table.
pub fn post_to(path: &str) -> Vec<u8> {
    [b"\x83\x87", &literal(4, path)[..], &literal(1, "localhost")[..]].concat()
}

/// `GET`, `https`, a path and an authority.
fn get(path: &str) -> Vec<u8> {
    [b"\x82\x87", &literal(4, path)[..], &literal(1, "localhost")[..]].concat()
}

/// A field whose name is in the static table, not indexed (RFC 7541 section 6.2.2).
fn literal(name: u8, value: &str) -> Vec<u8> {
    assert!(name < 15);
    [&[name][..], &text(value)].concat()
}

/// A field with a new name, not indexed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
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

/// A frame from the proxy.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
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
pub fn next_frame(client: &mut TlsClient) -> Option<Frame> {
    let mut head = [0; 9];
    client.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    client.read_exact(&mut payload).ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream, payload })
}

/// A head without an end of its stream.
pub fn open(stream: u32, head: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, head)
}

/// The longest DATA frame by default, if the server announces no other limit (RFC 9113 section 6.5.2).
const MAX_FRAME: usize = 16_384;

/// Bytes of DATA that a client may send on a new connection, and on each of its streams, before the server grants more
/// (RFC 9113 section 6.9.2). A larger window in the server's SETTINGS counts once the client has acknowledged them,
/// which these tests do not do; the connection's window grows with WINDOW_UPDATE alone.
const FIRST_WINDOW: usize = 65_535;

/// The remaining windows of a connection that sends one body.
struct Windows {
    stream_id: u32,
    connection: usize,
    stream: usize,
}

impl Windows {
    fn new(stream_id: u32) -> Self {
        Self { stream_id, connection: FIRST_WINDOW, stream: FIRST_WINDOW }
    }

    /// Sends `length` bytes of a body, each when the windows allow it. A body that `ends` is not empty. Gives the
    /// frames that came meanwhile.
    fn send(&mut self, client: &mut TlsClient, mut length: usize, ends: bool) -> Vec<Frame> {
        let mut came = Vec::new();
        loop {
            let mut granted = Vec::new();
            loop {
                let size = length.min(self.connection).min(self.stream).min(MAX_FRAME);
                if size == 0 {
                    break;
                }
                length -= size;
                self.connection -= size;
                self.stream -= size;
                let flags = if ends && length == 0 { END_STREAM } else { 0 };
                granted.extend(frame(DATA, flags, self.stream_id, &vec![b'x'; size]));
            }
            // One write sends all frames, so that the server may receive the whole window at once.
            client.write_all(&granted).expect("the body is taken");
            if length == 0 {
                return came;
            }
            let frame = next_frame(client).expect("the connection stays");
            self.count(&frame);
            came.push(frame);
        }
    }

    /// Adds the bytes that `frame` grants.
    fn count(&mut self, frame: &Frame) {
        let window = match frame.stream {
            0 => &mut self.connection,
            id if id == self.stream_id => &mut self.stream,
            _ => return,
        };
        if frame.kind == WINDOW_UPDATE {
            let octets = frame.payload[..].try_into().expect("a WINDOW_UPDATE has four octets");
            *window += u32::from_be_bytes(octets) as usize;
        }
    }
}
