//! Serves one HTTP/2 connection, from its preface to its close.
//!
//! h2 speaks the protocol and enforces its limits. hyper's server on top of it is not used, since it cannot answer `Expect:
//! 100-continue`, and resets the stream of each request that is refused before its body has arrived.

mod keep_alive;
mod stream;

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, Connection};
use tracing::debug;

use self::keep_alive::KeepAlive;
use crate::conn::activity::{Activity, Directive};
use crate::conn::budget::{Budget, Holding, MAX_REFUSED};
use crate::conn::frames::{FrameMeter, Incomplete};
use crate::conn::http1::MAX_BUFFER;
use crate::conn::metered::{Metered, Transport};
use crate::conn::service::{Application, RefusedHead, RequestService};

/// The most concurrent requests of one connection: more than any page needs.
const MAX_STREAMS: u32 = 64;

/// The flow-control window of a stream and of a connection, in bytes: a body of the default limit fits without an update.
const FLOW_WINDOW_BYTES: u32 = 64 * 1024;

/// The most heads over a limit that a connection may send, or the number of its served requests, if that is larger: a
/// reverse proxy passes on those of many clients. Each costs as much as a dozen requests.
const MAX_OVERSIZED_HEADS: u32 = 8;

/// The bytes of a partial frame from which on it counts in the budget. Each connection has a buffer of this size.
const FREE_FRAME: usize = 4 * 1024;

/// The bytes that count for a head whose last frame is missing: h2 decodes each frame when it arrives.
const DECODED_HEAD: usize = 64 * 1024;

/// The configuration of h2, and the application that serves the requests. Each worker has one.
pub(crate) struct Http2<A> {
    builder: server::Builder,
    application: Rc<A>,
    budget: Budget,
}

impl<A: Application> Http2<A> {
    /// Configures h2 with its limits.
    pub(crate) fn new(application: Rc<A>, budget: Budget) -> Self {
        let mut builder = server::Builder::new();
        builder
            .max_concurrent_streams(MAX_STREAMS)
            .initial_window_size(FLOW_WINDOW_BYTES)
            .initial_connection_window_size(FLOW_WINDOW_BYTES)
            .max_header_list_size(MAX_BUFFER as u32)
            .max_send_buffer_size(MAX_BUFFER);
        Self { builder, application, budget }
    }

    /// Notes the heads that h2 itself has refused as too large or malformed: it answers 431, or resets the stream.
    fn note_undelivered(&self, activity: &Activity) {
        let undelivered = activity.take_undelivered_heads();
        // Heads after a GOAWAY are ignored.
        if activity.goes_away() {
            return;
        }
        for _ in 0..undelivered {
            activity.note_oversized_head();
            self.application.note_refused_head(activity, RefusedHead::TooLarge);
        }
    }
}

/// Serves HTTP/2 until either side closes.
pub(crate) async fn serve<T: Transport, A: Application>(transport: T, http2: Rc<Http2<A>>, activity: Rc<Activity>) {
    activity.multiplex();
    let frames = FrameMeter::new(Rc::clone(activity.deadlines()));
    let metered = Metered::new(transport, Rc::clone(&activity)).with_frames(frames);
    let mut handshake = Box::pin(http2.builder.handshake::<_, Bytes>(metered));
    let mut goes_away = false;
    let connection = poll_fn(|cx| {
        match activity.directive(cx) {
            Some(Directive::Close) => return Poll::Ready(None),
            Some(Directive::GoAway) => goes_away = true,
            Some(Directive::Sleep) | None => {}
        }
        handshake.as_mut().poll(cx).map(Result::ok)
    })
    .await;
    drop(handshake);
    let Some(mut connection) = connection else { return };
    if goes_away {
        connection.graceful_shutdown();
    }
    let keep_alive = KeepAlive::new(connection.ping_pong());
    // Boxed, so that the task of an HTTP/1.1 connection has no space for it.
    let mut serving = Box::new(Serving {
        connection,
        service: http2.application.service(&activity),
        keep_alive,
        incomplete: None,
        refused_before: None,
        closing: false,
    });
    poll_fn(|cx| serving.poll(&http2, &activity, cx)).await;
}

