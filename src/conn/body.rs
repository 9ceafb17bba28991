//! A request body, collected under a cap, a deadline, and a budget that all unfinished requests of a worker share.

mod error;

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::conn::activity::Activity;
use crate::conn::budget::{Budget, Holding, NoSpace};
use crate::conn::deadlines::BodyGuard;
use crate::conn::inflate::{Coding, Inflate};
use crate::conn::request_body::{BodyBroken, RequestBody};

pub(crate) use crate::conn::body::error::BodyError;

/// Pieces in which any body may come, however short: more than a form has bytes that is sent by hand.
const FREE_PIECES: usize = 4096;

/// Bytes that each further piece must have on average. A chunk costs some 0.2 µs whatever it holds, and six bytes on the
/// wire: a body of 1 MiB in chunks of one byte would cost 0.2 s.
const BYTES_A_PIECE: usize = 32;

/// Bytes of a compressed body at which its beginning is inflated to look at its size, and forgotten: a gigabyte of zeros is
/// then refused before most of it has come.
const PROBED_AT: usize = 16 * 1024;

/// Refuses a body whose announced length is over the cap, before any of it is read.
pub(crate) fn check_length(body: &RequestBody, cap: usize) -> Result<(), BodyError> {
    if body.announced() > cap as u64 { Err(BodyError::TooLarge) } else { Ok(()) }
}

/// What bounds a body.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The most bytes, as they come and inflated.
    pub(crate) cap: usize,
    /// Its connection.
    pub(crate) activity: Rc<Activity>,
    /// The memory for it.
    pub(crate) budget: Budget,
    /// Bytes that are held of the request's head while the body comes.
    pub(crate) head: usize,
}

/// A body that came whole.
#[derive(Debug)]
pub(crate) struct Body {
    /// The bytes as they came, until they are inflated.
    pub(crate) bytes: Bytes,
    coding: Coding,
    /// What it holds of the budget, if it did not come in one piece.
    holding: Option<Holding>,
}

impl Body {
    /// Inflates the body, if it is compressed. At most `cap` bytes may come out.
    ///
    /// # Errors
    ///
    /// It is damaged, or comes to more than `cap`, or the budget has no space for what comes out.
    pub(crate) fn inflate(&mut self, cap: usize) -> Result<(), BodyError> {
        // No bytes are an empty body in any coding.
        if self.coding == Coding::Identity || self.bytes.is_empty() {
            return Ok(());
        }
        if let Some(holding) = &self.holding {
            // Before it is there, since it is what takes the memory.
            holding.replaced_by(self.bytes.len() + cap)?;
        }
        let mut inflate = Inflate::new(self.coding, cap);
        inflate.write(&self.bytes)?;
        let inflated = inflate.finish()?;
        if let Some(holding) = &self.holding {
            holding.replaced_by(inflated.capacity())?;
        }
        (self.bytes, self.coding) = (Bytes::from(inflated), Coding::Identity);
        Ok(())
    }

