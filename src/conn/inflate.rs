//! Compressed request bodies (RFC 9110 section 8.4), inflated under a cap.
//!
//! A gigabyte of zeros deflates to a megabyte, so the cap is on what comes out, and nothing is inflated past it. Nor is the
//! work bounded by that: a block of deflate may hold nothing but two code tables, a few bytes long and some microseconds to
//! build, so the blocks are counted. zlib-rs is used by itself for that, since flate2 does not stop between two blocks.

use std::fmt;

use thiserror::Error;
use zlib_rs::{Inflate as Stream, InflateFlush, Status};

use crate::conn::head::Field;

/// The size of the chunks in which a large body is kept while it comes, in bytes.
const CHUNK: usize = 64 * 1024;

/// The largest window of deflate is 32 KiB, 15 bits.
const WINDOW_BITS: u8 = 15;

/// Bytes that are inflated at once.
const BUFFER: usize = 16 * 1024;

/// The least that is handed to the decoder before the end: where it stops, its input is at an end or a block is, and only
/// of the last piece of input is it not known which.
const PIECE: usize = 1024;

/// Blocks of a body: zlib begins one every 16,383 symbols or 50 KiB of text, and an empty one with each flush. Some that
/// hold nothing take 4 µs each.
const MAX_BLOCKS: u64 = 1024;

/// The bits that the decoder holds back may be so many blocks.
const HELD_BLOCKS: u32 = 8;

/// The codings that are understood, for an answer to one that is not.
pub(crate) const CODINGS: &str = "gzip, deflate";

/// A content coding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952, one member: each further one would cost a new window, whether it holds a byte or not.
    Gzip,
    /// RFC 1950; or RFC 1951 alone, as some who say `deflate` send it.
    Deflate,
}

/// A coding that is not understood, or several.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("Content encoding not supported")]
pub struct UnknownCoding;

impl Coding {
    /// The coding that `Content-Encoding` names.
    pub fn of(content_encoding: Field<'_>) -> Result<Self, UnknownCoding> {
        let Some(coding) = content_encoding.single().map_err(|_| UnknownCoding)? else { return Ok(Self::Identity) };
        let is = |name: &[u8]| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(name);
        if is(b"gzip") || is(b"x-gzip") {
            Ok(Self::Gzip)
        } else if is(b"deflate") {
            Ok(Self::Deflate)
        } else if is(b"identity") {
            Ok(Self::Identity)
        } else {
            Err(UnknownCoding)
        }
    }
}

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InflateError {
    /// More comes out than the cap allows.
    #[error("more than the cap")]
    TooLarge,
    /// It is made of more blocks than any compressor makes.
    #[error("too many blocks")]
    TooManyBlocks,
    /// It is damaged or cut.
    #[error("damaged or cut")]
    Broken,
}

/// A body that is being inflated.
pub struct Inflate {
    decoder: Decoder,
    capped: Capped,
}

enum Decoder {
    /// Nothing to decode.
    None,
    /// Some `deflate`, of which nothing has come yet.
    Undecided,
    Stream(Box<Blocks>),
}

/// A stream of deflate, block by block.
struct Blocks {
    stream: Stream,
    /// Less than [`PIECE`] bytes that came and are not inflated.
    held: Vec<u8>,
    buffer: Vec<u8>,
    /// Blocks so far, and the ends of the input that may have been the end of one.
    count: u64,
    ended: bool,
}

impl Blocks {
    fn new(stream: Stream) -> Box<Self> {
        Box::new(Self { stream, held: Vec::new(), buffer: vec![0; BUFFER], count: 0, ended: false })
    }

