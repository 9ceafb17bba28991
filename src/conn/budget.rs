//! Bounds the memory of the unfinished requests of one worker: the kept parts of their heads, and their bodies.
//!
//! Without this bound, connections that each begin a request and never end it would fill the memory: 10,000 batches without
//! their last byte would take 10 GB. When the budget is used up, a request that has been idle for long is refused instead of
//! the newest: it has had its time, and an attacker who begins requests and leaves them cannot keep others out. The choice
//! is in [`candidates`]. A connection may hold a small share of the memory; past it, one of its own requests is refused.
//!
//! An HTTP/1.1 request that arrives in one piece is not counted: it is served before anything else is read.

mod candidates;
mod holding;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use crate::conn::budget::candidates::Candidates;
use crate::conn::wake_slot::WakeSlot;

pub(crate) use crate::conn::budget::holding::Holding;

/// The most bytes that the unfinished requests of all workers hold, in equal parts. With it, 600 TLS connections that begin
/// as many requests as they may take less than 120 MB in all.
const PROCESS_TOTAL: usize = 32 * 1024 * 1024;

/// The least budget of one worker in bytes, however many workers there are.
const MIN_TOTAL: usize = 8 * 1024 * 1024;

/// The number of largest bodies that fit into the budget of a worker at least.
const BODIES_IN_TOTAL: usize = 4;

/// The most bytes that one connection holds beside two bodies of the largest size.
const CONNECTION_EXTRA: usize = 256 * 1024;

/// The bytes of an unfinished request beside its head and its body: its task, its entry here, and its part of the tables of
/// its HTTP/2 connection. Measured with 38,400 unfinished requests on 600 connections, and rounded up.
const REQUEST_OVERHEAD: usize = 3 * 1024;

/// The bytes of a body that reset its idle time: with it a slow upload continues for seconds beside a crowd of requests that
/// only begin.
const PROGRESS: usize = 1024;

/// The part of the budget that whole batches which wait for their turn leave to others. Without it, clients that send batches
/// faster than they are processed would fill the budget with requests that cannot be refused any more, and each slow upload
/// would be refused for them.
const UNFINISHED_PART: usize = 4;

/// The part of the budget that refused requests may hold until their tasks have run. Past it new requests are refused, since
/// memory that is not free yet cannot be given to them.
const LEAVING_PART: usize = 8;

/// The requests of one connection that are refused to free memory before the connection itself is closed, unless it has had
/// more served: the tables of an HTTP/2 connection never shrink. A reverse proxy, which carries the requests of many
/// clients, has more served.
pub(crate) const MAX_REFUSED: u32 = 16;

/// The memory for the unfinished requests of one worker.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Rc<Ledger>);

#[derive(Debug)]
struct Ledger {
    total: usize,
    per_connection: usize,
    held: Cell<usize>,
    /// Bytes that refused requests hold until their tasks have run.
    leaving: Cell<usize>,
    next: Cell<u64>,
    /// The requests that may be refused for others. Bounded by `total`: each holds [`REQUEST_OVERHEAD`].
    unfinished: RefCell<Candidates>,
}

/// The part of the budget that one connection holds.
#[derive(Debug, Default)]
pub struct ConnectionShare {
    held: Cell<usize>,
    /// Its requests that were refused to free memory.
    refused: Cell<u32>,
    /// Its long batches that wait for a turn, or have one.
    pub(crate) long_batches: Cell<usize>,
    wake: WakeSlot,
    /// Requests that may be refused for others of this connection; first the one that has been idle longest.
    unfinished: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

impl ConnectionShare {
    /// True if the connection has to be closed, since too many of its requests were refused; `served` is the number of
    /// served ones. Otherwise the task of `cx` is woken when that may have changed.
    pub(crate) fn is_exhausted(&self, served: u32, cx: &Context<'_>) -> bool {
        self.wake.set(cx);
        self.refused.get() >= MAX_REFUSED.max(served)
    }

    /// How many requests of the connection were refused to make space.
    pub(crate) fn refused(&self) -> u32 {
        self.refused.get()
    }

    fn note_refused(&self) {
        self.refused.set(self.refused.get() + 1);
        if self.refused.get() >= MAX_REFUSED {
            self.wake.wake();
        }
    }

    /// True if a request of the connection is incomplete.
    pub(crate) fn has_unfinished(&self) -> bool {
        !self.unfinished.borrow().is_empty()
    }
}

#[derive(Debug)]
struct Entry {
    /// Its position in the order of refusals. It grows with each [`PROGRESS`].
    number: Cell<u64>,
    /// When it got this position.
    since: Cell<Instant>,
    /// Its class among the [`Candidates`], while it may be refused for others.
    class: Cell<Option<usize>>,
    /// The bytes since then.
    progress: Cell<usize>,
    size: Cell<usize>,
    /// The bytes that are held for the request outside of `content`: its head.
    elsewhere: usize,
    content: RefCell<Vec<u8>>,
    kind: Kind,
    refused: Cell<bool>,
    wake: WakeSlot,
    share: Rc<ConnectionShare>,
}

impl Entry {
    fn counts_in_share(&self) -> bool {
        self.kind != Kind::PartialFrame
    }

    /// Bytes that its connection holds.
    fn held_by_connection(&self) -> usize {
        self.share.held.get() + if self.counts_in_share() { 0 } else { self.size.get() }
    }