    /// As [`Body::inflate`], if no more than `limit` bytes come out. Returns false, and leaves the body as it is, if it is
    /// more.
    pub(crate) fn inflate_up_to(&mut self, limit: usize, limits: &Limits) -> Result<bool, BodyError> {
        match self.inflate(limit.min(limits.cap)) {
            Err(BodyError::TooLarge) if limit < limits.cap => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Holds memory of the budget from now on, for a body that is not used at once.
    ///
    /// # Errors
    ///
    /// The budget has no space for it, or too much of it waits already.
    pub(crate) fn keep(&mut self, limits: &Limits) -> Result<(), BodyError> {
        if self.coding != Coding::Identity {
            // It may be a few bytes of a large buffer.
            self.bytes = Bytes::copy_from_slice(&self.bytes);
        }
        let holding = match self.holding.take() {
            Some(holding) => holding,
            None => limits.budget.hold(limits.activity.share(), limits.head)?,
        };
        holding.finish()?;
        holding.replaced_by(self.bytes.len())?;
        holding.wait()?;
        self.holding = Some(holding);
        Ok(())
    }
}

/// Collects a body. Its memory is bounded by the cap and one read of the transport.
///
/// A compressed body is inflated when it is complete: a decoder takes 96 KiB, and what comes out of it up to a thousand times
/// what went in, which a peer that begins and stops could make a worker hold.
#[derive(Debug)]
pub(crate) struct Collect {
    body: RequestBody,
    first: Bytes,
    coding: Coding,
    /// The announced length, or the most that the body may have.
    expected: usize,
    length: usize,
    pieces: usize,
    limits: Limits,
    holding: Option<Holding>,
    /// There was no space for its head. It is served only if the whole body is there already.
    is_crowded_out: bool,
    guard: Option<BodyGuard>,
}

impl Collect {
    /// Collects a body within its limits.
    #[inline(always)]
    pub(crate) fn new(body: RequestBody, coding: Coding, limits: Limits) -> Self {
        let expected = match body.announced() {
            0 => limits.cap,
            announced => limits.cap.min(announced as usize),
        };
        let mut collect = Self {
            body,
            first: Bytes::new(),
            coding,
            expected,
            length: 0,
            pieces: 0,
            limits,
            holding: None,
            is_crowded_out: false,
            guard: None,
        };
        if collect.body.is_http2() && !collect.body.is_complete() {
            // The heads of many connections are read before the tasks of their requests run.
            collect.is_crowded_out = collect.hold().is_err();
        }
        collect
    }

    /// The whole body; one that came in a single piece, as nearly all do, is not copied.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, BodyError>> {
        while !self.body.is_complete() {
            let Poll::Ready(piece) = self.body.poll_piece(cx) else {
                let error = ready!(self.poll_refused(cx));
                return Poll::Ready(Err(error));
            };
            let Some(piece) = piece else { break };
            let piece = match piece {
                Ok(piece) => piece,
                Err(BodyBroken::Framing) => return Poll::Ready(Err(BodyError::Broken)),
                Err(BodyBroken::Left) => return Poll::Ready(Err(BodyError::Left)),
                Err(BodyBroken::Closed) => return Poll::Ready(Err(BodyError::Crowded)),
            };
            if let Err(error) = self.take(piece) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(self.finish())
    }

    /// The rest of the body, which is not wanted any more.
    pub(crate) fn take_rest(&mut self) -> RequestBody {
        std::mem::replace(&mut self.body, RequestBody::none())
    }

    /// What bounds the body.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that have come, as they came.
    pub(crate) fn received(&self) -> usize {
        self.length
    }

    fn take(&mut self, piece: Bytes) -> Result<(), BodyError> {
        self.length += piece.len();
        self.pieces += 1;
        if self.length > self.limits.cap {
            return Err(BodyError::TooLarge);
        }
        if self.pieces > FREE_PIECES + self.length / BYTES_A_PIECE {
            return Err(BodyError::Fragmented);
        }
        if self.length == piece.len() {
            self.first = piece;
            return Ok(());
        }
        if self.is_crowded_out {
            return Err(BodyError::Crowded);
        }
        self.copy_first()?;
        let expected = self.expected;
        let holding = self.hold()?;
        holding.append(&piece, expected)?;
        let before = self.length - piece.len();
        if self.coding != Coding::Identity && (before..self.length).contains(&PROBED_AT) {
            let (coding, cap) = (self.coding, self.limits.cap);
            self.hold()?.look(|content| Inflate::new(coding, cap).write(content))?;
        }
        Ok(())
    }

    /// Counts the request as unfinished from now on.
    fn hold(&mut self) -> Result<&Holding, NoSpace> {
        if self.holding.is_none() {
            self.holding = Some(self.limits.budget.hold(self.limits.activity.share(), self.limits.head)?);
        }
        self.holding.as_ref().ok_or(NoSpace)
    }

    /// Copies the first piece, which may be a few bytes of a large buffer.
    fn copy_first(&mut self) -> Result<(), NoSpace> {
        if self.first.is_empty() {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        let expected = self.expected;
        self.hold()?.append(&first, expected)
    }

    fn finish(&mut self) -> Result<Body, BodyError> {
        self.limits.activity.end_body();
        let holding = self.holding.take();
        let bytes = match &holding {
            // What came in one piece is still where it came.
            Some(holding) if self.first.is_empty() => Bytes::from(holding.finish()?),
            Some(holding) => {
                holding.finish()?;
                std::mem::take(&mut self.first)
            }
            None => std::mem::take(&mut self.first),
        };
        Ok(Body { bytes, coding: self.coding, holding })
    }

    /// Waits until the body is late, or was refused to make space for others. Until then it counts as unfinished.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        // A connection that speaks HTTP/1.1 has one request at a time, whose head lies in its buffer; of HTTP/2 there are 64.
        let counts = self.body.is_http2() || !self.first.is_empty();
        if self.is_crowded_out || counts && (self.hold().is_err() || self.copy_first().is_err()) {
            return Poll::Ready(BodyError::Crowded);
        }
        if self.holding.as_ref().is_some_and(|holding| holding.is_refused(cx)) {
            return Poll::Ready(BodyError::Crowded);
        }
        let guard = self.guard.get_or_insert_with(|| self.limits.activity.deadlines().watch_body(self.body.since()));
        if guard.expired(cx) { Poll::Ready(BodyError::Timeout) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests;
