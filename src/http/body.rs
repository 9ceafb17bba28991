//! A request body, collected under a cap and a deadline.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use thiserror::Error;

use crate::http::deadline::{BodyGuard, Deadlines};

/// Why there is no body to read.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BodyError {
    /// It is longer than the cap.
    #[error("Request body too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("Request body not received in time")]
    Timeout,
    /// Its framing is wrong, or the peer left.
    #[error("Malformed request body")]
    Broken,
}

/// Refuses a body whose announced length is over the cap, before any of it is read.
pub fn check_length(body: &Incoming, cap: usize) -> Result<(), BodyError> {
    if body.size_hint().lower() > cap as u64 { Err(BodyError::TooLarge) } else { Ok(()) }
}

/// Collects a body. Its memory is bounded by the cap and one read of the transport.
#[derive(Debug)]
pub struct Collect {
    body: Incoming,
    first: Bytes,
    more: BytesMut,
    cap: usize,
    since: u32,
    deadlines: Rc<Deadlines>,
    guard: Option<BodyGuard>,
}

impl Collect {
    /// Collects at most `cap` bytes of a body that has been coming in since `since`.
    pub fn new(body: Incoming, cap: usize, since: u32, deadlines: Rc<Deadlines>) -> Self {
        Self { body, first: Bytes::new(), more: BytesMut::new(), cap, since, deadlines, guard: None }
    }

    /// The whole body; one that came in a single piece, as nearly all do, is not copied.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
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
            if self.first.len() + self.more.len() + data.len() > self.cap {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            if self.first.is_empty() && self.more.is_empty() {
                self.first = data;
            } else {
                let first = std::mem::take(&mut self.first);
                self.more.extend_from_slice(&first);
                self.more.extend_from_slice(&data);
            }
        }
        let whole = if self.more.is_empty() { std::mem::take(&mut self.first) } else { self.more.split().freeze() };
        Poll::Ready(Ok(whole))
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let guard = self.guard.get_or_insert_with(|| self.deadlines.watch_body(self.since));
        if guard.expired(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}
