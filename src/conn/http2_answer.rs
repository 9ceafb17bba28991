//! Sends the body of an answer on an HTTP/2 stream, under the flow control of the peer.
//!
//! A peer that opens no window (RFC 9113 section 6.9) could make the server hold 64 answers per connection. So an answer
//! that cannot be sent at once counts in the budget of unfinished requests, and has the write deadline.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;

use crate::conn::activity::Activity;
use crate::conn::budget::Budget;
use crate::conn::event_stream::AnswerBody;

/// The bytes that a peer has to read within the write timeout. Most answers are shorter.
const TIMED_BYTES: usize = 4 * 1024;

/// An answer whose head is sent and whose body is not.
pub(crate) struct Unsent {
    body: AnswerBody,
    stream: SendStream<Bytes>,
}

impl Unsent {
    /// Sends `body` on `stream` if it is whole and fits into the window of the peer. Otherwise [`Unsent::send`] sends it.
    pub(crate) fn begin(mut body: AnswerBody, mut stream: SendStream<Bytes>) -> Result<Option<Box<Self>>, h2::Error> {
        let Some(length) = body.size_hint().exact() else { return Ok(Some(Box::new(Self { body, stream }))) };
        stream.reserve_capacity(length as usize);
        if (stream.capacity() as u64) < length {
            return Ok(Some(Box::new(Self { body, stream })));
        }
        // A whole body is ready at once.
        if let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            stream.send_data(piece.into_data().unwrap_or_default(), true)?;
        }
        Ok(None)
    }

    /// Sends the rest, piece by piece. The request counts as open until then.
    ///
    /// # Errors
    ///
    /// The peer has reset the stream or has not read a piece within the write timeout, or others need the memory.
    pub(crate) async fn send(mut self: Box<Self>, budget: &Budget, activity: Rc<Activity>) -> Result<(), h2::Error> {
        let _under_way = activity.continue_request();
        loop {
            let piece = poll_fn(|cx| {
                if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_frame(cx) {
                    return Poll::Ready(Ok(piece));
                }
                self.stream.poll_reset(cx).map(|reset| reset.and_then(|reason| Err(reason.into())))
            })
            .await?;
            let Some(Ok(frame)) = piece else { return self.stream.send_data(Bytes::new(), true) };
            let Ok(data) = frame.into_data() else { continue };
            let ends = self.body.is_end_stream();
            self.send_piece(data, ends, budget, &activity).await?;
            if ends {
                return Ok(());
            }
        }
    }

    async fn send_piece(
        &mut self,
        mut data: Bytes,
        ends: bool,
        budget: &Budget,
        activity: &Rc<Activity>,
    ) -> Result<(), h2::Error> {
        let (mut waiting, mut sent) = (None, 0);
        while !data.is_empty() {
            self.stream.reserve_capacity(data.len());
            let capacity = poll_fn(|cx| {
                if let Poll::Ready(capacity) = self.poll_capacity(cx) {
                    return Poll::Ready(capacity);
                }
                if waiting.is_none() {
                    // Without memory the stream is reset, since its peer does not read.
                    let Ok(holding) = budget.hold(activity.share(), data.len()) else {
                        return Poll::Ready(Err(Reason::ENHANCE_YOUR_CALM.into()));
                    };
                    waiting = Some((activity.deadlines().watch_answer(), holding));
                }
                let is_late =
                    waiting.as_ref().is_some_and(|(guard, holding)| guard.expired(cx) || holding.is_refused(cx));
                if is_late { Poll::Ready(Err(Reason::ENHANCE_YOUR_CALM.into())) } else { Poll::Pending }
            });
            let capacity = match capacity.await {
                Ok(capacity) => capacity,
                Err(error) => {
                    self.stream.send_reset(error.reason().unwrap_or(Reason::CANCEL));
                    return Err(error);
                }
            };
            let piece = data.split_to(capacity.min(data.len()));
            sent += piece.len();
            if sent >= TIMED_BYTES {
                (waiting, sent) = (None, 0);
            }
            self.stream.send_data(piece, ends && data.is_empty())?;
        }
        Ok(())
    }

    /// Waits until the peer can take another byte of the stream.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            }
        }
        Poll::Ready(Ok(self.stream.capacity()))
    }
}