/// A connection after its handshake.
struct Serving<T, S> {
    connection: Connection<Metered<T>, Bytes>,
    service: S,
    keep_alive: KeepAlive,
    /// The part of the budget that a partial frame holds.
    incomplete: Option<Holding>,
    /// While the peer does not read: the requests that had been refused to free memory before.
    refused_before: Option<u32>,
    /// True once it was told to close.
    closing: bool,
}

impl<T: Transport, S: RequestService> Serving<T, S> {
    /// Drives the connection, and begins each request.
    fn poll<A: Application>(&mut self, http2: &Http2<A>, activity: &Rc<Activity>, cx: &mut Context<'_>) -> Poll<()> {
        match activity.directive(cx) {
            Some(Directive::Close) => return Poll::Ready(()),
            Some(Directive::GoAway) => self.connection.graceful_shutdown(),
            Some(Directive::Sleep) | None => {}
        }
        if self.keep_alive.poll_lost(cx).is_ready() {
            return Poll::Ready(());
        }
        let was_blocked = activity.is_blocked();
        let exhausted = activity.share().is_exhausted(activity.served_requests(), cx);
        loop {
            let accepted = self.connection.poll_accept(cx);
            if accepted.is_pending() {
                if self.keeps_answers(activity) {
                    return Poll::Ready(());
                }
                // While the peer does not read, h2 has not decoded all that was read.
                if !self.closing && !was_blocked && !activity.is_blocked() {
                    http2.note_undelivered(activity);
                }
                let most = MAX_OVERSIZED_HEADS.max(activity.served_requests());
                if (exhausted || activity.oversized_heads() > most) && !self.closing {
                    // Only now, after the answers to refused requests were sent.
                    self.close();
                    continue;
                }
                if activity.accept_frames() {
                    // First the tasks of these requests run, and those of the requests that were refused for them.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                ready!(self.poll_incomplete(&http2.budget, activity, cx));
                if self.closing {
                    return Poll::Ready(());
                }
                self.close();
                continue;
            }
            match ready!(accepted) {
                Some(Ok((request, respond))) => {
                    activity.note_delivered_head();
                    stream::begin(request, respond, &self.service, &http2.budget, activity, cx);
                }
                Some(Err(error)) => {
                    debug!("HTTP/2 connection ended: {error}");
                    return Poll::Ready(());
                }
                None => return Poll::Ready(()),
            }
        }
    }

    /// True if so many requests were refused to make space while the peer does not read that their answers take the memory
    /// in turn: h2 keeps what the transport does not take. Then the connection ends without a GOAWAY, which would wait too.
    fn keeps_answers(&mut self, activity: &Activity) -> bool {
        if !activity.is_blocked() {
            self.refused_before = None;
            return false;
        }
        let refused = activity.share().refused();
        refused - *self.refused_before.get_or_insert(refused) >= MAX_REFUSED
    }

    /// Counts the bytes of a partial frame in the budget. Ready if others need the memory.
    fn poll_incomplete(&mut self, budget: &Budget, activity: &Activity, cx: &mut Context<'_>) -> Poll<()> {
        let size = activity.incomplete().map_or(0, |incomplete| match incomplete {
            Incomplete { head: true, .. } => DECODED_HEAD,
            Incomplete { bytes, .. } => bytes,
        });
        if size < FREE_FRAME {
            self.incomplete = None;
            return Poll::Pending;
        }
        let held = match &self.incomplete {
            Some(holding) => holding.resize_partial_frame(size),
            None => budget.hold_partial_frame(activity.share(), size).map(|holding| self.incomplete = Some(holding)),
        };
        let is_refused = self.incomplete.as_ref().is_some_and(|holding| holding.is_refused(cx));
        if held.is_err() || is_refused { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Closes the connection with ENHANCE_YOUR_CALM, and ends its requests.
    fn close(&mut self) {
        self.closing = true;
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    }
}
