//! A request body, collected under a cap, a deadline, and a budget that all bodies of a worker share.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use thiserror::Error;

use crate::http::deadline::{BodyGuard, Deadlines};
use crate::http::inflate::{Coding, DECODER_SIZE, Inflate, InflateError};

/// Bytes that the bodies of a worker's requests may take together while they come in, as their buffers grow: some 40 to 64
/// of the largest batches. Without
/// this bound, 10,000 connections that each send all but the last byte of a batch would hold 10 GB.
const MAX_BODIES: usize = 64 * 1024 * 1024;

/// Why there is no body to read.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BodyError {
    /// It is longer than the cap, as it comes or inflated.
    #[error("Request body too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("Request body not received in time")]
    Timeout,
    /// Its framing is wrong, or the peer left.
    #[error("Malformed request body")]
    Broken,
    /// It is not what its Content-Encoding says.
    #[error("Malformed compressed body")]
    Encoding,
    /// The bodies of other requests take all the room.
    #[error("Too many requests under way")]
    Crowded,
}

impl From<InflateError> for BodyError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge => Self::TooLarge,
            InflateError::Broken => Self::Encoding,
        }
    }
}

/// Refuses a body whose announced length is over the cap, before any of it is read.
pub fn check_length(body: &Incoming, cap: usize) -> Result<(), BodyError> {
    if body.size_hint().lower() > cap as u64 { Err(BodyError::TooLarge) } else { Ok(()) }
}

/// The room that a worker has for bodies.
#[derive(Clone, Debug, Default)]
pub struct Budget(Rc<Cell<usize>>);

/// A part of the budget, given back when dropped.
#[derive(Debug)]
struct Share {
    budget: Budget,
    size: usize,
}

impl Share {
    /// Makes the share as large as it has to be.
    fn resize(&mut self, size: usize) -> Result<(), BodyError> {
        let total = self.budget.0.get() - self.size + size;
        if total > MAX_BODIES {
            return Err(BodyError::Crowded);
        }
        self.budget.0.set(total);
        self.size = size;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() - self.size);
    }
}

/// What bounds a body.
#[derive(Debug)]
pub struct Limits {
    /// The most bytes, as they come and inflated.
    pub cap: usize,
    /// The tick at which the request began.
    pub since: u32,
    /// The clock.
    pub deadlines: Rc<Deadlines>,
    /// The room for it.
    pub budget: Budget,
}

/// A body that came whole, with its share of the budget.
#[derive(Debug)]
pub struct Body {
    /// The bytes, inflated.
    pub bytes: Bytes,
    _share: Option<Share>,
}

/// Collects a body. Its memory is bounded by the cap and one read of the transport.
#[derive(Debug)]
pub struct Collect {
    body: Incoming,
    first: Bytes,
    more: BytesMut,
    coding: Coding,
    inflate: Option<Box<Inflate>>,
    length: usize,
    limits: Limits,
    share: Option<Share>,
    guard: Option<BodyGuard>,
}

impl Collect {
    /// Collects a body within its limits.
    pub fn new(body: Incoming, coding: Coding, limits: Limits) -> Self {
        Self {
            body,
            first: Bytes::new(),
            more: BytesMut::new(),
            coding,
            inflate: None,
            length: 0,
            limits,
            share: None,
            guard: None,
        }
    }

    /// The whole body; one that came in a single piece, as nearly all do, is not copied.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, BodyError>> {
        while !self.body.is_end_stream() {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.poll_expired(cx));
                    return Poll::Ready(Err(BodyError::Timeout));
                }
            };
            let Some(frame) = frame else { break };
            let Ok(frame) = frame else { return Poll::Ready(Err(BodyError::Broken)) };
            // Trailers are of no use here.
            let Ok(data) = frame.into_data() else { continue };
            if let Err(error) = self.take(data) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(self.finish())
    }

    /// Bytes that have come, as they came.
    pub fn received(&self) -> usize {
        self.length
    }

    fn take(&mut self, data: Bytes) -> Result<(), BodyError> {
        self.length += data.len();
        if self.length > self.limits.cap {
            return Err(BodyError::TooLarge);
        }
        if self.coding != Coding::Identity {
            return self.inflate(&data);
        }
        if self.first.is_empty() && self.more.is_empty() {
            self.first = data;
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        self.more.extend_from_slice(&first);
        self.more.extend_from_slice(&data);
        self.account(self.more.capacity())
    }

    /// A decoder is made when there is something for it, and room: heads alone must not fill the memory with them.
    fn inflate(&mut self, data: &[u8]) -> Result<(), BodyError> {
        if data.is_empty() {
            return Ok(());
        }
        if self.inflate.is_none() {
            self.account(DECODER_SIZE)?;
        }
        let (coding, cap) = (self.coding, self.limits.cap);
        let inflate = self.inflate.get_or_insert_with(|| Box::new(Inflate::new(coding, cap)));
        inflate.write(data)?;
        let size = inflate.size();
        self.account(size)
    }

    /// Takes `size` bytes of the budget in all.
    fn account(&mut self, size: usize) -> Result<(), BodyError> {
        let budget = &self.limits.budget;
        self.share.get_or_insert_with(|| Share { budget: budget.clone(), size: 0 }).resize(size)
    }

    fn finish(&mut self) -> Result<Body, BodyError> {
        let bytes = match self.inflate.take() {
            // No bytes are an empty body in any coding: then there is no decoder.
            Some(inflate) => Bytes::from(inflate.finish()?),
            None if self.more.is_empty() => std::mem::take(&mut self.first),
            None => self.more.split().freeze(),
        };
        Ok(Body { bytes, _share: self.share.take() })
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let guard = self.guard.get_or_insert_with(|| self.limits.deadlines.watch_body(self.limits.since));
        if guard.expired(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}
