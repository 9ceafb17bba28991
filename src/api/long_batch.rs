//! Batches that take longer than a slice, one after the other.
//!
//! A body of 2 KiB may inflate to 1 MiB, and its metrics take some 20 ms. If hundreds of such batches were worked on at
//! once, each would hold its megabyte, and every other request of the worker would wait for a slice of each. So a worker has
//! few turns; a batch that waits for one is kept as it came, compressed.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_local, yield_now};

use crate::ingest::batch::{Batch, Report, SLICE};
use crate::ingest::content_type::ContentType;
use crate::api::refusals::Refusal;
use crate::conn::body::{Body, BodyError, Limits};
use crate::api::context::Shared;

/// Long batches of a worker that are worked on at once, slice by slice in turn: two, so that one of a megabyte does not hold
/// up all others.
const TURNS: usize = 2;

/// Long batches of a worker that may wait for a turn; past that, they are refused with 503. The worst batch takes 30 ms, so
/// the last one waits for some seconds, as long as a client has patience.
const MAX_WAITING: usize = 256;

/// The turns of one worker.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    waiting: Cell<usize>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Semaphore::new(TURNS), waiting: Cell::new(0) }
    }
}

/// Counts a batch among those that wait, until it is dropped.
struct Waiting(Rc<Shared>);

impl Waiting {
    fn begin(shared: &Rc<Shared>) -> Result<Self, BodyError> {
        let waiting = &shared.turns.waiting;
        if waiting.get() >= MAX_WAITING {
            return Err(BodyError::Crowded);
        }
        waiting.set(waiting.get() + 1);
        Ok(Self(Rc::clone(shared)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = &self.0.turns.waiting;
        waiting.set(waiting.get() - 1);
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
    shared: &Rc<Shared>,
    content_type: ContentType,
    mut body: Body,
    limits: &Limits,
) -> Result<FirstSlice, Refusal> {
    if !body.inflate_up_to(SLICE, limits)? {
        return begin(shared, Work::Body(content_type, body), limits);
    }
    let mut batch = Batch::new(content_type, body.bytes.clone(), limits.cap)?;
    if body.bytes.len() <= SLICE && batch.advance(&shared.config.style, &mut &**shared)? {
        return Ok(FirstSlice::Done(batch.into_report()));
    }
    begin(shared, Work::Batch(batch, body), limits)
}

fn begin(shared: &Rc<Shared>, mut work: Work, limits: &Limits) -> Result<FirstSlice, Refusal> {
    let waiting = Waiting::begin(shared)?;
    let (Work::Body(_, body) | Work::Batch(_, body)) = &mut work;
    body.keep(limits)?;
    let begun = Rc::new(Cell::new(matches!(&work, Work::Batch(..))));
    let task = spawn_local(run(Rc::clone(shared), work, waiting, limits.cap, Rc::clone(&begun)));
    Ok(FirstSlice::Long(LongBatch { task, begun }))
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
/// If the client does not stay for the answer, a batch that still waits is given up, and one that has begun is taken to its
/// end, as a short one would have been.
#[derive(Debug)]
pub(crate) struct LongBatch {
    task: JoinHandle<Result<Report, Refusal>>,
    begun: Rc<Cell<bool>>,
}

impl Future for LongBatch {
    type Output = Result<Report, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(|done| done.unwrap_or(Err(Refusal::Internal)))
    }
}

impl Drop for LongBatch {
    fn drop(&mut self) {
        if !self.begun.get() {
            self.task.abort();
        }
    }
}

/// Waits for a turn, and takes what is left of a batch slice by slice.
async fn run(
    shared: Rc<Shared>,
    work: Work,
    waiting: Waiting,
    cap: usize,
    begun: Rc<Cell<bool>>,
) -> Result<Report, Refusal> {
    // Nobody closes the semaphore.
    let _turn = shared.turns.free.acquire().await.map_err(|_| Refusal::Internal)?;
    drop(waiting);
    begun.set(true);
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
        if batch.advance(&shared.config.style, &mut &*shared)? {
            return Ok(batch.into_report());
        }
    }
}
