//! Compressed request bodies (RFC 9110 section 8.4), inflated under a cap.
//!
//! A gigabyte of zeros deflates to a megabyte, so the cap is on what comes out, and nothing is inflated past it.

use std::fmt;
use std::io::{self, Write};

use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, HeaderMap};
use thiserror::Error;

/// What a decoder takes beside its output, about, in bytes: its window and its buffer.
pub const DECODER_SIZE: usize = 96 * 1024;

/// The size of the chunks in which a large body is kept while it comes, in bytes.
const CHUNK: usize = 64 * 1024;

/// The codings that are understood, for an answer to one that is not.
pub const CODINGS: &str = "gzip, deflate";

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
    /// The coding of a request.
    pub fn of(headers: &HeaderMap) -> Result<Self, UnknownCoding> {
        let Some(coding) = headers.get(CONTENT_ENCODING) else { return Ok(Self::Identity) };
        if headers.get_all(CONTENT_ENCODING).iter().nth(1).is_some() {
            return Err(UnknownCoding);
        }
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
    /// It is damaged or cut.
    #[error("damaged or cut")]
    Broken,
}

/// A body that is being inflated.
pub struct Inflate {
    decoder: Decoder,
}

enum Decoder {
    Gzip(GzDecoder<Capped>),
    Zlib(ZlibDecoder<Capped>),
    Raw(DeflateDecoder<Capped>),
    /// Some `deflate`, of which nothing has come yet.
    Undecided(Capped),
    /// Nothing to decode.
    None(Capped),
}

/// Bytes up to a cap, in chunks: a buffer that grows is there twice while it is moved, and what is refused at the cap need
/// never have been in one piece.
struct Capped {
    chunks: Vec<Vec<u8>>,
    len: usize,
    cap: usize,
    full: bool,
}

impl Capped {
    fn new(cap: usize) -> Self {
        Self { chunks: Vec::new(), len: 0, cap, full: false }
    }

    fn take(&mut self) -> Vec<u8> {
        if self.chunks.len() > 1 { self.chunks.concat() } else { self.chunks.pop().unwrap_or_default() }
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.len + bytes.len() > self.cap {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.len += bytes.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() + bytes.len() <= CHUNK => last.extend_from_slice(bytes),
            _ => self.chunks.push(bytes.to_vec()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    /// Begins to inflate a body; at most `cap` bytes may come out.
    pub fn new(coding: Coding, cap: usize) -> Self {
        let capped = Capped::new(cap);
        let decoder = match coding {
            Coding::Identity => Decoder::None(capped),
            Coding::Gzip => Decoder::Gzip(GzDecoder::new(capped)),
            Coding::Deflate => Decoder::Undecided(capped),
        };
        Self { decoder }
    }

    /// Takes a piece of the body.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        if let Decoder::Undecided(capped) = &mut self.decoder
            && let Some(first) = piece.first()
        {
            let capped = Capped::new(capped.cap);
            // The low half of zlib's first byte is 8 (RFC 1950 section 2.2). Of raw data that would be a stored block whose
            // padding is not zero, which nobody writes.
            self.decoder = if first & 0x0f == 8 {
                Decoder::Zlib(ZlibDecoder::new(capped))
            } else {
                Decoder::Raw(DeflateDecoder::new(capped))
            };
        }
        let written = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.write_all(piece),
            Decoder::Zlib(decoder) => decoder.write_all(piece),
            Decoder::Raw(decoder) => decoder.write_all(piece),
            Decoder::None(capped) => capped.write_all(piece),
            Decoder::Undecided(_) => Ok(()),
        };
        written.map_err(|_| self.reason())
    }

    /// The whole body.
    pub fn finish(mut self) -> Result<Vec<u8>, InflateError> {
        let finished = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::Raw(decoder) => decoder.try_finish(),
            Decoder::Undecided(_) | Decoder::None(_) => Ok(()),
        };
        match finished {
            Ok(()) => Ok(self.capped().take()),
            Err(_) => Err(self.reason()),
        }
    }

    /// Bytes that it holds.
    pub fn size(&mut self) -> usize {
        DECODER_SIZE + self.capped().chunks.iter().map(Vec::capacity).sum::<usize>()
    }

    fn reason(&mut self) -> InflateError {
        if self.capped().full { InflateError::TooLarge } else { InflateError::Broken }
    }

    fn capped(&mut self) -> &mut Capped {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
            Decoder::Raw(decoder) => decoder.get_mut(),
            Decoder::Undecided(capped) | Decoder::None(capped) => capped,
        }
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflate")
    }
}
