//! An answer without an end: server-sent events (HTML standard section 9.2).

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::conn::activity::Activity;
use crate::conn::deadlines::Deadlines;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// All bytes.
    Whole(Full<Bytes>),
    /// Events that follow. Boxed: most answers are whole, and each is moved several times.
    Events(Box<Events>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Events(events) => events.poll_next(cx).map(|event| event.map(|event| Ok(Frame::data(event)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// A request that has not ended. When it is dropped, its connection has an idle deadline again.
#[derive(Debug)]
pub struct OpenRequest(Rc<Activity>);

impl OpenRequest {
    /// A request of the connection of `activity`, which has noted its beginning.
    pub(crate) fn new(activity: Rc<Activity>) -> Self {
        Self(activity)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

type Next = Pin<Box<dyn Future<Output = (Result<Bytes, RecvError>, Receiver<Bytes>)>>>;

/// Sends events until a shutdown. The write deadline closes the connection of a peer that does not read them.
pub(crate) struct Events {
    first: Option<Bytes>,
    next: Next,
    open_request: Option<OpenRequest>,
    deadlines: Rc<Deadlines>,
}

impl Events {
    /// The event `first`, and then those of `receiver`.
    pub(crate) fn new(first: Bytes, receiver: Receiver<Bytes>, deadlines: Rc<Deadlines>) -> Self {
        Self { first: Some(first), next: Box::pin(receive(receiver)), open_request: None, deadlines }
    }

    /// Keeps the request open until the last event.
    pub(crate) fn keep_open(&mut self, request: OpenRequest) {
        self.open_request = Some(request);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            let Poll::Ready((event, receiver)) = self.next.as_mut().poll(cx) else { return Poll::Pending };
            match event {
                Ok(event) if !self.deadlines.closing() => {
                    self.next = Box::pin(receive(receiver));
                    return Poll::Ready(Some(event));
                }
                // Some events were missed: the next flush contains the current state.
                Err(RecvError::Lagged(_)) => self.next = Box::pin(receive(receiver)),
                Ok(_) | Err(RecvError::Closed) => {
                    // Before the last chunk is written, since that ends the request.
                    self.open_request = None;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

async fn receive(mut receiver: Receiver<Bytes>) -> (Result<Bytes, RecvError>, Receiver<Bytes>) {
    (receiver.recv().await, receiver)
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
