//! The body of a request, as either protocol delivers it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Body as _;
use hyper::body::Incoming;
use thiserror::Error;

/// The peer left, or broke the framing of its body.
#[derive(Debug, Error)]
#[error("the request body broke off")]
pub struct BodyBroken;

/// A body that is still to be read.
#[derive(Debug)]
pub enum RequestBody {
    /// HTTP/1.1, with a length or in chunks; hyper reads it.
    Http1(Incoming),
    /// HTTP/2, in DATA frames; h2 reads them. In a box, since most requests are HTTP/1.1 and each is moved several times.
    Http2(Box<Http2Body>),
}

/// The body of an HTTP/2 stream.
#[derive(Debug)]
pub struct Http2Body {
    stream: RecvStream,
    /// The announced length, in bytes. h2 holds the body to it (RFC 9113 section 8.1.1).
    announced: Option<u64>,
}

impl Http2Body {
    /// The body of `stream`, whose head announced a length or none.
    pub fn new(stream: RecvStream, announced: Option<u64>) -> Self {
        Self { stream, announced }
    }
}

impl RequestBody {
    /// True if nothing more will come.
    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
        }
    }

    /// The announced length in bytes; 0 if none was announced.
    pub fn announced(&self) -> u64 {
        match self {
            Self::Http1(body) => body.size_hint().lower(),
            Self::Http2(body) => body.announced.unwrap_or(0),
        }
    }

    /// True on HTTP/2, where a body does not hold up other requests of its connection.
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// The next piece; `None` at the end. Trailers are skipped: nothing here reads them.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        match self {
            Self::Http1(body) => loop {
                match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(_)) => return Poll::Ready(Some(Err(BodyBroken))),
                    Some(Ok(frame)) => {
                        if let Ok(piece) = frame.into_data() {
                            return Poll::Ready(Some(Ok(piece)));
                        }
                    }
                }
            },
            Self::Http2(body) => match ready!(body.stream.poll_data(cx)) {
                None => Poll::Ready(None),
                Some(Err(_)) => Poll::Ready(Some(Err(BodyBroken))),
                Some(Ok(piece)) => {
                    // The peer may send as much again. An error means that the stream is over: the next poll tells.
                    let _ = body.stream.flow_control().release_capacity(piece.len());
                    Poll::Ready(Some(Ok(piece)))
                }
            },
        }
    }
}
