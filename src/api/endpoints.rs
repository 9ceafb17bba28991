//! Endpoints that need no body, one function each. `routes.rs` has their table.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::api::refusals::Refusal;
use crate::api::requester::Requester;
use crate::api::responses::{TEXT, answer};
use crate::api::site::{File, Site};
use crate::api::{client_script, cors};
use crate::conn::activity::Activity;
use crate::conn::event_stream::{AnswerBody, Events};
use crate::conn::service::Answer;

/// `GET /heartbeat`: reports that the server is alive.
pub(crate) fn heartbeat(head: &Parts, _: &Requester) -> Answer {
    let mut answer = answer(head.headers.get(ORIGIN), StatusCode::OK, Bytes::from_static(b"OK"));
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// `GET /client.js`: the browser client. It is the same for each origin, so it does not use [`answer`], which depends on the
/// origin.
pub(crate) fn client_script(head: &Parts, _: &Requester) -> Answer {
    let script = client_script::choose(&head.headers);
    let status = script.status(&head.headers);
    let body = if status == StatusCode::OK { script.content() } else { Bytes::new() };
    let mut answer = Response::new(AnswerBody::Whole(Full::new(body)));
    *answer.status_mut() = status;
    script.describe(status, head.uri.query(), answer.headers_mut());
    answer
}

/// Sends a file of the page beside the API.
pub(crate) fn file(file: &File) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(file.content())));
    file.describe(answer.headers_mut());
    answer
}

/// Sends the live events of that page until the page is closed.
///
/// # Errors
///
/// Too many pages receive events already.
pub(crate) fn events(site: Option<&Site>, activity: &Rc<Activity>) -> Result<Answer, Refusal> {
    let (hello, receiver) = site.and_then(|site| site.feed.subscribe()).ok_or(Refusal::Viewers)?;
    let events = Events::new(hello, receiver, Rc::clone(activity.deadlines()));
    let mut answer = Response::new(AnswerBody::Events(Box::new(events)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx buffers events without it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(answer)
}

/// `OPTIONS`: tells a page which requests it may send.
pub(crate) fn preflight(head: &Parts, allow: &'static str) -> Answer {
    let mut answer = answer(head.headers.get(ORIGIN), StatusCode::NO_CONTENT, Bytes::new());
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    cors::allow_requests(allow, &head.headers, answer.headers_mut());
    answer
}