    /// Inflates `piece`, or holds it back while there is little of it.
    fn write(&mut self, piece: &[u8], out: &mut Capped) -> Result<(), InflateError> {
        if self.held.len() + piece.len() < PIECE {
            self.held.extend_from_slice(piece);
            return Ok(());
        }
        if self.held.is_empty() {
            return self.inflate(piece, out);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(piece);
        self.inflate(&held, out)
    }

    fn finish(&mut self, out: &mut Capped) -> Result<(), InflateError> {
        let held = std::mem::take(&mut self.held);
        self.inflate(&held, out)?;
        for _ in 0..HELD_BLOCKS {
            if self.ended {
                break;
            }
            self.inflate(&[], out)?;
        }
        if self.ended { Ok(()) } else { Err(InflateError::Broken) }
    }

    /// Inflates `input` up to its end.
    fn inflate(&mut self, mut input: &[u8], out: &mut Capped) -> Result<(), InflateError> {
        let mut idle = 0;
        while !self.ended {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input, &mut self.buffer, InflateFlush::Block);
            let status = status.map_err(|_| InflateError::Broken)?;
            let (read, written) = (self.stream.total_in() - read, self.stream.total_out() - written);
            input = &input[read as usize..];
            out.write(&self.buffer[..written as usize])?;
            self.ended = status == Status::StreamEnd;
            if written as usize == self.buffer.len() {
                continue;
            }
            self.count += 1;
            if self.count > MAX_BLOCKS + self.stream.total_in() / PIECE as u64 {
                return Err(InflateError::TooManyBlocks);
            }
            if input.is_empty() {
                break;
            }
            // Blocks of a few bits come out of what the decoder has read already.
            idle = if read + written == 0 { idle + 1 } else { 0 };
            if idle > HELD_BLOCKS {
                return Err(InflateError::Broken);
            }
        }
        if input.is_empty() { Ok(()) } else { Err(InflateError::Broken) }
    }
}

/// Bytes up to a cap, in chunks: a buffer that grows is there twice while it is moved, and what is refused at the cap need
/// never have been in one piece.
struct Capped {
    chunks: Vec<Vec<u8>>,
    len: usize,
    cap: usize,
}

impl Capped {
    fn new(cap: usize) -> Self {
        Self { chunks: Vec::new(), len: 0, cap }
    }

    fn take(&mut self) -> Vec<u8> {
        if self.chunks.len() > 1 { self.chunks.concat() } else { self.chunks.pop().unwrap_or_default() }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), InflateError> {
        if self.len + bytes.len() > self.cap {
            return Err(InflateError::TooLarge);
        }
        self.len += bytes.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() + bytes.len() <= CHUNK => last.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.chunks.push(bytes.to_vec()),
        }
        Ok(())
    }
}

impl Inflate {
    /// Begins to inflate a body; at most `cap` bytes may come out.
    pub fn new(coding: Coding, cap: usize) -> Self {
        let decoder = match coding {
            Coding::Identity => Decoder::None,
            // 16 more than the window's bits: with the head and the end of gzip.
            Coding::Gzip => Decoder::Stream(Blocks::new(Stream::new(true, 16 + WINDOW_BITS))),
            Coding::Deflate => Decoder::Undecided,
        };
        Self { decoder, capped: Capped::new(cap) }
    }

    /// Takes a piece of the body.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        if let (Decoder::Undecided, Some(first)) = (&self.decoder, piece.first()) {
            // The low half of zlib's first byte is 8 (RFC 1950 section 2.2). Of raw data that would be a stored block whose
            // padding is not zero, which nobody writes.
            self.decoder = Decoder::Stream(Blocks::new(Stream::new(first & 0x0f == 8, WINDOW_BITS)));
        }
        match &mut self.decoder {
            Decoder::None => self.capped.write(piece),
            Decoder::Undecided => Ok(()),
            Decoder::Stream(blocks) => blocks.write(piece, &mut self.capped),
        }
    }

    /// The whole body.
    pub fn finish(mut self) -> Result<Vec<u8>, InflateError> {
        if let Decoder::Stream(blocks) = &mut self.decoder {
            blocks.finish(&mut self.capped)?;
        }
        Ok(self.capped.take())
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflate")
    }
}

#[cfg(test)]
mod tests;
