//! Counts HTTP/2 frames that cost work but carry no request (RFC 9113 section 10.5).
//!
//! h2 answers PING and SETTINGS without limit, and accepts all PRIORITY, WINDOW_UPDATE and empty DATA frames. A browser
//! sends a handful of them per request; a flood is thousands. Only the 9-byte frame headers are parsed.

use std::collections::VecDeque;
use std::rc::Rc;

use thiserror::Error;

use crate::conn::deadlines::Deadlines;

/// The connection preface of the client (RFC 9113 section 3.4), which precedes the first frame.
const PREFACE_LEN: usize = 24;
const HEADER_LEN: usize = 9;

/// The most useless frames of a connection in any [`FRAME_WINDOW_TICKS`]. Browsers stay under 50 even on a busy page; at
/// this rate a flood costs under 1 % of a core.
const MAX_USELESS_FRAMES: usize = 1000;

/// The window of [`MAX_USELESS_FRAMES`], in ticks: ten seconds.
const FRAME_WINDOW_TICKS: u32 = 100;

/// The useless frames that each request excuses: many clients end a body with an empty DATA frame, and reply to an answer
/// with WINDOW_UPDATE.
const CREDIT: usize = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// Flag of HEADERS and CONTINUATION: no CONTINUATION follows.
const END_HEADERS: u8 = 4;

/// Flag of SETTINGS: the peer acknowledges ours.
const ACK: u8 = 1;

/// The bits of the stream in the last four bytes of a frame header (RFC 9113 section 4.1).
const STREAM_BITS: u32 = 0x7fff_ffff;

/// The most requests that a client begins before it has read our settings with the limit on streams. Browsers begin with
/// 100.
const MAX_EARLY_REQUESTS: u32 = 128;

/// Too many frames that carry no request.
#[derive(Debug, Error)]
#[error("HTTP/2 frame flood")]
pub struct FrameFlood;

/// Counts the frames of one connection.
#[derive(Debug)]
pub struct FrameMeter {
    /// Bytes to skip before the next frame header: the preface, then payloads.
    skip: usize,
    header: [u8; HEADER_LEN],
    have: usize,
    /// Counts of the current and the last tenth of the window, with their ticks. At most eleven entries.
    counts: VecDeque<(u32, usize)>,
    /// Useless frames that requests have excused; at most [`MAX_USELESS_FRAMES`].
    credit: usize,
    /// The tick at which the incomplete frame, or block of HEADERS and CONTINUATION, at the end of the received bytes began.
    incomplete_since: Option<u32>,
    /// The received bytes of that frame.
    incomplete_bytes: usize,
    /// True from a HEADERS frame without END_HEADERS to the CONTINUATION frame with it.
    in_block: bool,
    /// True while a frame of such a block is complete, and the block is not.
    has_part: bool,
    /// The highest stream so far: HEADERS of a lower or equal one are trailers.
    last_stream: u32,
    /// The requests that may still begin before the peer has acknowledged our settings; 0 from then on.
    early_requests: u32,
    /// True for a frame that is no part of a head.
    is_other: bool,
    deadlines: Rc<Deadlines>,
}

/// A frame that is admitted before its payload may be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// A head that begins a request, of a peer that knows the limit on streams.
    Request,
    /// Another head: trailers, or of a peer that does not know the limit yet.
    OtherHead,
    /// A piece of a body.
    Data,
}

/// The partial frame at the end of the received bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Incomplete {
    /// The tick at which it began.
    pub since: u32,
    /// The received bytes of the frame.
    pub bytes: usize,
    /// True if a part of a head was decoded already, and the rest is in further frames.
    pub head: bool,
    /// True if it is no part of a head or of the preface: the deadline of its request may come first.
    pub is_other: bool,
}

