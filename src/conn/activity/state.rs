//! The states of a connection and their transitions: pure, without a socket or a clock.
//!
//! `-` has no effect; `!` cannot happen, and leaves the state as it is. Ticks: *now* restarts the time of the state.
//!
//! | HTTP/1.1 | received | begin request | end body | end request | written | begin head | begin linger |
//! |---|---|---|---|---|---|---|---|
//! | new | head, *now* | ! | ! | ! | ! | ! | ! |
//! | head | - | body | ! | ! | - | ! | linger, *now* |
//! | body | - | ! | handling | answering | - | ! | linger, *now* |
//! | handling | - | ! | - | answering whole | - | ! | linger, *now* |
//! | answering | - | body | answering whole | ! | idle, *now* | ! | linger, *now* |
//! | answering whole | - | body | - | ! | idle whole, *now* | ! | linger, *now* |
//! | idle | head, *now* | body | ! | ! | - | head, *now* | linger, *now* |
//! | idle whole | head, *now* | body | ! | ! | - | head, *now* | linger, *now* |
//! | linger | - | ! | ! | ! | - | ! | linger, *now* |
//!
//! *Whole*: the body was read to its end. A request that follows another one without a pause begins while the state is
//! idle, or answering if the peer does not take the answer.
//!
//! | HTTP/1.1 buffers | wake | fall asleep | directive to sleep |
//! |---|---|---|---|
//! | unused | brief | ! | - |
//! | brief | ! | freed, *now* | - |
//! | lasting | ! | freed, *now* | brief |
//! | freed | lasting within [`AWAKE`], else brief | ! | - |
//!
//! HTTP/1.1 has two marks besides: "ask linger" sets one and "begin request" clears it, "end with answer" sets the other
//! for good. "Multiplex", "continue request" and the directive to go away cannot happen.
//!
//! | HTTP/2 | begin or continue request | end request | directive to go away |
//! |---|---|---|---|
//! | new, by "multiplex" 0 requests, *now* | ! | ! | ! |
//! | 0 requests | 1 request | ! | goes away, *now* |
//! | n requests | n + 1 requests | n - 1 requests, *now* | goes away, *now* |
//!
//! "Received", "end body", "written" and "end with answer" have no effect on HTTP/2, where the frames are counted; the
//! other events cannot happen. A directive to close has no effect on any state: the connection's task ends.

use std::time::Duration;

use super::Directive;
use super::heads::Heads;
use crate::conn::clock::{is_over, ticks};
use crate::conn::frames::Incomplete;

/// The ticks for which an idle connection that was busy keeps its HTTP state, two 8 KiB buffers, before it sleeps.
pub(crate) const AWAKE: u32 = ticks(Duration::from_millis(300));

/// An event of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// Bytes were received.
    Received,
    /// The connection speaks HTTP/2 from now on.
    Multiplex,
    /// A head is complete.
    BeginRequest,
    /// The body was read to its end.
    EndBody,
    /// The answer is ready to be written.
    EndRequest,
    /// HTTP/2: the answer is still being sent after its request has ended for its handler.
    ContinueRequest,
    /// The transport took all that was written.
    Written,
    /// HTTP/1.1: hyper's state is held from now on.
    Wake,
    /// HTTP/1.1: hyper's state is freed.
    FallAsleep,
    /// HTTP/1.1: bytes that hyper had buffered start the next request.
    BeginHead,
    /// The current answer is the last.
    EndWithAnswer,
    /// HTTP/1.1: the peer may still be sending the refused request.
    AskLinger,
    /// HTTP/1.1: the lingering close begins.
    BeginLinger,
    /// The sweep gives the connection a directive.
    Directed(Directive),
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::conn) enum State {
    /// Its protocol is not known: it has sent nothing yet, or is in its TLS handshake.
    New {
        /// The tick at which it was accepted.
        since: u32,
    },
    Http1(Http1),
    Http2(Http2),
}

/// An HTTP/1.1 connection from its first byte on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::conn) struct Http1 {
    pub(in crate::conn) phase: Phase,
    /// The tick at which the head, the idle time or the lingering close began; a request keeps that of its head.
    pub(in crate::conn) since: u32,
    pub(in crate::conn) buffers: Buffers,
    /// True if a lingering close was requested during the request.
    pub(super) wants_linger: bool,
    /// True if the connection ends with the current answer.
    pub(super) is_last: bool,
}

/// The phase of an HTTP/1.1 connection, from the first byte of a head to the last byte of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::conn) enum Phase {
    /// A head has begun.
    Head,
    /// A head is complete, and its body is not. The body has a deadline of its own.
    Body,
    /// A request is whole, and its answer is not ready.
    Handling,
    /// An answer is ready, and the transport has not taken all of it.
    Answering {
        /// True if the body was read to its end.
        is_whole: bool,
    },
    /// Between two requests.
    Idle {
        /// True if the last body was read to its end, so that a head follows.
        is_whole: bool,
    },
    /// The answer is sent and our side closed. Received bytes are discarded.
    Linger,
}

