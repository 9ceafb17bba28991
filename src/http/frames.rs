//! HTTP/2 frames that cost work but carry no request, counted (RFC 9113 section 10.5).
//!
//! hyper answers PING and SETTINGS without limit, and h2 takes PRIORITY, WINDOW_UPDATE and empty DATA as they come. A
//! browser sends a handful of them for each request; a flood is thousands. Only the 9-byte frame headers are looked at.

use std::collections::VecDeque;
use std::rc::Rc;

use thiserror::Error;

use crate::http::deadline::Deadlines;

/// The client's connection preface (RFC 9113 section 3.4), which comes before the first frame.
const PREFACE_LEN: usize = 24;
const HEADER_LEN: usize = 9;

/// Frames without use that a connection may send in any [`WINDOW`]. Browsers stay under 50 even on a busy page; at this
/// rate a flood costs under 1 % of a core.
const MOST: usize = 1000;

/// Ticks in which [`MOST`] may come: ten seconds.
const WINDOW: u32 = 100;

/// Frames without use that each request makes up for: many clients end a body with an empty DATA, and answer what they
/// get with WINDOW_UPDATE.
const CREDIT: usize = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

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
    /// Frames without use that requests have made up for; never more than [`MOST`].
    credit: usize,
    deadlines: Rc<Deadlines>,
}

impl FrameMeter {
    /// A meter for a connection that has sent nothing yet.
    pub fn new(deadlines: Rc<Deadlines>) -> Self {
        Self { skip: PREFACE_LEN, header: [0; HEADER_LEN], have: 0, counts: VecDeque::new(), credit: 0, deadlines }
    }

    /// Counts the frames that begin in `bytes`, up to the payload of the first HEADERS for which `admit` says no. Returns how
    /// many bytes that is; what follows is for a later call.
    pub fn count(&mut self, all: &[u8], mut admit: impl FnMut() -> bool) -> Result<usize, FrameFlood> {
        let mut bytes = all;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER_LEN - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_LEN {
                self.have = 0;
                self.skip =
                    usize::from(self.header[0]) << 16 | usize::from(self.header[1]) << 8 | usize::from(self.header[2]);
                let useful = match self.header[3] {
                    HEADERS => {
                        self.credit = MOST.min(self.credit + CREDIT);
                        if !admit() {
                            return Ok(all.len() - bytes.len());
                        }
                        true
                    }
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
            }
        }
        Ok(all.len())
    }

    fn useless(&mut self) -> Result<(), FrameFlood> {
        if self.credit > 0 {
            self.credit -= 1;
            return Ok(());
        }
        self.count_useless()
    }

    fn count_useless(&mut self) -> Result<(), FrameFlood> {
        let slot = self.deadlines.now() / (WINDOW / 10);
        match self.counts.back_mut() {
            Some((last, count)) if *last == slot => *count += 1,
            _ => self.counts.push_back((slot, 1)),
        }
        while self.counts.front().is_some_and(|(first, _)| slot.wrapping_sub(*first) > 10) {
            self.counts.pop_front();
        }
        if self.counts.iter().map(|(_, count)| count).sum::<usize>() > MOST { Err(FrameFlood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use std::sync::Arc;

    fn meter() -> (FrameMeter, Rc<Deadlines>) {
        let timeouts = Timeouts { read: None, write: None, idle: None };
        let deadlines = Rc::new(Deadlines::new(&timeouts, Arc::default()));
        let mut meter = FrameMeter::new(Rc::clone(&deadlines));
        meter.count(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", || true).expect("the preface is no frame");
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
                let flood: Vec<u8> = frame(kind, payload).repeat(MOST + 1);
                let noticed = flood.chunks(size).any(|chunk| meter.count(chunk, || true).is_err());
                assert!(noticed, "frame {kind} in pieces of {size}");
            }
        }
    }

    #[test]
    fn requests_that_are_reset_are_a_flood() {
        let (mut meter, _) = meter();
        let reset = [frame(HEADERS, 40), frame(RST_STREAM, 4)].concat();
        let noticed = (0..=MOST).position(|_| meter.count(&reset, || true).is_err());
        assert_eq!(noticed, Some(MOST));
    }

    #[test]
    fn requests_are_no_flood() {
        let (mut meter, _) = meter();
        for _ in 0..10 * MOST {
            meter.count(&frame(HEADERS, 40), || true).expect("a request");
            meter.count(&frame(DATA, 7), || true).expect("its body");
            meter.count(&frame(DATA, 0), || true).expect("its end");
            meter.count(&frame(8, 4), || true).expect("a window update for the answer");
        }
    }

    #[test]
    fn a_steady_trickle_is_no_flood() {
        let (mut meter, deadlines) = meter();
        for _ in 0..20 * WINDOW {
            for _ in 0..5 {
                meter.count(&frame(6, 8), || true).expect("50 pings a second");
            }
            deadlines.sweep();
        }
    }

    #[test]
    fn a_head_that_is_not_admitted_waits_behind_its_frame_header() {
        let (mut meter, _) = meter();
        let both = [frame(HEADERS, 40), frame(DATA, 7), frame(HEADERS, 30), frame(DATA, 7)].concat();
        let mut admitted = 0;
        let mut once = || {
            admitted += 1;
            admitted <= 1
        };
        let taken = meter.count(&both, &mut once).expect("no flood");
        assert_eq!(taken, 49 + 16 + 9);
        assert_eq!(meter.count(&both[taken..], || panic!("no head begins here")).expect("no flood"), 30 + 16);
    }
}