impl FrameMeter {
    /// A meter for a connection that has sent nothing yet.
    pub fn new(deadlines: Rc<Deadlines>) -> Self {
        Self {
            skip: PREFACE_LEN,
            header: [0; HEADER_LEN],
            have: 0,
            counts: VecDeque::new(),
            credit: 0,
            incomplete_since: Some(deadlines.now()),
            incomplete_bytes: 0,
            in_block: false,
            has_part: false,
            last_stream: 0,
            early_requests: MAX_EARLY_REQUESTS,
            is_other: false,
            deadlines,
        }
    }

    /// The partial frame at the end of the received bytes; `None` if they end with a frame. The preface counts as a frame.
    pub fn incomplete(&self) -> Option<Incomplete> {
        let (bytes, head, is_other) = (self.incomplete_bytes, self.has_part, self.is_other);
        self.incomplete_since.map(|since| Incomplete { since, bytes, head, is_other })
    }

    /// Counts the frames that begin in `all`, up to the payload of the first one for which `admit` returns false. Returns
    /// the number of these bytes; the rest is for a later call.
    ///
    /// # Errors
    ///
    /// There are too many useless frames.
    pub fn count(&mut self, all: &[u8], mut admit: impl FnMut(Admission) -> bool) -> Result<usize, FrameFlood> {
        let mut bytes = all;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                self.incomplete_bytes += skipped;
                bytes = &bytes[skipped..];
                self.note_end();
                continue;
            }
            if self.have == 0 {
                self.incomplete_bytes = 0;
                self.incomplete_since.get_or_insert(self.deadlines.now());
            }
            let taken = (HEADER_LEN - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            self.incomplete_bytes += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_LEN && !self.begin_frame(&mut admit)? {
                return Ok(all.len() - bytes.len());
            }
        }
        Ok(all.len())
    }

    /// Reads the complete header of a frame. Returns false if its payload may not be read yet.
    fn begin_frame(&mut self, admit: &mut impl FnMut(Admission) -> bool) -> Result<bool, FrameFlood> {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.have = 0;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.is_other = !matches!(kind, HEADERS | CONTINUATION);
        if !self.is_other {
            self.in_block = flags & END_HEADERS == 0;
        }
        if kind == SETTINGS && flags & ACK != 0 {
            self.early_requests = 0;
        }
        self.note_end();
        let useful = match kind {
            HEADERS => {
                self.credit = MAX_USELESS_FRAMES.min(self.credit + CREDIT);
                let stream = u32::from_be_bytes(stream) & STREAM_BITS;
                let is_request = stream > self.last_stream;
                self.last_stream = self.last_stream.max(stream);
                let is_early = self.early_requests > 0;
                self.early_requests = self.early_requests.saturating_sub(1);
                return Ok(admit(if is_request && !is_early { Admission::Request } else { Admission::OtherHead }));
            }
            DATA if self.skip > 0 => return Ok(admit(Admission::Data)),
            DATA | CONTINUATION => self.skip > 0,
            // No request excuses one: a peer could begin and cancel the same work again and again (CVE-2023-44487).
            RST_STREAM => {
                self.count_useless()?;
                true
            }
            _ => false,
        };
        if !useful {
            self.useless()?;
        }
        Ok(true)
    }

    /// Notes that a frame is complete, if it is.
    fn note_end(&mut self) {
        if self.skip == 0 && self.have == 0 {
            self.has_part = self.in_block;
            if !self.in_block {
                self.incomplete_since = None;
            }
        }
    }

    fn useless(&mut self) -> Result<(), FrameFlood> {
        if self.credit > 0 {
            self.credit -= 1;
            return Ok(());
        }
        self.count_useless()
    }

    fn count_useless(&mut self) -> Result<(), FrameFlood> {
        let slot = self.deadlines.now() / (FRAME_WINDOW_TICKS / 10);
        match self.counts.back_mut() {
            Some((last, count)) if *last == slot => *count += 1,
            _ => self.counts.push_back((slot, 1)),
        }
        while self.counts.front().is_some_and(|(first, _)| slot.wrapping_sub(*first) > 10) {
            self.counts.pop_front();
        }
        if self.counts.iter().map(|(_, count)| count).sum::<usize>() > MAX_USELESS_FRAMES {
            Err(FrameFlood)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