/// The time for which an HTTP/1.1 connection holds hyper's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::conn) enum Buffers {
    /// Not yet.
    Unused,
    /// For one request, after a long time without any.
    Brief,
    /// Also between requests, which follow each other.
    Lasting,
    /// Not since this tick.
    Freed(u32),
}

/// An HTTP/2 connection, where requests overlap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::conn) struct Http2 {
    /// Requests that have begun and not ended.
    pub(in crate::conn) requests: u32,
    /// The tick at which the last request ended, or HTTP/2 began.
    pub(in crate::conn) since: u32,
    /// The tick at which the peer was told that no further request is served.
    pub(in crate::conn) goes_away_since: Option<u32>,
    /// The partial frame at the end of the received bytes.
    pub(in crate::conn) incomplete: Option<Incomplete>,
    pub(super) heads: Heads,
}

impl State {
    /// The state after `event` at the tick `now`; `None` if it cannot happen in this state.
    #[inline(always)]
    pub(super) fn after(self, event: Event, now: u32) -> Option<Self> {
        match self {
            Self::New { .. } => match event {
                Event::Received => Some(Self::Http1(Http1::begin(now))),
                Event::Multiplex => Some(Self::Http2(Http2::begin(now))),
                Event::Directed(Directive::Close) => Some(self),
                _ => None,
            },
            Self::Http1(http1) => http1.after(event, now).map(Self::Http1),
            Self::Http2(http2) => http2.after(event, now).map(Self::Http2),
        }
    }
}

impl Http1 {
    fn begin(now: u32) -> Self {
        Self { phase: Phase::Head, since: now, buffers: Buffers::Unused, wants_linger: false, is_last: false }
    }

    #[inline(always)]
    fn after(mut self, event: Event, now: u32) -> Option<Self> {
        match event {
            Event::Wake | Event::FallAsleep | Event::Directed(Directive::Sleep) => {
                self.buffers = self.buffers.after(event, now)?;
            }
            Event::AskLinger => self.wants_linger = true,
            Event::EndWithAnswer => self.is_last = true,
            Event::Directed(Directive::Close) => {}
            _ => {
                let (phase, restarts) = self.phase.after(event)?;
                self.phase = phase;
                if restarts {
                    self.since = now;
                }
                if event == Event::BeginRequest {
                    self.wants_linger = false;
                }
            }
        }
        Some(self)
    }
}

impl Phase {
    /// The phase after `event`, and true if its time begins with it.
    #[inline(always)]
    fn after(self, event: Event) -> Option<(Self, bool)> {
        let next = match (event, self) {
            (Event::Received | Event::BeginHead, Self::Idle { .. }) => return Some((Self::Head, true)),
            (Event::Written, Self::Answering { is_whole }) => return Some((Self::Idle { is_whole }, true)),
            (Event::BeginLinger, _) => return Some((Self::Linger, true)),
            (Event::Received | Event::Written, unchanged) => unchanged,
            (Event::BeginRequest, Self::Head | Self::Answering { .. } | Self::Idle { .. }) => Self::Body,
            (Event::EndBody, Self::Body | Self::Handling) => Self::Handling,
            (Event::EndBody, Self::Answering { .. }) => Self::Answering { is_whole: true },
            (Event::EndRequest, Self::Body) => Self::Answering { is_whole: false },
            (Event::EndRequest, Self::Handling) => Self::Answering { is_whole: true },
            _ => return None,
        };
        Some((next, false))
    }
}

impl Buffers {
    #[inline(always)]
    fn after(self, event: Event, now: u32) -> Option<Self> {
        match (event, self) {
            (Event::Wake, Self::Unused) => Some(Self::Brief),
            (Event::Wake, Self::Freed(since)) if is_over(now, since, AWAKE) => Some(Self::Brief),
            (Event::Wake, Self::Freed(_)) => Some(Self::Lasting),
            (Event::FallAsleep, Self::Brief | Self::Lasting) => Some(Self::Freed(now)),
            (Event::Directed(Directive::Sleep), Self::Lasting) => Some(Self::Brief),
            (Event::Directed(Directive::Sleep), unchanged) => Some(unchanged),
            _ => None,
        }
    }
}

impl Http2 {
    fn begin(now: u32) -> Self {
        Self { requests: 0, since: now, goes_away_since: None, incomplete: None, heads: Heads::default() }
    }

    #[inline(always)]
    fn after(mut self, event: Event, now: u32) -> Option<Self> {
        match event {
            Event::BeginRequest | Event::ContinueRequest => self.requests += 1,
            Event::EndRequest => {
                self.requests = self.requests.checked_sub(1)?;
                self.since = now;
            }
            Event::Directed(Directive::GoAway) => self.goes_away_since = Some(now),
            Event::Received | Event::EndBody | Event::Written | Event::EndWithAnswer => {}
            Event::Directed(Directive::Close) => {}
            _ => return None,
        }
        Some(self)
    }
}
