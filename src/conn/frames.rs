//! HTTP/2 frames that cost work but carry no request, counted (RFC 9113 section 10.5).
//!
//! hyper answers PING and SETTINGS without limit, and h2 takes PRIORITY, WINDOW_UPDATE and empty DATA as they come. A
//! browser sends a handful of them for each request; a flood is thousands. Only the 9-byte frame headers are looked at.

use std::collections::VecDeque;
use std::rc::Rc;

use thiserror::Error;

use crate::conn::deadlines::Deadlines;

/// The client's connection preface (RFC 9113 section 3.4), which comes before the first frame.
const PREFACE_LEN: usize = 24;
const HEADER_LEN: usize = 9;

/// Frames without use that a connection may send in any [`FRAME_WINDOW_TICKS`]. Browsers stay under 50 even on a busy page; at this
/// rate a flood costs under 1 % of a core.
const MAX_USELESS_FRAMES: usize = 1000;

/// Ticks in which [`MAX_USELESS_FRAMES`] may come: ten seconds.
const FRAME_WINDOW_TICKS: u32 = 100;

/// Frames without use that each request makes up for: many clients end a body with an empty DATA, and answer what they
/// get with WINDOW_UPDATE.
const CREDIT: usize = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// Flag of HEADERS and CONTINUATION: no CONTINUATION follows.
const END_HEADERS: u8 = 4;

/// Flag of SETTINGS: the peer follows ours.
const ACK: u8 = 1;

/// The bits of a frame header's last four bytes that are the stream (RFC 9113 section 4.1).
const STREAM_BITS: u32 = 0x7fff_ffff;

/// Requests that a client may begin before it has read our settings, and so the limit on streams. Browsers begin with 100.
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
    /// Frames without use that requests have made up for; never more than [`MAX_USELESS_FRAMES`].
    credit: usize,
    /// Since when the frame, or the block of HEADERS and CONTINUATION, is incomplete that the bytes so far end with.
    incomplete_since: Option<u32>,
    /// Bytes of that frame so far.
    incomplete_bytes: usize,
    /// True from a HEADERS without END_HEADERS to the CONTINUATION that has it.
    in_block: bool,
    /// True while a part of such a block is complete, and the block is not.
    has_part: bool,
    /// The highest stream so far: HEADERS of a lower one are trailers.
    last_stream: u32,
    /// Requests that may still begin before the peer has acknowledged our settings; 0 from then on.
    early_requests: u32,
    /// True for a frame that is no part of a head.
    is_other: bool,
    deadlines: Rc<Deadlines>,
}

/// A frame that is admitted before its payload may be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// A head that begins a request, of a peer that knows how many it may begin.
    Request,
    /// Another head: of trailers, or of a peer that does not know that yet.
    OtherHead,
    /// A piece of a body.
    Data,
}

/// What the bytes so far end with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Incomplete {
    /// The tick at which it began.
    pub since: u32,
    /// Bytes of the frame that came.
    pub bytes: usize,
    /// True if a part of a head was decoded already: the rest is in frames to come.
    pub head: bool,
    /// True if it is no part of a head or of the preface: a request's own deadline may come first.
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

    /// What the bytes so far end with, if it is not the end of a frame. The client's preface counts as a frame.
    pub fn incomplete(&self) -> Option<Incomplete> {
        let (bytes, head, is_other) = (self.incomplete_bytes, self.has_part, self.is_other);
        self.incomplete_since.map(|since| Incomplete { since, bytes, head, is_other })
    }

    /// Counts the frames that begin in `bytes`, up to the payload of the first one for which `admit` says no. Returns how many
    /// bytes that is; what follows is for a later call.
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

    /// The header of a frame is complete. Returns false if its payload may not be read yet.
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
            // No request makes up for one: it begins and ends the same work again and again (CVE-2023-44487).
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
mod tests {
    use super::*;
    use crate::conn::deadlines::Timeouts;
    use std::sync::Arc;

