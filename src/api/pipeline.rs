//! Serves a request from its head to its answer, step by step.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use http::Request;
use http::header::HeaderValue;
use http::request::Parts;

use crate::api::access;
use crate::api::context::Context;
use crate::api::endpoints;
use crate::api::kept_head::KeptHead;
use crate::api::long_batch::{self, FirstSlice, LongBatch};
use crate::api::policy::Policy;
use crate::api::refusals::Refusal;
use crate::api::request_log::RequestLog;
use crate::api::requester::Requester;
use crate::api::responses::{accepted, refuse, report};
use crate::api::routes::{self, Access, Endpoint, Handler, Route};
use crate::api::unwanted_body::{self, discard};
use crate::auth::Grant;
use crate::conn::activity::Activity;
use crate::conn::body::{self, Body, BodyError, Collect, Limits};
use crate::conn::discard::leave;
use crate::conn::head::{self, Fields};
use crate::conn::inflate::Coding;
use crate::conn::request_body::RequestBody;
use crate::conn::service::Answer;
use crate::ingest::batch::{BatchError, Report};
use crate::ingest::content_type::ContentType;
use crate::ingest::form;
use crate::ingest::json::{Fields as _, Object};
use crate::ingest::params::Members;
use crate::metric::{Kind, Metric, Tags, TagsWriter};

/// The outcome of the steps before the body.
enum Admitted {
    /// The answer. The body is not read.
    Answered(Answer),
    /// The body is to be received.
    Body { want: Want, cap: usize, coding: Coding },
}

/// The content of a body.
#[derive(Clone, Copy)]
enum Want {
    /// A metric, and the offset of its key in the path.
    Metric(Kind, usize),
    Batch,
}

