//! Collects a request body under a cap, a deadline, and a budget that all unfinished requests of a worker share.

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

/// The pieces in which any body may arrive, however short: more than a form that is typed by hand has bytes.
const FREE_PIECES: usize = 4096;

/// The least average size of the further pieces, in bytes. A chunk costs some 0.2 µs whatever its size, and six bytes on the
/// wire: a body of 1 MiB in chunks of one byte would cost 0.2 s.
const BYTES_A_PIECE: usize = 32;

/// The received bytes of a compressed body at which they are inflated to check the size, and dropped: this refuses a
/// gigabyte of zeros before most of it has arrived.
const PROBED_AT: usize = 16 * 1024;

/// Refuses a body whose announced length is over the cap, before it is read.
///
/// # Errors
///
/// [`BodyError::TooLarge`].
pub(crate) fn check_length(body: &RequestBody, cap: usize) -> Result<(), BodyError> {
    if body.announced() > cap as u64 { Err(BodyError::TooLarge) } else { Ok(()) }
}

/// The limits of a body.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The most bytes, before and after decompression.
    pub(crate) cap: usize,
    /// Its connection.
    pub(crate) activity: Rc<Activity>,
    /// The memory for it.
    pub(crate) budget: Budget,
    /// The bytes of the head that are held while the body arrives.
    pub(crate) head: usize,
}

/// A complete body.
#[derive(Debug)]
pub(crate) struct Body {
    /// The bytes, compressed until they are inflated.
    pub(crate) bytes: Bytes,
    coding: Coding,
    /// Its part of the budget; `None` if it arrived in one piece.
    holding: Option<Holding>,
}

impl Body {
    /// Inflates the body, if it is compressed, to at most `cap` bytes.
    ///
    /// # Errors
    ///
    /// It is damaged, inflates to more than `cap`, or the budget has no space for the inflated bytes.
    pub(crate) fn inflate(&mut self, cap: usize) -> Result<(), BodyError> {
        // No bytes are an empty body with any coding.
        if self.coding == Coding::Identity || self.bytes.is_empty() {
            return Ok(());
        }
        if let Some(holding) = &self.holding {
            // Before inflating, which takes the memory.
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

    /// As [`Body::inflate`], unless the body inflates to more than `limit` bytes: then it returns false, and leaves the body
    /// compressed.
    pub(crate) fn inflate_up_to(&mut self, limit: usize, limits: &Limits) -> Result<bool, BodyError> {
        match self.inflate(limit.min(limits.cap)) {
            Err(BodyError::TooLarge) if limit < limits.cap => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Holds memory of the budget from now on, for a body that has to wait.
    ///
    /// # Errors
    ///
    /// The budget has no space for it, or too much of it waits already.
    pub(crate) fn keep(&mut self, limits: &Limits) -> Result<(), BodyError> {
        if self.coding != Coding::Identity {
            // It may be a few bytes that keep a large buffer alive.
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
/// A compressed body is inflated when it is complete: a decoder takes 96 KiB, and its output up to a thousand times its
/// input. Peers that begin bodies and stop could otherwise make a worker hold both.
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
    /// True if there was no space for its head: the request is served only if the whole body has arrived already.
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

    /// Waits for the whole body. One that arrives in a single piece, as nearly all do, is not copied.
    ///
    /// # Errors
    ///
    /// See [`BodyError`].
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

    /// Takes the rest of the body, which is not needed any more.
    pub(crate) fn take_rest(&mut self) -> RequestBody {
        std::mem::replace(&mut self.body, RequestBody::none())
    }

    /// The limits of the body.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The received bytes, before decompression.
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

    /// Copies the first piece, which may be a few bytes that keep a large buffer alive.
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
            // A single piece is still in its buffer.
            Some(holding) if self.first.is_empty() => Bytes::from(holding.finish()?),
            Some(holding) => {
                holding.finish()?;
                std::mem::take(&mut self.first)
            }
            None => std::mem::take(&mut self.first),
        };
        Ok(Body { bytes, coding: self.coding, holding })
    }

    /// Waits until the body is late, or was refused to free memory for others. Until then it counts as unfinished.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        // An HTTP/1.1 connection has one request at a time, whose head is in its buffer; an HTTP/2 connection has 64.
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
