//! One connection, from its first byte to its close.
//!
//! An HTTP/1.1 connection holds hyper's state only while it has something to do: new and idle ones are asleep, a
//! socket and a [`Watch`](crate::http::deadline::Watch), under 1 KiB. The first byte wakes them.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use crate::handler::Exchange;
use crate::http::deadline::{Order, Watch};
use crate::http::frames::FrameMeter;
use crate::http::linger;
use crate::http::metered::{Metered, Transport};
use crate::worker::Worker;

/// The most bytes hyper buffers for one connection, and so for one head: a request of ours needs some hundred, a
/// browser's cookies some thousand, a token up to 8 KiB. hyper's default lets in 500 KB.
const MAX_BUFFER: usize = 16 * 1024;

/// Requests that one HTTP/2 connection may have under way: more than any page needs at once.
const MAX_STREAMS: u32 = 64;

/// HTTP/2 flow-control window, for a stream and for a connection, in bytes: a body of the default cap in one go.
const WINDOW: u32 = 64 * 1024;

/// How often a quiet HTTP/2 peer is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Configured builders, made once for each worker.
pub struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
}

impl Default for Protocols {
    fn default() -> Self {
        let mut http1 = http1::Builder::new();
        // No timer: the sweep keeps the deadlines. Flat writes: an answer is one small buffer and one system call.
        http1.max_buf_size(MAX_BUFFER).header_read_timeout(None).writev(false);
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(MAX_BUFFER as u32)
            .max_send_buf_size(MAX_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL / 3);
        Self { http1, http2 }
    }
}

/// Runs hyper's HTTP/2 streams on the worker that owns their connection.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(async move {
            stream.await;
        });
    }
}

/// Hands requests to the handler.
struct Handler {
    worker: Rc<Worker>,
    watch: Rc<Watch>,
}

impl Service<Request<Incoming>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = Exchange;

    fn call(&self, request: Request<Incoming>) -> Exchange {
        Exchange::begin(Rc::clone(&self.worker), Rc::clone(&self.watch), request)
    }
}

/// How a waking of HTTP/1.1 ended.
enum Turn<T> {
    /// Nothing to do: free hyper's state, and sleep.
    Sleep(Metered<T>),
    /// Close, after lingering if the peer may still be sending.
    Close(Metered<T>, bool),
    /// Gone already, or to be dropped at once.
    Gone,
}

/// Serves HTTP/1.1 until either side closes.
pub async fn http1<T: Transport>(transport: T, worker: Rc<Worker>, watch: Rc<Watch>) {
    let mut metered = Metered::new(transport, Rc::clone(&watch));
    loop {
        let readable = poll_fn(|cx| match watch.order(cx) {
            Some(Order::Close) => Poll::Ready(false),
            _ => metered.poll_readable(cx).map(|ready| ready.is_ok()),
        });
        if !readable.await {
            return;
        }
        watch.set_awake(true);
        let turn = awake(metered, &worker, &watch).await;
        watch.set_awake(false);
        match turn {
            Turn::Sleep(back) => metered = back,
            Turn::Close(back, true) => return linger::close(back, watch).await,
            Turn::Close(_, false) | Turn::Gone => return,
        }
    }
}

async fn awake<T: Transport>(metered: Metered<T>, worker: &Rc<Worker>, watch: &Rc<Watch>) -> Turn<T> {
    let handler = Handler { worker: Rc::clone(worker), watch: Rc::clone(watch) };
    // Boxed, so that a sleeping connection's task does not keep room for it.
    let mut connection = Box::new(worker.protocols.http1.serve_connection(TokioIo::new(metered), handler));
    let result = poll_fn(|cx| match watch.order(cx) {
        Some(Order::Close | Order::Goodbye) => Poll::Ready(None),
        Some(Order::Sleep) if watch.may_sleep() => Poll::Ready(None),
        _ => connection.poll_without_shutdown(cx).map(Some),
    })
    .await;
    let parts = connection.into_parts();
    let mut metered = parts.io.into_inner();
    match result {
        None if watch.may_sleep() => {
            // Half a head that came with the last request begins its deadline now.
            if !parts.read_buf.is_empty() {
                watch.begin_head();
            }
            metered.unread(parts.read_buf);
            Turn::Sleep(metered)
        }
        None => Turn::Gone,
        Some(Ok(())) => Turn::Close(metered, watch.wants_linger() || !parts.read_buf.is_empty()),
        Some(Err(error)) => {
            debug!("HTTP/1.1 connection ended: {error}");
            // A head that was refused has been answered; the peer may still be sending the rest.
            if error.is_parse() || watch.wants_linger() { Turn::Close(metered, true) } else { Turn::Gone }
        }
    }
}

/// Serves HTTP/2 until either side closes.
pub async fn http2<T: Transport>(transport: T, worker: Rc<Worker>, watch: Rc<Watch>) {
    watch.multiplex();
    let frames = FrameMeter::new(Rc::clone(&worker.deadlines));
    let metered = Metered::new(transport, Rc::clone(&watch)).with_frames(frames);
    let handler = Handler { worker: Rc::clone(&worker), watch: Rc::clone(&watch) };
    let mut connection = Box::pin(worker.protocols.http2.serve_connection(TokioIo::new(metered), handler));
    let result = poll_fn(|cx| {
        match watch.order(cx) {
            Some(Order::Close) => return Poll::Ready(Ok(())),
            Some(Order::Goodbye) => connection.as_mut().graceful_shutdown(),
            Some(Order::Sleep) | None => {}
        }
        Pin::new(&mut connection).poll(cx)
    })
    .await;
    if let Err(error) = result {
        debug!("HTTP/2 connection ended: {error}");
    }
}
