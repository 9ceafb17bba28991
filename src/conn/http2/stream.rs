//! Serves one HTTP/2 request, from its head to the beginning of its answer.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::task::spawn_local;
use tracing::debug;

use crate::conn::activity::Activity;
use crate::conn::budget::Budget;
use crate::conn::date;
use crate::conn::event_stream::AnswerBody;
use crate::conn::http2_answer::Unsent;
use crate::conn::request_body::RequestBody;
use crate::conn::service::{self, Answer, RequestService};

/// Passes a request to its service, and takes the steps that need no more of its body at once, so that its head is dropped
/// before the next one is read. A task of its own takes the other steps.
pub(super) fn begin<S: RequestService>(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    service: &S,
    budget: &Budget,
    activity: &Rc<Activity>,
    cx: &mut Context<'_>,
) {
    let since = activity.begin_request();
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_wanted = request.headers().contains_key(EXPECT).then(Rc::default);
    let is_head = request.method() == Method::HEAD;
    let request = request.map(|stream| RequestBody::http2(stream, announced, is_wanted.clone(), since));
    let answer = Box::pin(service::serve(service, request, activity, None));
    let mut stream = Stream { answer, respond, is_head, is_wanted };
    let (budget, activity) = (budget.clone(), Rc::clone(activity));
    match Pin::new(&mut stream).poll(cx) {
        Poll::Ready(Ok(None)) => {}
        Poll::Ready(sent) => {
            // Only the answer is left.
            drop(stream);
            spawn_local(async move { finish(sent, budget, activity).await });
        }
        Poll::Pending => {
            spawn_local(async move { finish(stream.await, budget, activity).await });
        }
    }
}

/// Sends the rest of an answer.
async fn finish(sent: Result<Option<Box<Unsent>>, h2::Error>, budget: Budget, activity: Rc<Activity>) {
    let sent = match sent {
        Ok(Some(unsent)) => Box::pin(unsent.send(&budget, activity)).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        debug!("HTTP/2 stream ended: {error}");
    }
}

/// A request until its answer begins. This is not an async function, which would have space for each of its steps in each
/// request that waits for a body.
struct Stream<F> {
    answer: Pin<Box<F>>,
    respond: SendResponse<Bytes>,
    is_head: bool,
    /// Set once `100 Continue` is due, if the client waits for it.
    is_wanted: Option<Rc<Cell<bool>>>,
}

impl<F: Future<Output = Result<Answer, Infallible>>> Future for Stream<F> {
    /// The unsent rest of the answer; `None` if all is sent, or if the peer has reset the stream.
    type Output = Result<Option<Box<Unsent>>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(answer) = self.answer.as_mut().poll(cx) else {
            if self.is_wanted.as_ref().is_some_and(|is_wanted| is_wanted.take()) {
                let mut leave = Response::new(());
                *leave.status_mut() = StatusCode::CONTINUE;
                // An error means that the peer has reset the stream, which `poll_reset` shows next.
                let _ = self.respond.send_informational(leave);
            }
            return self.respond.poll_reset(cx).map(|reset| reset.map(|_| None));
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (mut head, body) = answer.into_parts();
        describe(&mut head.headers, &body);
        let is_empty = self.is_head || body.is_end_stream();
        let stream = self.respond.send_response(Response::from_parts(head, ()), is_empty)?;
        Poll::Ready(if is_empty { Ok(None) } else { Unsent::begin(body, stream) })
    }
}

/// Adds the headers that hyper adds on HTTP/1.1.
fn describe(headers: &mut HeaderMap, body: &AnswerBody) {
    date::write_now(headers);
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}
