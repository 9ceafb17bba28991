//! The memory that the unfinished requests of one worker may hold: what is kept of their heads, and their bodies.
//!
//! Without this bound, connections that each begin a request and never end it would fill the memory: 10,000 batches of
//! which the last byte is missing would be 10 GB. When the budget is used up, the request that has been idle longest is refused,
//! not the newcomer: it has had its time, and an attacker who begins requests and lets them lie cannot shut others out. One
//! connection may hold a small share of the memory; past it, one of its own requests is refused.
//!
//! A request over HTTP/1.1 that came in one piece is not counted: it is served before anything else is read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Context;

use crate::conn::wake_slot::WakeSlot;

/// Bytes that the unfinished requests of all workers may hold together, in equal parts. 600 TLS connections that begin as many
/// requests as they may then stay under 120 MB in all.
const PROCESS_TOTAL: usize = 32 * 1024 * 1024;

/// Bytes that the unfinished requests of one worker may hold at the least, however many workers there are.
const MIN_TOTAL: usize = 8 * 1024 * 1024;

/// The largest bodies that the total must have capacity for, at the least.
const BODIES_IN_TOTAL: usize = 4;

/// Bytes that one connection may hold beside two bodies of the largest size.
const CONNECTION_EXTRA: usize = 256 * 1024;

/// What an unfinished request takes beside its head and its body, in bytes: the task, the entry here, and its part of the
/// tables of its HTTP/2 connection. Measured with 38,400 unfinished requests on 600 connections, rounded up.
const REQUEST_OVERHEAD: usize = 3 * 1024;

/// Bytes of a body that reset its idle time: a slow upload goes on for seconds beside a crowd of requests that only begin.
const PROGRESS: usize = 1024;

/// The part of the total that refused requests may hold until their tasks have run. Past it newcomers are refused, since
/// memory that is not free yet cannot be given to them.
const LEAVING_PART: usize = 8;

/// Requests of one connection that are refused to make space before the connection itself is closed, if it has had fewer served:
/// the tables of an HTTP/2 connection stay as large as they once were. A proxy in front, which carries the requests of many,
/// has more served.
const MAX_REFUSED: u32 = 16;

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
    /// Requests that may be refused for others; first the one that has been idle longest. Bounded by `total`: each holds [`REQUEST_OVERHEAD`].
    unfinished: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

/// What one connection holds of the budget.
#[derive(Debug, Default)]
pub struct ConnectionShare {
    held: Cell<usize>,
    /// Requests that were refused to make space.
    refused: Cell<u32>,
    /// Its batches that wait for a turn, or have one.
    pub(crate) long_batches: Cell<usize>,
    wake: WakeSlot,
    /// As in [`Ledger`], of this connection.
    unfinished: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

impl ConnectionShare {
    /// True if so many requests of the connection were refused, of which `served` were served, that it has to be closed. Else
    /// the task of `cx` is woken when that may be.
    pub(crate) fn is_exhausted(&self, served: u32, cx: &Context<'_>) -> bool {
        self.wake.set(cx);
        self.refused.get() >= MAX_REFUSED.max(served)
    }

    fn note_refused(&self) {
        self.refused.set(self.refused.get() + 1);
        if self.refused.get() >= MAX_REFUSED {
            self.wake.wake();
        }
    }

    /// True if a request of the connection is not there whole.
    pub(crate) fn has_unfinished(&self) -> bool {
        !self.unfinished.borrow().is_empty()
    }
}

#[derive(Debug)]
struct Entry {
    /// Its place in the order; higher with each [`PROGRESS`].
    number: Cell<u64>,
    /// Bytes since then.
    progress: Cell<usize>,
    size: Cell<usize>,
    /// Bytes that are held for the request but lie elsewhere: its head.
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

    fn note_refused(&self) {
        if self.kind == Kind::Request {
            self.share.note_refused();
        }
    }
}

/// What memory is held for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Request,
    /// The body of a request that was refused.
    Discarded,
    /// A frame of HTTP/2 of which a part has come: of no request, and too small to count in its connection's share.
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

    /// Begins to hold memory for a request that is not there whole: `head` bytes now, and what [`Holding::append`] adds.
    pub(crate) fn hold(&self, share: &Rc<ConnectionShare>, head: usize) -> Result<Holding, NoSpace> {
        self.hold_as(share, head, Kind::Request)
    }