    fn meter() -> (FrameMeter, Rc<Deadlines>) {
        let timeouts = Timeouts { read: None, write: None, idle: None };
        let deadlines = Rc::new(Deadlines::new(&timeouts, Arc::default()));
        let mut meter = FrameMeter::new(Rc::clone(&deadlines));
        meter.count(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", |_| true).expect("the preface is no frame");
        (meter, deadlines)
    }

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(0xff, payload));
        frame
    }

    #[test]
    fn floods_are_noticed_however_they_are_cut() {
        for (kind, payload) in [(6, 8), (4, 0), (3, 4), (8, 4), (2, 5), (0, 0), (9, 0), (42, 3)] {
            for size in [1, 7, 9, 4096] {
                let (mut meter, _) = meter();
                let flood: Vec<u8> = frame(kind, payload).repeat(MAX_USELESS_FRAMES + 1);
                let noticed = flood.chunks(size).any(|chunk| meter.count(chunk, |_| true).is_err());
                assert!(noticed, "frame {kind} in pieces of {size}");
            }
        }
    }

    #[test]
    fn requests_that_are_reset_are_a_flood() {
        let (mut meter, _) = meter();
        let reset = [frame(HEADERS, 40), frame(RST_STREAM, 4)].concat();
        let noticed = (0..=MAX_USELESS_FRAMES).position(|_| meter.count(&reset, |_| true).is_err());
        assert_eq!(noticed, Some(MAX_USELESS_FRAMES));
    }

    #[test]
    fn requests_are_no_flood() {
        let (mut meter, _) = meter();
        for _ in 0..10 * MAX_USELESS_FRAMES {
            meter.count(&frame(HEADERS, 40), |_| true).expect("a request");
            meter.count(&frame(DATA, 7), |_| true).expect("its body");
            meter.count(&frame(DATA, 0), |_| true).expect("its end");
            meter.count(&frame(8, 4), |_| true).expect("a window update for the answer");
        }
    }

    #[test]
    fn a_steady_trickle_is_no_flood() {
        let (mut meter, deadlines) = meter();
        for _ in 0..20 * FRAME_WINDOW_TICKS {
            for _ in 0..5 {
                meter.count(&frame(6, 8), |_| true).expect("50 pings a second");
            }
            deadlines.sweep();
        }
    }

    #[test]
    fn what_is_incomplete_is_known_however_it_is_cut() {
        let part = |kind: u8, flags: u8| {
            let mut frame = frame(kind, 20);
            frame[4] = flags;
            frame
        };
        let block = [part(HEADERS, 0), part(CONTINUATION, 0), part(CONTINUATION, END_HEADERS)].concat();
        let all = [part(HEADERS, END_HEADERS), block].concat();
        for size in 1..=all.len() {
            let (mut meter, _) = meter();
            assert_eq!(meter.incomplete(), None);
            let mut end = 0;
            for chunk in all.chunks(size) {
                meter.count(chunk, |_| true).expect("no flood");
                end += chunk.len();
                let bytes = (end - 1) % 29 + 1;
                let expected = (end != 29 && end != all.len()).then_some((bytes, end >= 58));
                let found = meter.incomplete().map(|found| (found.bytes, found.head));
                assert_eq!(found, expected, "{end} bytes in pieces of {size}");
            }
        }
    }

    #[test]
    fn heads_are_requests_but_trailers_and_early_ones() {
        let (mut meter, _) = meter();
        let head = |stream: u32| {
            let mut frame = frame(HEADERS, 3);
            frame[4] = END_HEADERS;
            frame[5..9].copy_from_slice(&stream.to_be_bytes());
            frame
        };
        let mut requests = Vec::new();
        let mut count = |bytes: Vec<u8>| {
            meter.count(&bytes, |frame| {
                requests.push(frame == Admission::Request);
                true
            })
        };
        count(head(1)).expect("before the settings are known");
        count(vec![0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]).expect("an acknowledgement");
        // The highest bit is reserved, and no part of the number.
        for bytes in [head(3), head(0x8000_0005), head(7), head(3)] {
            count(bytes).expect("no flood");
        }
        assert_eq!(requests, [false, true, true, true, false]);
    }

    #[test]
    fn a_frame_is_incomplete_since_its_first_byte() {
        let (mut meter, deadlines) = meter();
        let ping = frame(6, 8);
        meter.count(&ping[..3], |_| true).expect("no flood");
        deadlines.sweep();
        meter.count(&ping[3..10], |_| true).expect("no flood");
        assert_eq!(meter.incomplete().map(|found| found.since), Some(0));
        meter.count(&[&ping[10..], &ping[..1]].concat(), |_| true).expect("no flood");
        assert_eq!(meter.incomplete().map(|found| found.since), Some(1));
    }

    #[test]
    fn a_head_that_is_not_admitted_waits_behind_its_frame_header() {
        let (mut meter, _) = meter();
        let both = [frame(HEADERS, 40), frame(DATA, 7), frame(HEADERS, 30), frame(DATA, 7)].concat();
        let mut admitted = 0;
        let mut once = |frame| {
            admitted += usize::from(frame != Admission::Data);
            admitted <= 1
        };
        let taken = meter.count(&both, &mut once).expect("no flood");
        assert_eq!(taken, 49 + 16 + 9);
        assert_eq!(meter.count(&both[taken..], |frame| frame == Admission::Data).expect("no flood"), 30 + 16);
    }
}
