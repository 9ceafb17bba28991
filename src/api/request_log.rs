//! Logs requests: with `--verbose` a line for each, and always refusals for the summary.

use std::time::Instant;

use http::{Response, StatusCode};
use tracing::info;

use crate::api::context::Context;
use crate::api::kept_head::KeptHead;
use crate::api::requester::{Peer, Requester};
use crate::conn::service::RefusedHead;
use crate::telemetry::log::REQUEST;
use crate::telemetry::refusals::{Reason, Refusals};

/// One request, from its head to its answer.
#[derive(Debug)]
pub(crate) struct RequestLog {
    /// The time at which the head was complete; `None` if no line is written.
    begun: Option<Instant>,
    body_bytes: usize,
}

impl RequestLog {
    /// Begins when the head is complete.
    pub(crate) fn begin(verbose: bool) -> Self {
        Self { begun: verbose.then(Instant::now), body_bytes: 0 }
    }

    /// Sets the received bytes of the body, before decompression.
    pub(crate) fn set_body_bytes(&mut self, count: usize) {
        self.body_bytes = count;
    }

    /// Logs the request when its answer is ready. An answer that refuses has its [`Reason`] in its extensions.
    pub(crate) fn end<B>(&self, refusals: &Refusals, requester: &Requester, head: &KeptHead, answer: &Response<B>) {
        let reason = answer.extensions().get::<Reason>().copied();
        if let Some(reason) = reason.filter(|reason| *reason != Reason::ClientLeft) {
            refusals.note(reason, requester.peer.ip());
        }
        if let Some(begun) = self.begun {
            info!(
                target: REQUEST,
                method = %head.method,
                // Without the query, which may contain a token.
                path = head.path(),
                status = answer.status().as_u16(),
                peer = requester.peer.shown(),
                // Bounded by its type, and escaped by the log as every field is.
                subject = requester.grant.subject(),
                bytes = self.body_bytes,
                microseconds = begun.elapsed().as_micros() as u64,
                reason = reason.map(Reason::name),
                "request"
            );
        }
    }
}

/// Logs a head that was refused before it became a request.
pub(crate) fn note_refused_head(context: &Context, peer: Peer, head: RefusedHead) {
    let (reason, status) = match head {
        RefusedHead::TooLarge => (Reason::HeadTooLarge, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        RefusedHead::Malformed => (Reason::BadHead, StatusCode::BAD_REQUEST),
    };
    context.refusals.note(reason, peer.ip());
    if context.settings.verbose {
        info!(target: REQUEST, status = status.as_u16(), peer = peer.shown(), reason = reason.name(), "request");
    }
}
