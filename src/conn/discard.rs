//! Reads and discards the body of an HTTP/2 request that is answered without it.
//!
//! A server that answers before it has the whole body, and then drops it, ends the stream with RST_STREAM. RFC 9113
//! section 8.1 allows that, but curl 7.88 then shows no answer, Java's HttpClient never returns, and httpx raises an error.
//! So such a body is read to its end, up to a limit and for a time, and the stream ends as any other.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use tokio::task::spawn_local;

use crate::conn::activity::Activity;
use crate::conn::budget::{Budget, ConnectionShare};
use crate::conn::deadlines::Deadlines;
use crate::conn::request_body::RequestBody;

/// The most bytes of an unwanted body that are read: the flow-control window of a stream, so that a client which sends no more
/// than the window is not reset, and one that sends more is.
pub(crate) const MAX_DISCARDED_BYTES: usize = 64 * 1024;

/// Reads the rest of `body` in a task of its own, for the time that a body may take to arrive, until a shutdown, or until
/// others need the memory. Without memory to spare, the body is dropped at once.
fn discard(mut body: RequestBody, deadlines: &Rc<Deadlines>, budget: &Budget, share: &Rc<ConnectionShare>) {
    if body.is_complete() {
        return;
    }
    let Some(holding) = budget.hold_discarded(share) else { return };
    let guard = deadlines.watch_discarded_body();
    let mut left = MAX_DISCARDED_BYTES;
    spawn_local(poll_fn(move |cx| {
        while let Poll::Ready(piece) = body.poll_piece(cx) {
            match piece {
                Some(Ok(piece)) if piece.len() <= left => left -= piece.len(),
                Some(_) | None => return Poll::Ready(()),
            }
        }
        if guard.expired(cx) || holding.is_refused(cx) { Poll::Ready(()) } else { Poll::Pending }
    }));
}

/// Abandons the rest of a body that is not wanted: on HTTP/2 it is discarded, on HTTP/1.1 the connection lingers when it closes, so
/// that the answer arrives.
pub(crate) fn leave(body: RequestBody, activity: &Activity, budget: &Budget) {
    if body.is_http2() {
        discard(body, activity.deadlines(), budget, activity.share());
    } else if !body.is_complete() {
        activity.ask_linger();
    }
}