    fn note_refused(&self) {
        if self.kind == Kind::Request {
            self.share.note_refused();
        }
    }
}

/// The use of held memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Request,
    /// The body of a request that was refused.
    Discarded,
    /// A partial frame of HTTP/2. It belongs to no request, and is too small to count in the share of its connection.
    PartialFrame,
}

/// The budget has no space, even after older requests were refused.
#[derive(Debug)]
pub(crate) struct NoSpace;

impl Budget {
    /// The budget of one of `workers`, for bodies of at most `largest_body` bytes.
    pub(crate) fn new(largest_body: usize, workers: usize) -> Self {
        Self(Rc::new(Ledger {
            total: (PROCESS_TOTAL / workers.max(1)).max(MIN_TOTAL).max(BODIES_IN_TOTAL * largest_body),
            per_connection: CONNECTION_EXTRA + 2 * largest_body,
            held: Cell::new(0),
            leaving: Cell::new(0),
            next: Cell::new(0),
            unfinished: RefCell::default(),
        }))
    }

    /// Begins to hold memory for an incomplete request: `head` bytes now, and those that [`Holding::append`] adds.
    ///
    /// # Errors
    ///
    /// There is no space, even after older requests were refused.
    pub(crate) fn hold(&self, share: &Rc<ConnectionShare>, head: usize) -> Result<Holding, NoSpace> {
        self.hold_as(share, head, Kind::Request)
    }

    /// Holds `size` bytes for a partial frame.
    ///
    /// # Errors
    ///
    /// As [`Budget::hold`].
    pub(crate) fn hold_partial_frame(&self, share: &Rc<ConnectionShare>, size: usize) -> Result<Holding, NoSpace> {
        self.hold_as(share, size, Kind::PartialFrame)
    }

    fn hold_as(&self, share: &Rc<ConnectionShare>, head: usize, kind: Kind) -> Result<Holding, NoSpace> {
        let entry = Rc::new(Entry {
            number: Cell::new(0),
            since: Cell::new(Instant::now()),
            class: Cell::new(None),
            progress: Cell::new(0),
            size: Cell::new(0),
            elsewhere: if kind == Kind::PartialFrame { head } else { head + REQUEST_OVERHEAD },
            content: RefCell::default(),
            kind,
            refused: Cell::new(false),
            wake: WakeSlot::default(),
            share: Rc::clone(share),
        });
        self.0.set_size(&entry, entry.elsewhere);
        self.0.put_last(&entry);
        let holding = Holding { budget: self.clone(), entry };
        if self.0.leaving.get() > self.0.total / LEAVING_PART {
            holding.entry.note_refused();
            return Err(NoSpace);
        }
        holding.resize().inspect_err(|_| holding.entry.note_refused())?;
        Ok(holding)
    }
}

impl Budget {
    /// As [`Budget::hold`], for a body that is only discarded. No other request is refused for it: `None` if there is no
    /// space.
    pub(crate) fn hold_discarded(&self, share: &Rc<ConnectionShare>) -> Option<Holding> {
        let fits = |held: &Cell<usize>, most: usize| held.get() + REQUEST_OVERHEAD <= most;
        let free = fits(&self.0.held, self.0.total) && fits(&share.held, self.0.per_connection);
        if free { self.hold_as(share, 0, Kind::Discarded).ok() } else { None }
    }
}

impl Ledger {
    /// Refuses a request of any connection for `but`. False if there is none.
    fn refuse_any(&self, but: &Entry) -> bool {
        let chosen = self.unfinished.borrow().choose(but, Instant::now()).cloned();
        chosen.is_some_and(|entry| self.refuse(&entry))
    }

    /// Refuses the request of the connection of `but` that has been idle longest, for `but`. False if there is none.
    fn refuse_of_connection(&self, but: &Entry) -> bool {
        let first = but.share.unfinished.borrow().values().find(|entry| entry.number != but.number).cloned();
        first.is_some_and(|entry| self.refuse(&entry))
    }

    fn refuse(&self, entry: &Entry) -> bool {
        self.forget(entry);
        // The received bytes are freed now, the rest when its task runs.
        let content = entry.content.take().capacity();
        self.set_size(entry, entry.size.get().saturating_sub(content));
        self.leaving.set(self.leaving.get() + entry.size.get());
        self.held.set(self.held.get() - entry.size.get());
        if entry.counts_in_share() {
            entry.share.held.set(entry.share.held.get() - entry.size.get());
        }
        entry.refused.set(true);
        entry.wake.wake();
        true
    }

    /// Makes `entry` the last in the order of refusals.
    fn put_last(&self, entry: &Rc<Entry>) {
        let number = self.next.get();
        self.next.set(number + 1);
        entry.number.set(number);
        entry.progress.set(0);
        self.unfinished.borrow_mut().insert(entry);
        if entry.counts_in_share() {
            entry.share.unfinished.borrow_mut().insert(number, Rc::clone(entry));
        }
    }

    /// Takes `entry` out of the order of refusals.
    fn forget(&self, entry: &Entry) {
        self.unfinished.borrow_mut().remove(entry);
        entry.share.unfinished.borrow_mut().remove(&entry.number.get());
    }

    fn set_size(&self, entry: &Entry, size: usize) {
        let before = entry.size.replace(size);
        self.held.set(self.held.get() - before + size);
        if entry.counts_in_share() {
            entry.share.held.set(entry.share.held.get() - before + size);
        }
        self.unfinished.borrow_mut().note_size(entry, before);
    }
}

#[cfg(test)]
mod tests;