/// Answers one request: head, route, token, limits, body, metrics, answer.
///
/// No step waits between the last byte of the body and the hand-over of the line: hyper drops this future when the peer
/// closes, and the metric of a client that does not wait for the answer must not be lost.
///
/// The steps before the body run when the function is called, so that the future holds only the parts of the head that are
/// still needed.
pub(crate) fn respond(
    context: Rc<Context>,
    activity: Rc<Activity>,
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Answer, Infallible>> {
    let mut log = RequestLog::begin(context.settings.verbose);
    // The request keeps the policy that it began with.
    let policy = context.policy.get();
    let (head, body) = request.into_parts();
    let fields = Fields::of(&head.headers);
    let mut requester = Requester::new(activity.peer());
    let admitted = admit(&context, &policy, &activity, &mut requester, &head, &fields, &body);
    // Polling the body would ask a client that sent `Expect` for it.
    let awaits_continue = fields.expects;
    let (origin, content_type) = (fields.origin.first().cloned(), fields.content_type.first().cloned());
    let is_copied = matches!(admitted, Ok(Admitted::Body { .. })) && body.is_http2() && !body.is_complete();
    let head = KeptHead::new(head, origin, content_type, is_copied);
    let mut next = match admitted {
        Ok(Admitted::Body { want, cap, coding }) => {
            Next::Receive(want, Collect::new(body, coding, limits(&context, &activity, cap, head.size())))
        }
        Ok(Admitted::Answered(answer)) if body.is_complete() => Next::Answer(Some(Ok(answer)), None),
        Ok(Admitted::Answered(answer)) => {
            let limits = limits(&context, &activity, policy.limits.max_body_size, 0);
            Next::Answer(Some(Ok(answer)), unwanted_body::abandon(limits, body, awaits_continue).map(Box::new))
        }
        Err(refusal) => {
            let limits = limits(&context, &activity, policy.limits.max_body_size, 0);
            let body = unwanted_body::refuse(limits, &refusal, body, awaits_continue);
            Next::Answer(Some(Err(refusal)), body.map(Box::new))
        }
    };
    drop(policy);
    // `next` is borrowed: a future has space twice for a capture that it moves.
    async move {
        let done = match &mut next {
            Next::Answer(answer, body) => {
                if let Some(collect) = body {
                    discard(collect, &activity, &mut log);
                }
                answer.take().unwrap_or(Err(Refusal::Internal)).map(Done::Answered)
            }
            Next::Receive(want, collect) => {
                // Only a long batch waits after this, so the future keeps little while the body arrives.
                let body = poll_fn(|cx| collect.poll(cx)).await;
                log.set_body_bytes(collect.received());
                match ingest(&context, &activity, &head, *want, collect, body) {
                    Ok(Done::Long(batch)) => batch.await.map(Done::Reported),
                    done => done,
                }
            }
        };
        let mut answer = Ok(answer(&head, done));
        // Headers of all answers belong here. An answer is rarely moved: to copy one costs as much as to write its head.
        if let Ok(answer) = &mut answer {
            log.end(&context.refusals, &requester, &head, answer);
        }
        answer
    }
}

#[inline(always)]
fn answer(head: &KeptHead, done: Result<Done, Refusal>) -> Answer {
    match done {
        Ok(Done::Accepted) => accepted(head),
        Ok(Done::Reported(done)) => report(head, &done),
        Ok(Done::Answered(answer)) => answer,
        // Its end was awaited above.
        Ok(Done::Long(_)) => refuse(head, &Refusal::Internal),
        Err(refusal) => refuse(head, &refusal),
    }
}

/// The step after the head.
enum Next {
    /// Read and discard the received part of the body, if there is one, then answer or refuse. hyper hands the body over after
    /// the call. In a box, since few requests of this kind have a body.
    Answer(Option<Result<Answer, Refusal>>, Option<Box<Collect>>),
    /// Receive the body.
    Receive(Want, Collect),
}

/// The outcome of a request.
enum Done {
    /// Its metric was accepted.
    Accepted,
    /// Its batch was processed.
    Reported(Report),
    /// A task processes its batch.
    Long(LongBatch),
    /// It has its answer, without a body.
    Answered(Answer),
}

/// Forwards the metrics of a body.
#[inline(always)]
fn ingest(
    context: &Rc<Context>,
    activity: &Activity,
    head: &KeptHead,
    want: Want,
    collect: &mut Collect,
    body: Result<Body, BodyError>,
) -> Result<Done, Refusal> {
    let mut body = match body {
        Ok(body) => body,
        Err(error) => {
            leave(collect.take_rest(), activity, &context.budget);
            return Err(error.into());
        }
    };
    match want {
        Want::Metric(kind, key) => {
            body.inflate(collect.limits().cap)?;
            send(context, head, kind, key, &body.bytes)?;
            Ok(Done::Accepted)
        }
        Want::Batch => {
            let content_type = ContentType::of(head.content_type.as_ref().map(HeaderValue::as_bytes));
            Ok(match long_batch::take(context, content_type, body, collect.limits())? {
                FirstSlice::Done(done) => Done::Reported(done),
                FirstSlice::Long(batch) => Done::Long(batch),
            })
        }
    }
}

/// The limits of a body, of whose head `head` bytes are kept.
fn limits(context: &Context, activity: &Rc<Activity>, cap: usize, head: usize) -> Limits {
    Limits { cap, activity: Rc::clone(activity), budget: context.budget.clone(), head }
}

/// Takes the steps before the body, in the order of the contract: 400 for the head, 404, 405, 401 or 403, 413, 415.
///
/// # Errors
///
/// The first of these that applies.
fn admit(
    context: &Context,
    policy: &Policy,
    activity: &Rc<Activity>,
    requester: &mut Requester,
    head: &Parts,
    fields: &Fields<'_>,
    body: &RequestBody,
) -> Result<Admitted, Refusal> {
    let settings = &context.settings;
    head::check(head, fields)?;
    if head.uri.path() == "*" {
        return Ok(Admitted::Answered(endpoints::preflight(head, routes::ALL_METHODS)));
    }
    let site = context.site.as_ref();
    let (want, cap) = match settings.routes.find(&head.method, head.uri.path(), site)? {
        Route::Endpoint(Endpoint { access, handler, .. }) => {
            if *access == Access::Token {
                requester.grant = authorize(policy, head)?;
            }
            match handler {
                Handler::Head(serve) => return Ok(Admitted::Answered(serve(head, requester))),
                Handler::Batch => (Want::Batch, policy.limits.max_batch_size),
            }
        }
        Route::Preflight(allow) => return Ok(Admitted::Answered(endpoints::preflight(head, allow))),
        // The page has no secret, but its events may.
        Route::File(file) => {
            access::check_host(&head.uri, &head.headers, &settings.listen_host)?;
            return Ok(Admitted::Answered(endpoints::file(file)));
        }
        Route::Events => {
            access::check_host(&head.uri, &head.headers, &settings.listen_host)?;
            access::check_origin(&head.uri, &head.headers)?;
            requester.grant = authorize(policy, head)?;
            return Ok(Admitted::Answered(endpoints::events(site, activity)?));
        }
        Route::Metric(kind, key) => {
            requester.grant = authorize(policy, head)?;
            (Want::Metric(kind, key), policy.limits.max_body_size)
        }
    };
    body::check_length(body, cap)?;
    let coding = Coding::of(fields.content_encoding)?;
    Ok(Admitted::Body { want, cap, coding })
}

/// The grant of the token of a request; anonymous if no token is required.
fn authorize(policy: &Policy, head: &Parts) -> Result<Grant, Refusal> {
    match &policy.verifier {
        Some(verifier) => Ok(verifier.check(&head.headers, head.uri.query())?),
        None => Ok(Grant::default()),
    }
}

/// Takes the steps after the body of a single metric: parameters, name, line, datagram.
fn send(context: &Context, head: &KeptHead, kind: Kind, key: usize, body: &Bytes) -> Result<(), Refusal> {
    let encoding = &context.encoding;
    let key = head.path().get(key..).and_then(routes::decode_key).ok_or(Refusal::Key)?;
    let name = encoding.name(&key)?;
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
    let value = params.value(kind, encoding, Members::Integers)?;
    Ok(context.send(&Metric::new(name, value, tags))?)
}
