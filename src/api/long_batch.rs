//! Processes batches that take longer than a slice, one after the other.
//!
//! A body of 2 KiB may inflate to 1 MiB, and its metrics take some 20 ms. If a worker processed hundreds of such batches at
//! once, each would hold its megabyte, and each other request would wait for a slice of all of them. So a worker has few
//! turns, and a batch that waits for one stays compressed.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_local, yield_now};

use crate::api::context::Context;
use crate::api::refusals::Refusal;
use crate::conn::body::{Body, BodyError, Limits};
use crate::conn::budget::ConnectionShare;
use crate::conn::wake_slot::WakeSlot;
use crate::ingest::batch::{Batch, Report, SLICE};
use crate::ingest::content_type::ContentType;

/// The long batches that a worker processes at once, slice by slice in turn: two, so that one of a megabyte does not delay
/// all others.
const TURNS: usize = 2;

/// The most long batches of a worker, with and without a turn; more are refused with 503. The worst batch takes 30 ms, so
/// the last one waits for some seconds, as long as clients usually wait.
const MAX_LONG: usize = 256;

/// The most long batches of one connection: one client must not take the turns of all others.
const MAX_LONG_OF_CONNECTION: usize = 16;

/// The turns of one worker.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    under_way: Cell<usize>,
    /// Wakes the task that waits for the last one to end.
    empty: WakeSlot,
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Semaphore::new(TURNS), under_way: Cell::new(0), empty: WakeSlot::default() }
    }
}

impl Turns {
    /// Waits until no long batch is left.
    pub(crate) async fn drained(&self) {
        poll_fn(|cx| {
            if self.under_way.get() == 0 {
                return Poll::Ready(());
            }
            self.empty.set(cx);
            Poll::Pending
        })
        .await;
    }

    /// The number of long batches that wait or have a turn.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.get()
    }
}

/// Counts a long batch until it is dropped.
struct UnderWay {
    context: Rc<Context>,
    share: Rc<ConnectionShare>,
}

impl UnderWay {
    fn begin(context: &Rc<Context>, share: &Rc<ConnectionShare>) -> Result<Self, BodyError> {
        let turns = &context.turns;
        if turns.under_way.get() >= MAX_LONG || share.long_batches.get() >= MAX_LONG_OF_CONNECTION {
            return Err(BodyError::Crowded);
        }
        turns.under_way.set(turns.under_way.get() + 1);
        share.long_batches.set(share.long_batches.get() + 1);
        Ok(Self { context: Rc::clone(context), share: Rc::clone(share) })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let turns = &self.context.turns;
        self.share.long_batches.set(self.share.long_batches.get() - 1);
        turns.under_way.set(turns.under_way.get() - 1);
        if turns.under_way.get() == 0 {
            turns.empty.wake();
        }
    }
}

/// The outcome of the first slice of a batch.
pub(crate) enum FirstSlice {
    /// The batch is complete.
    Done(Report),
    /// A task processes the rest.
    Long(LongBatch),
}

/// Processes the first slice of a batch, and starts a task for the rest if there is more. Of a body larger than a slice it
/// processes nothing before its turn, so that it does not overtake those that wait.
///
/// # Errors
///
/// The body cannot be inflated or read, or too many long batches wait. No metric was forwarded then.
pub(crate) fn take(
    context: &Rc<Context>,
    content_type: ContentType,
    mut body: Body,
    limits: &Limits,
) -> Result<FirstSlice, Refusal> {
    if !body.inflate_up_to(SLICE, limits)? {
        return begin(context, Work::Body(content_type, body), limits);
    }
    let mut batch = Batch::new(content_type, body.bytes.clone(), limits.cap)?;
    if body.bytes.len() <= SLICE && context.advance(&mut batch)? {
        return Ok(FirstSlice::Done(batch.into_report()));
    }
    begin(context, Work::Batch(batch, body), limits)
}

fn begin(context: &Rc<Context>, mut work: Work, limits: &Limits) -> Result<FirstSlice, Refusal> {
    let under_way = UnderWay::begin(context, limits.activity.share())?;
    let (Work::Body(_, body) | Work::Batch(_, body)) = &mut work;
    body.keep(limits)?;
    Ok(FirstSlice::Long(LongBatch(spawn_local(run(under_way, work, limits.cap)))))
}

/// The work that is left.
enum Work {
    /// A body that is still compressed.
    Body(ContentType, Body),
    /// A batch, and the body that it reads.
    Batch(Batch, Body),
}

/// A long batch as a future of its report.
///
/// The batch arrived whole, so it is processed even if the client does not wait for the answer, as a short one is.
#[derive(Debug)]
pub(crate) struct LongBatch(JoinHandle<Result<Report, Refusal>>);

impl Future for LongBatch {
    type Output = Result<Report, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.unwrap_or(Err(Refusal::Internal)))
    }
}

/// Waits for a turn, and processes the rest of a batch slice by slice.
async fn run(under_way: UnderWay, work: Work, cap: usize) -> Result<Report, Refusal> {
    let context = &under_way.context;
    // Nobody closes the semaphore.
    let _turn = context.turns.free.acquire().await.map_err(|_| Refusal::Internal)?;
    // The body holds its share of the budget until then.
    let (mut batch, _body) = match work {
        Work::Body(content_type, mut body) => {
            body.inflate(cap)?;
            (Batch::new(content_type, body.bytes.clone(), cap)?, body)
        }
        Work::Batch(batch, body) => (batch, body),
    };
    loop {
        yield_now().await;
        if context.advance(&mut batch)? {
            return Ok(batch.into_report());
        }
    }
}
