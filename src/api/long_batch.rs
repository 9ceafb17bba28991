//! Batches that take longer than a slice, one after the other.
//!
//! A body of 2 KiB may inflate to 1 MiB, and its metrics take some 20 ms. If hundreds of such batches were worked on at
//! once, each would hold its megabyte, and every other request of the worker would wait for a slice of each. So a worker has
//! few turns; a batch that waits for one is kept as it came, compressed.

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

/// Long batches of a worker that are worked on at once, slice by slice in turn: two, so that one of a megabyte does not hold
/// up all others.
const TURNS: usize = 2;

/// Long batches of a worker that may be under way, those with a turn included; past that, they are refused with 503. The worst
/// batch takes 30 ms, so the last one waits for some seconds, as long as a client has patience.
const MAX_LONG: usize = 256;

/// Those of one connection: one client must not keep others from all turns.
const MAX_LONG_OF_CONNECTION: usize = 16;

/// The turns of one worker.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    under_way: Cell<usize>,
    /// Wakes who waits for the last one to end.
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

    /// How many long batches wait or are worked on.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.get()
    }
}

/// Counts a batch as under way until it is dropped.
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

/// What became of a batch within its first slice.
pub(crate) enum FirstSlice {
    /// All of it was taken.
    Done(Report),
    /// The rest is taken in a task of its own.
    Long(LongBatch),
}

/// Takes the first slice of a batch, and begins a task for the rest if that was not all. A body of more than a slice takes
/// none before its turn, so that it does not overtake those that wait.
///
/// # Errors
///
/// The body cannot be inflated or read, or too many long batches wait. Nothing was taken then.
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

/// What is left to do.
enum Work {
    /// A body that is still compressed.
    Body(ContentType, Body),
    /// A batch, and the body that it reads.
    Batch(Batch, Body),
}

/// A long batch as its request sees it: a future of its report.
///
/// The batch came whole, so it is taken even if the client does not stay for the answer, as a short one is.
#[derive(Debug)]
pub(crate) struct LongBatch(JoinHandle<Result<Report, Refusal>>);

impl Future for LongBatch {
    type Output = Result<Report, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.unwrap_or(Err(Refusal::Internal)))
    }
}

/// Waits for a turn, and takes what is left of a batch slice by slice.
async fn run(under_way: UnderWay, work: Work, cap: usize) -> Result<Report, Refusal> {
    let context = &under_way.context;
    // Nobody closes the semaphore.
    let _turn = context.turns.free.acquire().await.map_err(|_| Refusal::Internal)?;
    // The body holds its share of the budget for as long.
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