    /// Holds `size` bytes for a frame of which a part has come.
    pub(crate) fn hold_partial_frame(&self, share: &Rc<ConnectionShare>, size: usize) -> Result<Holding, NoSpace> {
        self.hold_as(share, size, Kind::PartialFrame)
    }

    fn hold_as(&self, share: &Rc<ConnectionShare>, head: usize, kind: Kind) -> Result<Holding, NoSpace> {
        let entry = Rc::new(Entry {
            number: Cell::new(0),
            progress: Cell::new(0),
            size: Cell::new(0),
            elsewhere: if kind == Kind::PartialFrame { head } else { head + REQUEST_OVERHEAD },
            content: RefCell::default(),
            kind,
            refused: Cell::new(false),
            wake: WakeSlot::default(),
            share: Rc::clone(share),
        });
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
    /// As [`Budget::hold`], for a body that is only discarded, which is not worth the refusal of another request: `None` if
    /// there is no space.
    pub(crate) fn hold_discarded(&self, share: &Rc<ConnectionShare>) -> Option<Holding> {
        let fits = |held: &Cell<usize>, most: usize| held.get() + REQUEST_OVERHEAD <= most;
        let free = fits(&self.0.held, self.0.total) && fits(&share.held, self.0.per_connection);
        if free { self.hold_as(share, 0, Kind::Discarded).ok() } else { None }
    }
}

impl Ledger {
    /// Refuses the first of `requests` that is not `but`. False if there is none.
    fn refuse_first(&self, requests: &RefCell<BTreeMap<u64, Rc<Entry>>>, but: &Entry) -> bool {
        let first = requests.borrow().values().find(|entry| entry.number != but.number).cloned();
        let Some(entry) = first else { return false };
        self.forget(&entry);
        // Of what came there is nothing left; the rest goes when its task runs.
        let content = entry.content.take().capacity();
        self.set_size(&entry, entry.size.get().saturating_sub(content));
        self.leaving.set(self.leaving.get() + entry.size.get());
        self.held.set(self.held.get() - entry.size.get());
        if entry.counts_in_share() {
            entry.share.held.set(entry.share.held.get() - entry.size.get());
        }
        entry.refused.set(true);
        entry.wake.wake();
        true
    }

    /// Makes `entry` the last that is refused for others.
    fn put_last(&self, entry: &Rc<Entry>) {
        let number = self.next.get();
        self.next.set(number + 1);
        entry.number.set(number);
        self.unfinished.borrow_mut().insert(number, Rc::clone(entry));
        if entry.counts_in_share() {
            entry.share.unfinished.borrow_mut().insert(number, Rc::clone(entry));
        }
    }

    /// From now on `entry` is not refused for others.
    fn forget(&self, entry: &Entry) {
        self.unfinished.borrow_mut().remove(&entry.number.get());
        entry.share.unfinished.borrow_mut().remove(&entry.number.get());
    }

    fn set_size(&self, entry: &Entry, size: usize) {
        let before = entry.size.replace(size);
        self.held.set(self.held.get() - before + size);
        if entry.counts_in_share() {
            entry.share.held.set(entry.share.held.get() - before + size);
        }
    }
}

/// The memory that one request holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    budget: Budget,
    entry: Rc<Entry>,
}

impl Holding {
    /// True if the request was refused to make space for others: its body is gone. Else the task of `cx` is woken when
    /// that happens.
    pub(crate) fn is_refused(&self, cx: &Context<'_>) -> bool {
        self.entry.wake.set(cx);
        self.entry.refused.get()
    }

    /// Adds a piece of the body, which is expected to have `length` bytes in all.
    pub(crate) fn append(&self, piece: &[u8], length: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        let mut content = self.entry.content.borrow_mut();
        if content.capacity() - content.len() < piece.len() {
            // Twice as much each time, so that little is moved, but not more than is expected.
            let needed = content.len() + piece.len();
            let capacity = needed.max(length.min(2 * content.capacity()));
            let additional = capacity - content.len();
            content.reserve_exact(additional);
        }
        content.extend_from_slice(piece);
        drop(content);
        self.note_progress(piece.len());
        self.resize()
    }

