//! The body of a request, of either protocol.

use std::cell::Cell;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use thiserror::Error;

/// The reason for which a body ends early.
#[derive(Clone, Copy, Debug, Error)]
pub(crate) enum BodyBroken {
    /// Its framing or its length is wrong.
    #[error("the framing of the request body is broken")]
    Framing,
    /// The peer closed, or cancelled the request.
    #[error("the peer left within the request body")]
    Left,
    /// The server closed the connection, since its requests took too much memory.
    #[error("the connection was closed to make space for others")]
    Closed,
}

impl From<hyper::Error> for BodyBroken {
    fn from(error: hyper::Error) -> Self {
        // hyper's own errors of framing are of other kinds (`InvalidInput`, `InvalidData`).
        let is_gone = |error: &io::Error| {
            matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        };
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        if error.is_incomplete_message() || source.is_some_and(is_gone) { Self::Left } else { Self::Framing }
    }
}

impl From<h2::Error> for BodyBroken {
    fn from(error: h2::Error) -> Self {
        if error.is_go_away() && !error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
            return Self::Closed;
        }
        if error.is_io() || error.is_remote() { Self::Left } else { Self::Framing }
    }
}

/// A body that is to be read.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: Source,
    /// The tick at which its request began.
    since: u32,
}

#[derive(Debug)]
enum Source {
    /// HTTP/1.1, with a length or in chunks; hyper reads it.
    Http1(Incoming),
    /// HTTP/2, in DATA frames; h2 reads them. Boxed, since most requests are HTTP/1.1 and each is moved several times.
    Http2(Box<Http2Body>),
    /// No body, or one that was taken.
    None,
}

/// The body of an HTTP/2 stream.
#[derive(Debug)]
struct Http2Body {
    stream: RecvStream,
    /// The announced length, in bytes. h2 enforces it (RFC 9113 section 8.1.1).
    announced: Option<u64>,
    /// Becomes true at the first poll of the body, if the client waits for `100 Continue`.
    is_wanted: Option<Rc<Cell<bool>>>,
}

impl RequestBody {
    /// A body over HTTP/1.1, of a request that began at the tick `since`.
    pub(crate) fn http1(body: Incoming, since: u32) -> Self {
        Self { source: Source::Http1(body), since }
    }

    /// A body over HTTP/2, whose head announced a length or none. If the client waits for `100 Continue`, `is_wanted` is set
    /// once it is due.
    pub(crate) fn http2(
        stream: RecvStream,
        announced: Option<u64>,
        is_wanted: Option<Rc<Cell<bool>>>,
        since: u32,
    ) -> Self {
        Self { source: Source::Http2(Box::new(Http2Body { stream, announced, is_wanted })), since }
    }

    /// No body.
    pub(crate) fn none() -> Self {
        Self { source: Source::None, since: 0 }
    }

    /// The tick at which its request began.
    pub(crate) fn since(&self) -> u32 {
        self.since
    }

    /// True if the body is read to its end.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.source {
            Source::Http1(body) => body.is_end_stream(),
            Source::Http2(body) => body.stream.is_end_stream(),
            Source::None => true,
        }
    }

    /// The announced length in bytes; 0 if none was announced.
    pub(crate) fn announced(&self) -> u64 {
        match &self.source {
            Source::Http1(body) => body.size_hint().lower(),
            Source::Http2(body) => body.announced.unwrap_or(0),
            Source::None => 0,
        }
    }

    /// True on HTTP/2, where a body does not delay other requests of its connection.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.source, Source::Http2(_))
    }

    /// Waits for the next piece; `None` at the end. Trailers are skipped, since no code reads them.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        match &mut self.source {
            Source::Http1(body) => loop {
                match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    Some(Ok(frame)) => {
                        if let Ok(piece) = frame.into_data() {
                            return Poll::Ready(Some(Ok(piece)));
                        }
                    }
                }
            },
            Source::None => Poll::Ready(None),
            Source::Http2(body) => {
                if let Some(is_wanted) = body.is_wanted.take() {
                    is_wanted.set(true);
                }
                match ready!(body.stream.poll_data(cx)) {
                    None => Poll::Ready(None),
                    Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
                    Some(Ok(piece)) => {
                        // The peer may send as much again. An error means that the stream has ended, which the next poll
                        // shows.
                        let _ = body.stream.flow_control().release_capacity(piece.len());
                        Poll::Ready(Some(Ok(piece)))
                    }
                }
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        self.get_mut().poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete()
    }
}
