//! Answers, and the headers that they share.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode, Version};
use http_body_util::Full;

use crate::api::cors;
use crate::api::kept_head::KeptHead;
use crate::api::refusals::Refusal;
use crate::conn::body::BodyError;
use crate::conn::event_stream::AnswerBody;
use crate::conn::inflate::CODINGS;
use crate::conn::service::{Answer, CLOSE};
use crate::ingest::batch::Report;
use crate::telemetry::refusals::Reason;

/// The media type of texts.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Answers with the report of a batch.
pub(crate) fn report(head: &KeptHead, report: &Report) -> Answer {
    let status = if report.is_refusal() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let mut answer = answer(head.origin.as_ref(), status, Bytes::from(report.to_json()));
    if report.is_refusal() {
        answer.extensions_mut().insert(Reason::BadMetric);
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    answer
}

/// Answers that a metric was accepted.
pub(crate) fn accepted(head: &KeptHead) -> Answer {
    answer(head.origin.as_ref(), StatusCode::OK, Bytes::new())
}

/// Answers with the reason of a refusal.
pub(crate) fn refuse(head: &KeptHead, refusal: &Refusal) -> Answer {
    let text = match refusal.text() {
        std::borrow::Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        std::borrow::Cow::Owned(text) => Bytes::from(text),
    };
    let mut answer = answer(head.origin.as_ref(), refusal.status(), text);
    answer.extensions_mut().insert(refusal.reason());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if let Some(allow) = refusal.allow() {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    match refusal {
        // The codings that are understood (RFC 9110 section 15.5.16).
        Refusal::Coding(_) => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(CODINGS));
        }
        Refusal::Body(BodyError::Crowded) => {
            cors::retry_after(head.origin.as_ref(), headers, "1");
        }
        _ => {}
    }
    if refusal.closes() && head.version < Version::HTTP_2 {
        headers.insert(CONNECTION, CLOSE);
    }
    answer
}

/// An answer that pages of `origin` may read.
pub(crate) fn answer(origin: Option<&HeaderValue>, status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(body)));
    *answer.status_mut() = status;
    cors::allow_origin(origin, answer.headers_mut());
    answer
}
