//! Inflates compressed request bodies (RFC 9110 section 8.4) under a cap.
//!
//! A gigabyte of zeros deflates to a megabyte, so the cap applies to the output, and nothing is inflated past it. The cap
//! does not bound the work: a block of deflate may contain only two code tables, which are a few bytes long and take some
//! microseconds to build. So the blocks are counted. This needs zlib-rs, since flate2 does not stop between two blocks.

use std::fmt;

use thiserror::Error;
use zlib_rs::{Inflate as Stream, InflateFlush, Status};

use crate::conn::head::Field;

/// The size of the chunks in which the output is kept, in bytes.
const CHUNK: usize = 64 * 1024;

/// The largest window of deflate is 32 KiB, 15 bits.
const WINDOW_BITS: u8 = 15;

/// The bytes that are inflated at once.
const BUFFER: usize = 16 * 1024;

/// The fewest bytes that the decoder gets before the end. It stops at the end of a block or of its input, which cannot be
/// distinguished at the end of each input.
const PIECE: usize = 1024;

/// The most blocks of a body: zlib begins one every 16,383 symbols or 50 KiB of text, and an empty one with each flush. Some
/// empty blocks take 4 µs each.
const MAX_BLOCKS: u64 = 1024;

/// The most blocks in the bits that the decoder holds back.
const HELD_BLOCKS: u32 = 8;

/// The supported codings, for the answer to an unknown one.
pub(crate) const CODINGS: &str = "gzip, deflate";

/// A content coding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// No compression.
    Identity,
    /// RFC 1952, with one member: each further one would cost a new window, even if it is empty.
    Gzip,
    /// RFC 1950; or RFC 1951 alone, which some clients send as `deflate`.
    Deflate,
}

/// An unknown coding, or several codings.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("Content encoding not supported")]
pub struct UnknownCoding;

impl Coding {
    /// The coding that `Content-Encoding` names.
    ///
    /// # Errors
    ///
    /// The coding is unknown, or the field was sent twice.
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

/// The reason for which a body cannot be inflated.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InflateError {
    /// The output is larger than the cap.
    #[error("more than the cap")]
    TooLarge,
    /// It has more blocks than any compressor writes.
    #[error("too many blocks")]
    TooManyBlocks,
    /// It is damaged or truncated.
    #[error("damaged or cut")]
    Broken,
}

/// A body that is being inflated.
pub struct Inflate {
    decoder: Decoder,
    capped: Capped,
}

enum Decoder {
    /// No compression.
    None,
    /// `deflate`, before its first byte.
    Undecided,
    Stream(Box<Blocks>),
}

/// A stream of deflate, block by block.
struct Blocks {
    stream: Stream,
    /// Fewer than [`PIECE`] bytes that are not inflated yet.
    held: Vec<u8>,
    buffer: Vec<u8>,
    /// The blocks so far, and the ends of inputs that may have been ends of blocks.
    count: u64,
    ended: bool,
}

impl Blocks {
    fn new(stream: Stream) -> Box<Self> {
        Box::new(Self { stream, held: Vec::new(), buffer: vec![0; BUFFER], count: 0, ended: false })
    }

    /// Inflates `piece`, or holds it back until there are [`PIECE`] bytes.
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
            // The decoder may have read the bits of further blocks already.
            idle = if read + written == 0 { idle + 1 } else { 0 };
            if idle > HELD_BLOCKS {
                return Err(InflateError::Broken);
            }
        }
        if input.is_empty() { Ok(()) } else { Err(InflateError::Broken) }
    }
}

/// Bytes up to a cap, in chunks: a buffer that grows exists twice while it is moved, and a body that is refused at the cap
/// is never needed in one piece.
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
    /// Begins to inflate a body to at most `cap` bytes.
    pub fn new(coding: Coding, cap: usize) -> Self {
        let decoder = match coding {
            Coding::Identity => Decoder::None,
            // 16 more than the bits of the window select the gzip format.
            Coding::Gzip => Decoder::Stream(Blocks::new(Stream::new(true, 16 + WINDOW_BITS))),
            Coding::Deflate => Decoder::Undecided,
        };
        Self { decoder, capped: Capped::new(cap) }
    }

    /// Takes a piece of the body.
    ///
    /// # Errors
    ///
    /// See [`InflateError`].
    pub fn write(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        if let (Decoder::Undecided, Some(first)) = (&self.decoder, piece.first()) {
            // The low half of the first byte of zlib is 8 (RFC 1950 section 2.2). In raw data that is a stored block with
            // padding other than zero, which no compressor writes.
            self.decoder = Decoder::Stream(Blocks::new(Stream::new(first & 0x0f == 8, WINDOW_BITS)));
        }
        match &mut self.decoder {
            Decoder::None => self.capped.write(piece),
            Decoder::Undecided => Ok(()),
            Decoder::Stream(blocks) => blocks.write(piece, &mut self.capped),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// It is truncated or damaged.
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
