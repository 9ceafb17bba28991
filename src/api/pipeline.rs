//! A request from its head to its answer, step by step.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{self, Poll, Waker};

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
use crate::api::context::Context;
use crate::api::cors;
use crate::api::kept_head::KeptHead;
use crate::api::long_batch::{self, FirstSlice};
use crate::api::refusals::Refusal;
use crate::api::request_log::RequestLog;
use crate::api::routes::{self, Route};
use crate::config::Config;
use crate::conn::body::{self, BodyError, Collect, Limits};
use crate::conn::deadlines::Activity;
use crate::conn::discard::leave;
use crate::conn::event_stream::{AnswerBody, Events};
use crate::conn::head::{self, HeadError};
use crate::conn::inflate::{CODINGS, Coding};
use crate::conn::request_body::RequestBody;
use crate::conn::service::Answer;
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

/// Answers one request: head, route, token, limits, body, metrics, answer.
///
/// Between the last byte of the body and the hand-over of the line nothing waits: hyper drops this future when the peer
/// closes, and a metric must not be lost by a client that does not stay for the answer.
pub(crate) async fn respond(
    context: Rc<Context>,
    activity: Rc<Activity>,
    request: Request<RequestBody>,
) -> Result<Answer, Infallible> {
    let mut log = RequestLog::begin(context.config.verbose);
    let (head, body) = request.into_parts();
    let (head, answer) = match admit(&context, &head, &body) {
        Ok(Admitted::Body { want, cap, coding }) => {
            let head = KeptHead::new(head, body.is_http2() && !body.is_complete());
            let limits = limits(&context, &activity, cap, head.size());
            let collect = Collect::new(body, coding, limits);
            let answer = receive(&context, &activity, &head, want, collect, &mut log).await;
            (head, answer)
        }
        admitted => {
            let answer = admitted.and_then(|admitted| answer_to_head(&context, &activity, &head, admitted));
            // A client that waits for leave to send its body is not asked for it: to look at the body would be to ask.
            let awaits_continue = head.headers.contains_key(EXPECT);
            let head = KeptHead::new(head, false);
            if let Err(refusal) = &answer {
                refuse_body(&context, &activity, refusal, body, awaits_continue, &mut log);
            }
            (head, answer)
        }
    };
    let answer = answer.unwrap_or_else(|refusal| refuse(&head, &refusal));
    log.end(&context.refusals, activity.peer(), &head, &answer);
    Ok(answer)
}

/// The answer to a request whose body is of no interest.
fn answer_to_head(
    context: &Context,
    activity: &Rc<Activity>,
    head: &Parts,
    admitted: Admitted,
) -> Result<Answer, Refusal> {
    match admitted {
        Admitted::Heartbeat => Ok(heartbeat(head)),
        Admitted::ClientScript => Ok(script(head)),
        Admitted::DemoFile(file) => Ok(demo_file(file)),
        Admitted::DemoEvents => demo_events(context, activity),
        Admitted::Preflight(allow) => Ok(preflight(head, allow)),
        Admitted::Body { .. } => Err(Refusal::Internal),
    }
}

/// Waits for the body, and sends what it holds.
async fn receive(
    context: &Rc<Context>,
    activity: &Rc<Activity>,
    head: &KeptHead,
    want: Want,
    mut collect: Collect,
    log: &mut RequestLog,
) -> Result<Answer, Refusal> {
    let body = poll_fn(|cx| collect.poll(cx)).await;
    log.set_body_bytes(collect.received());
    let mut body = match body {
        Ok(body) => body,
        Err(error) => {
            leave(collect.into_rest(), activity, &context.budget);
            return Err(error.into());
        }
    };
    match want {
        Want::Metric(kind) => {
            body.inflate(collect.limits().cap)?;
            send(context, head, kind, &body.bytes)?;
            Ok(accepted(head))
        }
        Want::Batch => {
            let content_type = ContentType::of(head.content_type.as_ref().map(HeaderValue::as_bytes));
            let done = match long_batch::take(context, content_type, body, collect.limits())? {
                FirstSlice::Done(done) => done,
                FirstSlice::Long(batch) => batch.await?,
            };
            Ok(report(head, &done))
        }
    }
}

/// Leaves the body of a request that its head has refused. What is there already is swallowed: else hyper may have to close.
fn refuse_body(
    context: &Context,
    activity: &Rc<Activity>,
    refusal: &Refusal,
    body: RequestBody,
    awaits_continue: bool,
    log: &mut RequestLog,
) {
    if body.is_http2() && matches!(refusal, Refusal::Head(HeadError::TooLarge | HeadError::TooManyFields)) {
        activity.note_oversized_head();
    }
    if body.is_http2() || body.is_complete() || refusal.closes() || awaits_continue {
        return leave(body, activity, &context.budget);
    }
    let limits = limits(context, activity, context.config.max_body_size, 0);
    let mut collect = Collect::new(body, Coding::Identity, limits);
    if !matches!(collect.poll(&mut task::Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))) {
        activity.ask_linger();
    }
    log.set_body_bytes(collect.received());
}

/// What bounds the body of a request of which `head` bytes are kept.
fn limits(context: &Context, activity: &Rc<Activity>, cap: usize, head: usize) -> Limits {
    Limits { cap, watch: Rc::clone(activity), budget: context.budget.clone(), head }
}

/// The steps before the body, in the order of the contract: 400 for the head, 404, 405, 401 or 403, 413, 415.
fn admit(context: &Context, head: &Parts, body: &RequestBody) -> Result<Admitted, Refusal> {
    let config = &context.config;
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
            authorize(context, head)?;
            return Ok(Admitted::DemoEvents);
        }
        Route::Preflight(allow) => return Ok(Admitted::Preflight(allow)),
        Route::Metric(kind) => (Want::Metric(kind), config.max_body_size),
        Route::Batch => (Want::Batch, config.max_batch_size),
    };
    authorize(context, head)?;
    body::check_length(body, cap)?;
    let coding = Coding::of(&head.headers)?;
    Ok(Admitted::Body { want, cap, coding })
}

fn authorize(context: &Context, head: &Parts) -> Result<(), Refusal> {
    match &context.verifier {
        Some(verifier) => Ok(verifier.check(&head.headers, head.uri.query())?),
        None => Ok(()),
    }
}

/// The steps after the body of a single metric: parameters, name, line, datagram.
fn send(context: &Context, head: &KeptHead, kind: Kind, body: &Bytes) -> Result<(), Refusal> {
    let Config { style, routes, .. } = &*context.config;
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
    Ok(context.send(&Metric { name, value, tags, as_it_came: None })?)
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
fn demo_events(context: &Context, activity: &Rc<Activity>) -> Result<Answer, Refusal> {
    let receiver = context.feed.as_ref().and_then(Feed::watch).ok_or(Refusal::Viewers)?;
    let hello = feed::event("hello", &receiver::hello());
    let events = Events::new(hello, receiver, Rc::clone(activity.deadlines()));
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
