//! A request's way through the house, step by step, and the answer.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Full;

use crate::api::access;
use crate::api::client_script;
use crate::api::context::Shared;
use crate::api::cors;
use crate::api::kept_head::{KeptHead, asks_to_close};
use crate::api::long_batch::{self, FirstSlice, LongBatch};
use crate::api::refusals::Refusal;
use crate::api::request_log::RequestLog;
use crate::api::routes::{self, Route};
use crate::config::Config;
use crate::conn::activity::Activity;
use crate::conn::body::{self, Body, BodyError, Collect, Limits};
use crate::conn::discard::discard;
use crate::conn::event_stream::{AnswerBody, Events, Ongoing};
use crate::conn::head::{self, HeadError};
use crate::conn::inflate::{CODINGS, Coding};
use crate::conn::request_body::RequestBody;
use crate::demo::feed::{self, Feed};
use crate::demo::page::File;
use crate::demo::receiver;
use crate::ingest::batch::{BatchError, Report};
use crate::ingest::content_type::ContentType;
use crate::ingest::form;
use crate::ingest::json::Object;
use crate::ingest::params::Members;
use crate::metric::{Kind, Metric, Tags, TagsWriter};
use crate::telemetry::refusals::Reason;

/// What every answer's body is.
type Answer = Response<AnswerBody>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What the head of a request asks for, once it may.
enum Admitted {
    Heartbeat,
    ClientScript,
    DemoFile(&'static File),
    DemoEvents,
    Preflight(&'static str),
    Body { want: Want, cap: usize, coding: Coding },
}

/// What a body is for.
#[derive(Clone, Copy)]
enum Want {
    Metric(Kind),
    Batch,
}

/// What is left to do.
enum Step {
    /// Wait for the body, then send what it holds.
    Receive(Want, Collect),
    /// Wait for the rest of a long batch to be sent.
    Work(LongBatch),
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
pub(crate) struct Exchange {
    shared: Rc<Shared>,
    watch: Rc<Activity>,
    head: KeptHead,
    step: Step,
    /// The answer outlasts this future, and ends the request itself.
    goes_on: bool,
    /// The client waits for leave to send its body.
    awaits_continue: bool,
    log: RequestLog,
}

impl Exchange {
    /// Takes the steps that need no body.
    pub(crate) fn begin(shared: Rc<Shared>, watch: Rc<Activity>, request: Request<RequestBody>) -> Self {
        let since = watch.begin_request();
        let log = RequestLog::begin(shared.config.verbose);
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        if !has_body {
            watch.end_body();
        }
        let mut goes_on = false;
        let answer = match admit(&shared, &head, &body) {
            Ok(Admitted::Body { want, cap, coding }) => {
                let awaits_continue = has_body && body.is_http2() && head.headers.contains_key(EXPECT);
                let head = KeptHead::new(head, has_body && body.is_http2());
                let collect = Collect::new(body, coding, limits(&shared, &watch, cap, since, head.size()));
                let step = Step::Receive(want, collect);
                return Self { shared, watch, head, step, goes_on, awaits_continue, log };
            }
            Ok(Admitted::Heartbeat) => Ok(heartbeat(&head)),
            Ok(Admitted::ClientScript) => Ok(script(&head)),
            Ok(Admitted::DemoFile(file)) => Ok(demo_file(file)),
            Ok(Admitted::DemoEvents) => demo_events(&shared, &watch).inspect(|_| goes_on = true),
            Ok(Admitted::Preflight(allow)) => Ok(preflight(&head, allow)),
            Err(refusal) => Err(refusal),
        };
        // A client that waits for leave to send its body is not asked for it: to look at the body would be to ask.
        let awaits_continue = head.headers.contains_key(EXPECT);
        let head = KeptHead::new(head, false);
        let step = match answer {
            Ok(answer) => Step::Answer(answer),
            Err(refusal) => {
                let answer = refuse(&head, &refusal);
                if body.is_http2() {
                    if matches!(refusal, Refusal::Head(HeadError::TooLarge | HeadError::TooManyFields)) {
                        watch.note_oversized_head();
                    }
                    discard(body, &shared.deadlines, &shared.budget, watch.share());
                    Step::Answer(answer)
                } else if has_body && !refusal.closes() && !awaits_continue {
                    let limits = limits(&shared, &watch, shared.config.max_body_size, since, 0);
                    Step::Refuse(answer, Collect::new(body, Coding::Identity, limits))
                } else {
                    if has_body {
                        watch.ask_linger();
                    }
                    Step::Answer(answer)
                }
            }
        };
        Self { shared, watch, head, step, goes_on, awaits_continue: false, log }
    }

    /// True if the client waits for `100 Continue` before it sends a body that is wanted. HTTP/2 only: on HTTP/1.1 hyper
    /// sends it.
    pub(crate) fn awaits_continue(&self) -> bool {
        self.awaits_continue
    }

    fn finish(&mut self, mut answer: Answer) -> Answer {
        if self.head.version < Version::HTTP_2 {
            self.shared.date.correct(answer.headers_mut());
            if self.shared.deadlines.closing() {
                answer.headers_mut().insert(CONNECTION, CLOSE);
            }
            if self.head.closes || asks_to_close(answer.headers()) {
                self.watch.end_with_answer();
            }
        }
        if answer.status().as_u16() < 400 {
            self.watch.note_served();
        }
        self.log.end(&self.shared.refusals, self.watch.peer(), &self.head, &answer);
        answer
    }
}

/// What bounds the body of a request of which `head` bytes are kept.
fn limits(shared: &Shared, watch: &Rc<Activity>, cap: usize, since: u32, head: usize) -> Limits {
    Limits { cap, since, watch: Rc::clone(watch), budget: shared.budget.clone(), head }
}

impl Future for Exchange {
    type Output = Result<Answer, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match std::mem::replace(&mut self.step, Step::Done) {
            Step::Receive(want, mut collect) => {
                let Poll::Ready(body) = collect.poll(cx) else {
                    self.step = Step::Receive(want, collect);
                    return Poll::Pending;
                };
                self.log.set_body_bytes(collect.received());
                let sent = match body {
                    Ok(mut body) => {
                        self.watch.end_body();
                        match want {
                            Want::Metric(kind) => body
                                .inflate(collect.limits().cap)
                                .map_err(Refusal::from)
                                .and_then(|()| send(&self.shared, &self.head, kind, &body.bytes))
                                .map(|()| Step::Answer(accepted(&self.head))),
                            Want::Batch => send_batch(&self.shared, &self.head, body, collect.limits()),
                        }
                    }
                    Err(error) => {
                        let rest = collect.into_rest();
                        if rest.is_http2() {
                            discard(rest, &self.shared.deadlines, &self.shared.budget, self.watch.share());
                        } else {
                            self.watch.ask_linger();
                        }
                        Err(error.into())
                    }
                };
                match sent {
                    Ok(Step::Answer(answer)) => answer,
                    Ok(step) => {
                        self.step = step;
                        return self.poll(cx);
                    }
                    Err(refusal) => refuse(&self.head, &refusal),
                }
            }
            Step::Work(mut work) => {
                let Poll::Ready(worked) = Pin::new(&mut work).poll(cx) else {
                    self.step = Step::Work(work);
                    return Poll::Pending;
                };
                match worked {
                    Ok(done) => report(&self.head, &done),
                    Err(refusal) => refuse(&self.head, &refusal),
                }
            }
            Step::Refuse(answer, mut collect) => {
                match collect.poll(cx) {
                    Poll::Ready(Ok(_)) => self.watch.end_body(),
                    Poll::Ready(Err(_)) | Poll::Pending => self.watch.ask_linger(),
                }
                self.log.set_body_bytes(collect.received());
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
        if !self.goes_on {
            self.watch.end_request();
        }
    }
}

/// The steps before the body, in the order of the contract: 400 for the head, 404, 405, 401 or 403, 413, 415.
fn admit(shared: &Shared, head: &Parts, body: &RequestBody) -> Result<Admitted, Refusal> {
    let config = &shared.config;
    head::check(head)?;
    if head.uri.path() == "*" {
        return Ok(Admitted::Preflight(routes::ALL_METHODS));
    }
    let (want, cap) = match config.routes.find(&head.method, head.uri.path())? {
        Route::Heartbeat => return Ok(Admitted::Heartbeat),
        Route::ClientScript => return Ok(Admitted::ClientScript),
        // The page has no secret; what it shows may.
        Route::DemoFile(file) => {
            access::check_host(&head.uri, &head.headers, &config.http_host)?;
            return Ok(Admitted::DemoFile(file));
        }
        Route::DemoEvents => {
            access::check_host(&head.uri, &head.headers, &config.http_host)?;
            access::check_origin(&head.uri, &head.headers)?;
            authorize(shared, head)?;
            return Ok(Admitted::DemoEvents);
        }
        Route::Preflight(allow) => return Ok(Admitted::Preflight(allow)),
        Route::Metric(kind) => (Want::Metric(kind), config.max_body_size),
        Route::Batch => (Want::Batch, config.max_batch_size),
    };
    authorize(shared, head)?;
    body::check_length(body, cap)?;
    let coding = Coding::of(&head.headers)?;
    Ok(Admitted::Body { want, cap, coding })
}

fn authorize(shared: &Shared, head: &Parts) -> Result<(), Refusal> {
    match &shared.verifier {
        Some(verifier) => Ok(verifier.check(&head.headers, head.uri.query())?),
        None => Ok(()),
    }
}

/// The steps after the body of a single metric: parameters, name, line, datagram.
fn send(shared: &Shared, head: &KeptHead, kind: Kind, body: &Bytes) -> Result<(), Refusal> {
    let Config { style, routes, .. } = &*shared.config;
    let key = routes.key(head.uri.path()).and_then(routes::decode_key).ok_or(Refusal::Key)?;
    let name = style.name(&key)?;
    let header = head.content_type.as_ref().map(HeaderValue::as_bytes);
    let mut writer = TagsWriter::default();
    let (params, tags) = match ContentType::of(header) {
        ContentType::Multipart => (form::multipart(header.unwrap_or_default(), body)?, Tags::NONE),
        content_type if content_type.is_object(body) => {
            let object = serde_json::from_slice::<Object<'_>>(body).map_err(|_| BatchError::Json)?;
            (object.params(kind), object.tags(&mut writer)?)
        }
        _ => (form::urlencoded(body), Tags::NONE),
    };
    let value = params.value(kind, style, Members::Integers)?;
    Ok(shared.send(&Metric { name, value, tags, as_it_came: None })?)
}

/// The steps after the body of a batch.
fn send_batch(shared: &Rc<Shared>, head: &KeptHead, body: Body, limits: &Limits) -> Result<Step, Refusal> {
    let content_type = ContentType::of(head.content_type.as_ref().map(HeaderValue::as_bytes));
    Ok(match long_batch::take(shared, content_type, body, limits)? {
        FirstSlice::Done(done) => Step::Answer(report(head, &done)),
        FirstSlice::Long(batch) => Step::Work(batch),
    })
}

fn report(head: &KeptHead, report: &Report) -> Answer {
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

fn accepted(head: &KeptHead) -> Answer {
    answer(head.origin.as_ref(), StatusCode::OK, Bytes::new())
}

fn heartbeat(head: &Parts) -> Answer {
    let mut answer = answer(head.headers.get(ORIGIN), StatusCode::OK, Bytes::from_static(b"OK"));
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// The browser client: the same for every origin, so not by way of [`answer`], which tells origins apart.
fn script(head: &Parts) -> Answer {
    let script = client_script::choose(&head.headers);
    let status = script.status(&head.headers);
    let body = if status == StatusCode::OK { script.content() } else { Bytes::new() };
    let mut answer = Response::new(AnswerBody::Whole(Full::new(body)));
    *answer.status_mut() = status;
    script.describe(status, head.uri.query(), answer.headers_mut());
    answer
}

fn demo_file(file: &'static File) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(Bytes::from_static(file.content))));
    file.describe(answer.headers_mut());
    answer
}

/// What the demo's receiver gets, for as long as the page is open.
fn demo_events(shared: &Shared, watch: &Rc<Activity>) -> Result<Answer, Refusal> {
    let receiver = shared.feed.as_ref().and_then(Feed::watch).ok_or(Refusal::Viewers)?;
    let hello = feed::event("hello", &receiver::hello());
    let events = Events::new(hello, receiver, Ongoing::new(Rc::clone(watch)), Rc::clone(&shared.deadlines));
    let mut answer = Response::new(AnswerBody::Events(Box::new(events)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back until it has a buffer of them.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(answer)
}

fn preflight(head: &Parts, allow: &'static str) -> Answer {
    let mut answer = answer(head.headers.get(ORIGIN), StatusCode::NO_CONTENT, Bytes::new());
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    cors::allow_requests(allow, &head.headers, answer.headers_mut());
    answer
}

fn refuse(head: &KeptHead, refusal: &Refusal) -> Answer {
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
        // RFC 9110 section 15.5.16: what would have been understood.
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

fn answer(origin: Option<&HeaderValue>, status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(body)));
    *answer.status_mut() = status;
    cors::allow_origin(origin, answer.headers_mut());
    answer
}
