//! The interface of the transport to an application: the service to which a connection passes its requests.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http::{Request, Response};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::conn::activity::Activity;
use crate::conn::date::AnswerDate;
use crate::conn::event_stream::{AnswerBody, OpenRequest};
use crate::conn::request_body::RequestBody;

/// The value of a `Connection` header that ends the connection after its answer.
pub(crate) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// An answer to a request.
pub(crate) type Answer = Response<AnswerBody>;

/// A head that hyper or h2 refused, and answered itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefusedHead {
    /// 431. h2 does not tell whether a head was too large or malformed, so all count as too large.
    TooLarge,
    /// 400.
    Malformed,
}

/// Serves the requests of one connection.
pub(crate) trait RequestService:
    Service<Request<RequestBody>, Response = Answer, Error = Infallible, Future: 'static> + 'static
{
}

impl<S> RequestService for S where
    S: Service<Request<RequestBody>, Response = Answer, Error = Infallible, Future: 'static> + 'static
{
}

/// Serves the requests of all connections of a listener.
pub(crate) trait Application: 'static {
    /// The service of a new connection, whose peer and deadlines `activity` knows.
    fn service(&self, activity: &Rc<Activity>) -> impl RequestService + use<Self>;

    /// Notes a head that was refused before it became a request.
    fn note_refused_head(&self, activity: &Activity, head: RefusedHead);
}

pin_project! {
    /// A request from its head to its answer. It notes both in the activity of its connection.
    pub(crate) struct Served<F> {
        #[pin]
        future: F,
        request: Option<OpenRequest>,
        activity: Rc<Activity>,
        // HTTP/1.1 only.
        connection: Option<Http1Connection>,
    }
}

/// The facts of its connection that an HTTP/1.1 answer needs.
struct Http1Connection {
    /// True if the request has `Connection: close`.
    closes: bool,
    date: Rc<AnswerDate>,
}

/// Passes `request` to `service`. `date` is that of HTTP/1.1; `None` on HTTP/2, where a connection does not end with an
/// answer.
pub(crate) fn serve<S: RequestService>(
    service: &S,
    request: Request<RequestBody>,
    activity: &Rc<Activity>,
    date: Option<&Rc<AnswerDate>>,
) -> Served<S::Future> {
    if request.body().is_complete() {
        activity.end_body();
    }
    let closes = date.is_some() && asks_to_close(request.headers());
    let connection = date.map(|date| Http1Connection { closes, date: Rc::clone(date) });
    let open = OpenRequest::new(Rc::clone(activity));
    Served { future: service.call(request), request: Some(open), activity: Rc::clone(activity), connection }
}

impl<F: Future<Output = Result<Answer, Infallible>>> Future for Served<F> {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Changed in place: to move an answer costs as much as all other steps here.
        let mut served = this.future.poll(cx);
        let Poll::Ready(Ok(answer)) = &mut served else { return served };
        if let Some(connection) = this.connection {
            connection.date.correct(answer.headers_mut());
            if this.activity.deadlines().closing() {
                answer.headers_mut().insert(CONNECTION, CLOSE);
            }
            if connection.closes || ends_connection(answer.headers()) {
                this.activity.end_with_answer();
            }
        }
        if answer.status().as_u16() < 400 {
            this.activity.note_served();
        }
        match (answer.body_mut(), this.request.take()) {
            // The request lasts as long as its answer.
            (AnswerBody::Events(events), Some(open)) => events.keep_open(open),
            (_, open) => drop(open),
        }
        served
    }
}

/// True if `Connection` is exactly `close`, as nearly all clients write it.
fn asks_to_close(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(is_close)
}

/// As [`asks_to_close`]. An answer has so few fields that to look at each is cheaper than to hash a name.
fn ends_connection(answer: &HeaderMap) -> bool {
    answer.iter().any(|(name, options)| *name == CONNECTION && is_close(options))
}

fn is_close(options: &HeaderValue) -> bool {
    options.as_bytes().eq_ignore_ascii_case(b"close")
}