    /// So many bytes of the body have come.
    pub(crate) fn note_progress(&self, bytes: usize) {
        let (ledger, entry) = (&*self.budget.0, &self.entry);
        entry.progress.set(entry.progress.get() + bytes);
        let is_unfinished = || ledger.unfinished.borrow().contains_key(&entry.number.get());
        if entry.progress.get() >= PROGRESS && is_unfinished() {
            entry.progress.set(0);
            ledger.forget(entry);
            ledger.put_last(entry);
        }
    }

    /// Looks at what came so far.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.entry.content.borrow())
    }

    /// Takes the body out, which came whole. It counts until the holding is dropped, and the request is not refused for
    /// others any more.
    pub(crate) fn finish(&self) -> Result<Vec<u8>, NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.budget.0.forget(&self.entry);
        Ok(self.entry.content.take())
    }

    /// From now on the body takes `size` bytes, which lie elsewhere: it was replaced by another form of it.
    pub(crate) fn replaced_by(&self, size: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.set(self.entry.elsewhere + size)
    }

    /// From now on the partial frame takes `size` bytes.
    pub(crate) fn resize_partial_frame(&self, size: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        let before = self.entry.size.get();
        // Fewer are of another frame.
        self.note_progress(if size < before { PROGRESS } else { size - before });
        self.set(size)
    }

    fn resize(&self) -> Result<(), NoSpace> {
        let capacity = self.entry.content.borrow().capacity();
        self.set(self.entry.elsewhere + capacity)
    }

    fn set(&self, size: usize) -> Result<(), NoSpace> {
        let (ledger, entry) = (&*self.budget.0, &*self.entry);
        ledger.set_size(entry, size);
        while entry.share.held.get() > ledger.per_connection {
            if !ledger.refuse_first(&entry.share.unfinished, entry) {
                return Err(NoSpace);
            }
        }
        while ledger.held.get() > ledger.total {
            if !ledger.refuse_first(&ledger.unfinished, entry) {
                return Err(NoSpace);
            }
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let (ledger, entry) = (&*self.budget.0, &*self.entry);
        if entry.refused.get() {
            ledger.leaving.set(ledger.leaving.get() - entry.size.get());
            // Only now: the answer comes before the connection is closed.
            entry.note_refused();
        } else {
            ledger.forget(entry);
            ledger.set_size(entry, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    const BODY: usize = 1024 * 1024;

    fn refused(holding: &Holding) -> bool {
        holding.is_refused(&Context::from_waker(Waker::noop()))
    }

    /// The tasks of refused requests run.
    fn leave(holdings: &mut Vec<Holding>) -> usize {
        let before = holdings.len();
        holdings.retain(|holding| !refused(holding));
        before - holdings.len()
    }

    fn share() -> Rc<ConnectionShare> {
        Rc::default()
    }

    #[test]
    fn the_oldest_request_makes_space_for_the_newest() {
        let budget = Budget::new(BODY, 1);
        let fit = PROCESS_TOTAL / BODY;
        let mut left = 0;
        let mut holdings = Vec::new();
        for _ in 0..fit + 16 {
            let holding = budget.hold(&share(), 100).expect("older ones make space");
            holding.append(&vec![b'x'; BODY], BODY).expect("older ones make space");
            assert!(budget.0.held.get() <= PROCESS_TOTAL);
            assert!(!refused(&holding));
            holdings.push(holding);
            left += leave(&mut holdings);
        }
        assert!((16..=20).contains(&left), "{left} refused");
        drop(holdings);
        assert_eq!((budget.0.held.get(), budget.0.leaving.get()), (0, 0));
        assert!(budget.0.unfinished.borrow().is_empty());
    }

    #[test]
    fn what_goes_on_to_come_outlives_what_lies() {
        let budget = Budget::new(BODY, 1);
        let slow = budget.hold(&share(), 100).expect("space");
        let lies = budget.hold(&share(), 100).expect("space");
        let mut crowd = Vec::new();
        for i in 0..4 * PROCESS_TOTAL / REQUEST_OVERHEAD {
            crowd.push(budget.hold(&share(), 100).expect("older ones make space"));
            if i.is_multiple_of(1000) {
                slow.append(&[b'x'; PROGRESS / 4], BODY).expect("not refused");
                leave(&mut crowd);
            }
        }
        assert!(refused(&lies) && !refused(&slow));
    }

    #[test]
    fn a_partial_frame_is_not_in_the_share_of_its_connection() {
        let budget = Budget::new(BODY, 1);
        let greedy = share();
        let partial = budget.hold_partial_frame(&greedy, 8000).expect("space");
        let uploads: Vec<Holding> = (0..4)
            .map(|_| {
                let holding = budget.hold(&greedy, 0).expect("space");
                holding.append(&vec![b'x'; BODY - 1], BODY).expect("space");
                holding
            })
            .collect();
        assert!(uploads.iter().any(refused) && !refused(&partial));
        partial.resize_partial_frame(16_000).expect("space");
        drop(uploads);
        assert_eq!((greedy.held.get(), budget.0.held.get()), (0, 16_000));
    }

    #[test]
    fn a_share_that_nothing_can_leave_takes_no_more() {
        let budget = Budget::new(BODY, 1);
        let greedy = share();
        let whole: Vec<Holding> = (0..2)
            .map(|_| {
                let holding = budget.hold(&greedy, 0).expect("space");
                holding.append(&vec![b'x'; BODY], BODY).expect("space");
                holding.finish().expect("not refused");
                holding
            })
            .collect();
        let third = budget.hold(&greedy, 0).expect("space for a head");
        assert!(third.append(&vec![b'x'; BODY], BODY).is_err());
        assert_eq!(whole.len(), 2);
    }

    #[test]
    fn newcomers_are_refused_until_the_tasks_of_others_have_run() {
        let budget = Budget::new(BODY, 1);
        let mut holdings = Vec::new();
        let refusals = (0..4 * PROCESS_TOTAL / REQUEST_OVERHEAD)
            .filter(|_| budget.hold(&share(), 0).map(|holding| holdings.push(holding)).is_err())
            .count();
        let all = budget.0.held.get() + budget.0.leaving.get();
        assert!(all <= PROCESS_TOTAL + PROCESS_TOTAL / LEAVING_PART + REQUEST_OVERHEAD, "{all} bytes");
        assert!(refusals > 0);
        leave(&mut holdings);
        budget.hold(&share(), 0).expect("space again");
    }

    #[test]
    fn a_connection_over_its_share_makes_space_itself() {
        let budget = Budget::new(BODY, 1);
        let neighbour = budget.hold(&share(), 100).expect("space");
        let greedy = share();
        let holdings: Vec<Holding> = (0..10)
            .map(|_| {
                let holding = budget.hold(&greedy, 0).expect("space");
                holding.append(&vec![b'x'; BODY / 2], BODY).expect("space");
                assert!(greedy.held.get() <= CONNECTION_EXTRA + 2 * BODY);
                holding
            })
            .collect();
        assert_eq!(holdings.iter().filter(|holding| !refused(holding)).count(), 4);
        assert!(!refused(&neighbour));
    }

    #[test]
    fn a_request_that_came_whole_is_not_refused_and_still_counts() {
        let budget = Budget::new(BODY, 1);
        let whole: Vec<Holding> = (0..PROCESS_TOTAL / BODY - 1)
            .map(|_| {
                let holding = budget.hold(&share(), 0).expect("space");
                holding.append(&vec![b'x'; BODY], BODY).expect("space");
                assert_eq!(holding.finish().expect("not refused").len(), BODY);
                holding
            })
            .collect();
        let late = budget.hold(&share(), 0).expect("space for a head");
        assert!(late.append(&vec![b'x'; BODY], BODY).is_err(), "nobody can make space");
        assert!(whole.iter().all(|holding| !refused(holding)));
        drop(whole);
        drop(late);
        assert_eq!(budget.0.held.get(), 0);
    }

    #[test]
    fn unfinished_heads_count_too() {
        let budget = Budget::new(BODY, 1);
        let shares: Vec<_> = (0..600).map(|_| share()).collect();
        let mut holdings = Vec::new();
        for i in 0..64 * 600 {
            holdings.push((i, budget.hold(&shares[i % 600], 100 * 110).expect("older ones make space")));
            if i.is_multiple_of(100) {
                holdings.retain(|(_, holding)| !refused(holding));
            }
        }
        holdings.retain(|(_, holding)| !refused(holding));
        assert!(budget.0.held.get() <= PROCESS_TOTAL);
        assert_eq!(holdings.last().map(|(i, _)| *i), Some(64 * 600 - 1));
        assert_eq!(holdings.len(), PROCESS_TOTAL / (100 * 110 + REQUEST_OVERHEAD));
    }
}
