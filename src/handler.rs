//! A request's way through the house, step by step, and the answer.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use tracing::info;

use crate::cors;
use crate::error::Refusal;
use crate::http::body::{self, Collect};
use crate::http::deadline::Watch;
use crate::http::head;
use crate::metric::{Metric, Name};
use crate::params::Params;
use crate::route::{self, Resource, Route};
use crate::shared::Shared;
use crate::statsd::line;

/// What every answer's body is.
type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What the head of a request asks for, once it may.
enum Admitted {
    Heartbeat,
    Preflight(&'static str),
    Metric(Resource),
}

/// What is left to do.
enum Step {
    /// Wait for the body, then send the metric.
    Receive(Resource, Collect),
    /// Give the answer, and swallow the body if it is there: else hyper may have to close.
    Refuse(Answer, Collect),
    /// Give the answer.
    Answer(Answer),
    /// Nothing: the answer was given.
    Done,
}

/// One request and its answer, as a future that waits for nothing but the body.
///
/// Between the last byte of the body and the hand-over of the line nothing waits: hyper drops this future when the
/// peer closes, and a metric must not be lost by a client that does not stay for the answer.
pub struct Exchange {
    shared: Rc<Shared>,
    watch: Rc<Watch>,
    head: Parts,
    step: Step,
}

impl Exchange {
    /// Takes the steps that need no body.
    pub fn begin(shared: Rc<Shared>, watch: Rc<Watch>, request: Request<Incoming>) -> Self {
        let since = watch.begin_request();
        let (head, body) = request.into_parts();
        let has_body = !http_body::Body::is_end_stream(&body);
        if !has_body {
            watch.end_body();
        }
        let (cap, deadlines) = (shared.config.max_body_size, &shared.deadlines);
        let collect = |body| Collect::new(body, cap, since, Rc::clone(deadlines));
        let step = match admit(&shared, &head, &body) {
            Ok(Admitted::Metric(resource)) => Step::Receive(resource, collect(body)),
            Ok(Admitted::Heartbeat) => Step::Answer(heartbeat(&head)),
            Ok(Admitted::Preflight(allow)) => Step::Answer(preflight(&head, allow)),
            Err(refusal) => {
                let answer = refuse(&head, &refusal);
                // To look at a body that waits for 100 Continue is to ask for it.
                if has_body && !refusal.closes() && !head.headers.contains_key(EXPECT) {
                    Step::Refuse(answer, collect(body))
                } else {
                    if has_body {
                        watch.ask_linger();
                    }
                    Step::Answer(answer)
                }
            }
        };
        Self { shared, watch, head, step }
    }

    fn finish(&mut self, mut answer: Answer) -> Answer {
        if self.head.version < Version::HTTP_2 {
            if self.shared.deadlines.closing() {
                answer.headers_mut().insert(CONNECTION, CLOSE);
            }
            if asks_to_close(&self.head.headers) || asks_to_close(answer.headers()) {
                self.watch.end_with_answer();
            }
        }
        if self.shared.config.verbose {
            // The path only: a query may hold a token.
            info!(method = %self.head.method, path = self.head.uri.path(), status = answer.status().as_u16(), "request");
        }
        answer
    }
}

impl Future for Exchange {
    type Output = Result<Answer, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match std::mem::replace(&mut self.step, Step::Done) {
            Step::Receive(resource, mut collect) => {
                let Poll::Ready(body) = collect.poll(cx) else {
                    self.step = Step::Receive(resource, collect);
                    return Poll::Pending;
                };
                let sent = match body {
                    Ok(body) => {
                        self.watch.end_body();
                        send(&self.shared, &self.head, resource, &body)
                    }
                    Err(error) => {
                        self.watch.ask_linger();
                        Err(error.into())
                    }
                };
                match sent {
                    Ok(()) => accepted(&self.head),
                    Err(refusal) => refuse(&self.head, &refusal),
                }
            }
            Step::Refuse(answer, mut collect) => {
                match collect.poll(cx) {
                    Poll::Ready(Ok(_)) => self.watch.end_body(),
                    Poll::Ready(Err(_)) | Poll::Pending => self.watch.ask_linger(),
                }
                answer
            }
            Step::Answer(answer) => answer,
            Step::Done => return Poll::Pending,
        };
        Poll::Ready(Ok(self.finish(answer)))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.watch.end_request();
    }
}

/// Whether nothing may follow on the connection, as nearly all who ask for it write it.
fn asks_to_close(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(|options| options.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// The steps before the body, in the order of the contract: 400 for the head, 404, 405, 401 or 403, 413, 415.
fn admit(shared: &Shared, head: &Parts, body: &Incoming) -> Result<Admitted, Refusal> {
    head::check(head)?;
    if head.uri.path() == "*" {
        return Ok(Admitted::Preflight(route::ALL_METHODS));
    }
    let resource = match route::find(&head.method, head.uri.path())? {
        Route::Heartbeat => return Ok(Admitted::Heartbeat),
        Route::Preflight(allow) => return Ok(Admitted::Preflight(allow)),
        Route::Metric(resource) => resource,
    };
    if let Some(verifier) = &shared.verifier {
        verifier.check(&head.headers, head.uri.query())?;
    }
    body::check_length(body, shared.config.max_body_size)?;
    // A compressed form read as it is would count 1, whatever it says.
    if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::ContentEncoding);
    }
    Ok(Admitted::Metric(resource))
}

/// The steps after the body: parameters, name, line, datagram.
fn send(shared: &Shared, head: &Parts, resource: Resource, body: &Bytes) -> Result<(), Refusal> {
    let prefix = &shared.config.prefix;
    let key = route::key(head.uri.path()).and_then(route::decode_key).ok_or(Refusal::Key)?;
    let name = Name::parse(prefix, &key).map_err(|_| Refusal::Key)?;
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let params = Params::read(content_type, body)?;
    let metric = Metric { name, value: params.value(resource)? };
    if line::len(prefix, &metric) > line::MAX_LINE {
        return Err(Refusal::TooLong);
    }
    if shared.keeps(metric.value.rate()) {
        shared.upstream.push(prefix, &metric);
    }
    Ok(())
}

fn accepted(head: &Parts) -> Answer {
    answer(head, StatusCode::OK, Bytes::new())
}

fn heartbeat(head: &Parts) -> Answer {
    let mut answer = answer(head, StatusCode::OK, Bytes::from_static(b"OK"));
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

fn preflight(head: &Parts, allow: &'static str) -> Answer {
    let mut answer = answer(head, StatusCode::NO_CONTENT, Bytes::new());
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    cors::allow_requests(&head.headers, answer.headers_mut());
    answer
}

fn refuse(head: &Parts, refusal: &Refusal) -> Answer {
    let text = match refusal.text() {
        std::borrow::Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        std::borrow::Cow::Owned(text) => Bytes::from(text),
    };
    let mut answer = answer(head, refusal.status(), text);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if let Some(allow) = refusal.allow() {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if refusal.closes() && head.version < Version::HTTP_2 {
        headers.insert(CONNECTION, CLOSE);
    }
    answer
}

fn answer(head: &Parts, status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    cors::allow_origin(&head.headers, answer.headers_mut());
    answer
}
