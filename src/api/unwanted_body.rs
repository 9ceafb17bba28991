//! The body of a request that is answered without it.

use std::task::{Context, Poll, Waker};

use crate::api::refusals::Refusal;
use crate::api::request_log::RequestLog;
use crate::conn::activity::Activity;
use crate::conn::body::{Collect, Limits};
use crate::conn::discard::leave;
use crate::conn::head::HeadError;
use crate::conn::inflate::Coding;
use crate::conn::request_body::RequestBody;

/// Abandons the body of a request that is refused for its head, or returns it to be discarded.
pub(crate) fn refuse(limits: Limits, refusal: &Refusal, body: RequestBody, awaits_continue: bool) -> Option<Collect> {
    if body.is_http2() && matches!(refusal, Refusal::Head(HeadError::TooLarge | HeadError::TooManyFields)) {
        limits.activity.note_oversized_head();
    }
    abandon(limits, body, refusal.closes() || awaits_continue)
}

/// Abandons a body that is not wanted, or returns it to be discarded, unless it has to be abandoned `at_once`.
pub(crate) fn abandon(limits: Limits, body: RequestBody, at_once: bool) -> Option<Collect> {
    if body.is_http2() || body.is_complete() || at_once {
        leave(body, &limits.activity, &limits.budget);
        return None;
    }
    Some(Collect::new(body, Coding::Identity, limits))
}

/// Discards the received part of a body. Otherwise hyper may have to close the connection.
pub(crate) fn discard(collect: &mut Collect, activity: &Activity, log: &mut RequestLog) {
    if !matches!(collect.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))) {
        activity.ask_linger();
    }
    log.set_body_bytes(collect.received());
}
