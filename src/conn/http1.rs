//! Serves one HTTP/1.1 connection, from its first byte to its close.
//!
//! An HTTP/1.1 connection holds hyper's state, some 20 KiB with its buffers, only while it is active. New and idle
//! connections sleep: a socket and an [`Activity`], 1.6 KiB in all. The first bytes wake them. A connection that was idle
//! for long sleeps again after its answer; one that sends request after request stays awake in between.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use http::Request;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, ReadBuf};
use tracing::debug;

use crate::conn::activity::{Activity, Directive};
use crate::conn::date::AnswerDate;
use crate::conn::linger;
use crate::conn::metered::{Metered, Transport};
use crate::conn::request_body::RequestBody;
use crate::conn::service::{self, Answer, Application, RefusedHead, RequestService, Served};

/// The most bytes that hyper buffers for one connection, and so for one head: a request to this server has some hundred, the
/// cookies of a browser some thousand, a token up to 4 KiB. hyper's default is 500 KB.
pub(crate) const MAX_BUFFER: usize = 16 * 1024;

/// The most bytes that are read to wake a connection, on the stack: usually the whole request of a browser.
const FIRST_READ: usize = 2048;

/// The configuration of hyper, and the application that serves the requests. Each worker has one.
pub(crate) struct Http1<A> {
    builder: http1::Builder,
    application: Rc<A>,
    date: Rc<AnswerDate>,
}

impl<A: Application> Http1<A> {
    /// Configures hyper with its limits.
    pub(crate) fn new(application: Rc<A>, date: Rc<AnswerDate>) -> Self {
        let mut builder = http1::Builder::new();
        // No timer: the sweep keeps the deadlines. Flat writes: an answer is one small buffer and one system call.
        // Half-close: a script that sends its request and shuts down its side still gets its answer, as from the reference.
        builder.max_buf_size(MAX_BUFFER).header_read_timeout(None).writev(false).half_close(true);
        Self { builder, application, date }
    }
}

/// Passes requests to the service of their connection.
struct Handler<S> {
    service: S,
    activity: Rc<Activity>,
    date: Rc<AnswerDate>,
}

impl<S: RequestService> Service<Request<Incoming>> for Handler<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = Served<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let since = self.activity.begin_request();
        let request = request.map(|body| RequestBody::http1(body, since));
        service::serve(&self.service, request, &self.activity, Some(&self.date))
    }
}

/// The next step of a connection after hyper has returned it.
enum Turn<T> {
    /// Free hyper's state, and sleep.
    Sleep(Metered<T>),
    /// Close, after lingering if the peer may still be sending.
    Close(Metered<T>, bool),
    /// Drop the connection, which may be closed already.
    Gone,
}

/// Serves HTTP/1.1 until either side closes.
pub(crate) async fn serve<T: Transport, A: Application>(transport: T, http1: Rc<Http1<A>>, activity: Rc<Activity>) {
    let mut metered = Metered::new(transport, Rc::clone(&activity));
    loop {
        let Some(first) = asleep(&mut metered, &activity).await else { return };
        metered.unread(first);
        // The future of an active connection is boxed, so that the task of a sleeping one has no space for it.
        match Box::pin(awake(metered, &http1, &activity)).await {
            Turn::Sleep(back) => metered = back,
            Turn::Close(back, true) => return Box::pin(linger::close(back.into_transport(), activity)).await,
            Turn::Close(_, false) | Turn::Gone => return,
        }
    }
}

/// Waits for the first bytes of a head. `None` if the connection is to end.
async fn asleep<T: Transport>(metered: &mut Metered<T>, activity: &Activity) -> Option<Bytes> {
    if let Some(leftover) = metered.take_unread() {
        return Some(leftover);
    }
    poll_fn(|cx| {
        if activity.directive(cx) == Some(Directive::Close) {
            return Poll::Ready(None);
        }
        let mut scrap = [0; FIRST_READ];
        let mut buf = ReadBuf::new(&mut scrap);
        Pin::new(&mut *metered).poll_read(cx, &mut buf).map(|read| match (read, buf.filled()) {
            (Err(_), _) | (Ok(()), []) => None,
            (Ok(()), first) => Some(Bytes::copy_from_slice(first)),
        })
    })
    .await
}

async fn awake<T: Transport, A: Application>(
    metered: Metered<T>,
    http1: &Http1<A>,
    activity: &Rc<Activity>,
) -> Turn<T> {
    let service = http1.application.service(activity);
    let handler = Handler { service, activity: Rc::clone(activity), date: Rc::clone(&http1.date) };
    let mut connection = http1.builder.serve_connection(TokioIo::new(metered), handler);
    activity.wake();
    let result = poll_fn(|cx| match activity.directive(cx) {
        Some(Directive::Close | Directive::GoAway) => Poll::Ready(None),
        // Including hyper's shutdown, which waits until the last answer is flushed.
        _ => match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if activity.may_sleep() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        },
    })
    .await;
    let sleep = activity.may_sleep();
    activity.fall_asleep();
    let parts = connection.into_parts();
    let mut metered = parts.io.into_inner();
    match result {
        None if sleep => {
            // The deadline of a partial head that arrived with the last request begins now.
            if !parts.read_buf.is_empty() {
                activity.begin_head();
            }
            metered.unread(parts.read_buf);
            Turn::Sleep(metered)
        }
        None => Turn::Gone,
        Some(Ok(())) => {
            let linger = activity.wants_linger() || !parts.read_buf.is_empty() || metered.has_unread();
            Turn::Close(metered, linger)
        }
        Some(Err(error)) => {
            debug!("HTTP/1.1 connection ended: {error}");
            if error.is_parse_too_large() {
                http1.application.note_refused_head(activity, RefusedHead::TooLarge);
            } else if error.is_parse() {
                http1.application.note_refused_head(activity, RefusedHead::Malformed);
            }
            // A refused head has been answered; the peer may still be sending the rest.
            if error.is_parse() || activity.wants_linger() { Turn::Close(metered, true) } else { Turn::Gone }
        }
    }
}
