//! The memory that the unfinished requests of one worker may hold: what is kept of their heads, and their bodies.
//!
//! Without this bound, connections that each begin a request and never end it would fill the memory: 10,000 batches of
//! which the last byte is missing would be 10 GB. When the memory is taken, the oldest unfinished request is refused, not
//! the newcomer: it has had its time, and an attacker who begins requests and lets them lie cannot shut others out.
//! One connection may hold a small share of the memory; past it, the connection's own oldest request is refused.
//!
//! A request that came whole in one piece is never counted: it is served before anything else is read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Context;

use bytes::BytesMut;

use crate::http::wake_slot::WakeSlot;

/// Bytes that the unfinished requests of all workers may hold together, in equal parts.
const PROCESS_TOTAL: usize = 64 * 1024 * 1024;

/// Bytes that the unfinished requests of one worker may hold at the least, however many workers there are.
const MIN_TOTAL: usize = 16 * 1024 * 1024;

/// The largest bodies that the total must have capacity for, at the least.
const BODIES_IN_TOTAL: usize = 4;

/// Bytes that one connection may hold beside two bodies of the largest size: a buffer that grows is twice as large as its
/// content at the most.
const CONNECTION_EXTRA: usize = 256 * 1024;

/// What an unfinished request takes beside its head and its body, in bytes: the task, the entry here, and its part of the
/// tables of its HTTP/2 connection. Measured with 38,400 unfinished requests on 600 connections, rounded up.
const REQUEST_OVERHEAD: usize = 3 * 1024;

/// Requests of one connection that are refused to make space before the connection itself is closed, if it has had fewer served:
/// the tables of an HTTP/2 connection stay as large as they once were. A proxy in front, which carries the requests of many,
/// has more served.
const MAX_REFUSED: u32 = 16;

/// The memory for the unfinished requests of one worker.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Ledger>);

#[derive(Debug)]
struct Ledger {
    total: usize,
    per_connection: usize,
    held: Cell<usize>,
    next: Cell<u64>,
    /// Requests that may be refused to make space, oldest first. Bounded by `total`: each holds [`REQUEST_OVERHEAD`].
    unfinished: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

/// What one connection holds of the budget.
#[derive(Debug, Default)]
pub struct ConnectionShare {
    held: Cell<usize>,
    /// Requests that were refused to make space.
    refused: Cell<u32>,
    wake: WakeSlot,
    /// As in [`Ledger`], of this connection.
    unfinished: RefCell<BTreeMap<u64, Rc<Entry>>>,
}

impl ConnectionShare {
    /// True if so many requests of the connection were refused, of which `served` were served, that it has to be closed. Else
    /// the task of `cx` is woken when that may be.
    pub fn is_exhausted(&self, served: u32, cx: &Context<'_>) -> bool {
        self.wake.set(cx);
        self.refused.get() >= MAX_REFUSED.max(served)
    }

    /// True if a request of the connection is not there whole.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.borrow().is_empty()
    }
}

#[derive(Debug)]
struct Entry {
    number: u64,
    size: Cell<usize>,
    /// Bytes that are held for the request but lie elsewhere: its head.
    elsewhere: usize,
    content: RefCell<BytesMut>,
    /// True if it was refused before, and its body is only discarded.
    discarded: bool,
    refused: Cell<bool>,
    wake: WakeSlot,
    share: Rc<ConnectionShare>,
}

/// The budget has no space, even after older requests were refused.
#[derive(Debug)]
pub struct NoSpace;

impl Budget {
    /// The budget of one of `workers`, for bodies of at most `largest_body` bytes.
    pub fn new(largest_body: usize, workers: usize) -> Self {
        Self(Rc::new(Ledger {
            total: (PROCESS_TOTAL / workers.max(1)).max(MIN_TOTAL).max(BODIES_IN_TOTAL * largest_body),
            per_connection: CONNECTION_EXTRA + 2 * largest_body,
            held: Cell::new(0),
            next: Cell::new(0),
            unfinished: RefCell::default(),
        }))
    }

    /// Begins to hold memory for a request that is not there whole: `head` bytes now, and what [`Holding::append`] adds.
    pub fn hold(&self, share: &Rc<ConnectionShare>, head: usize) -> Result<Holding, NoSpace> {
        self.hold_as(share, head, false)
    }

    fn hold_as(&self, share: &Rc<ConnectionShare>, head: usize, discarded: bool) -> Result<Holding, NoSpace> {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let entry = Rc::new(Entry {
            number,
            size: Cell::new(0),
            elsewhere: head + REQUEST_OVERHEAD,
            content: RefCell::default(),
            discarded,
            refused: Cell::new(false),
            wake: WakeSlot::default(),
            share: Rc::clone(share),
        });
        self.0.unfinished.borrow_mut().insert(number, Rc::clone(&entry));
        share.unfinished.borrow_mut().insert(number, Rc::clone(&entry));
        let holding = Holding { budget: self.clone(), entry };
        holding.resize()?;
        Ok(holding)
    }
}

impl Budget {
    /// As [`Budget::hold`], for a body that is only discarded, which is not worth the refusal of another request: `None` if
    /// there is no space.
    pub fn hold_discarded(&self, share: &Rc<ConnectionShare>) -> Option<Holding> {
        let fits = |held: &Cell<usize>, most: usize| held.get() + REQUEST_OVERHEAD <= most;
        let free = fits(&self.0.held, self.0.total) && fits(&share.held, self.0.per_connection);
        if free { self.hold_as(share, 0, true).ok() } else { None }
    }
}

impl Ledger {
    /// Refuses the oldest of `requests` that is not `but`. False if there is none.
    fn refuse_oldest(&self, requests: &RefCell<BTreeMap<u64, Rc<Entry>>>, but: u64) -> bool {
        let oldest = requests.borrow().values().find(|entry| entry.number != but).cloned();
        let Some(entry) = oldest else { return false };
        self.forget(&entry);
        entry.content.take();
        self.set_size(&entry, 0);
        entry.refused.set(true);
        entry.wake.wake();
        if !entry.discarded {
            entry.share.refused.set(entry.share.refused.get() + 1);
        }
        if entry.share.refused.get() >= MAX_REFUSED {
            entry.share.wake.wake();
        }
        true
    }

    /// From now on `entry` is not refused for others.
    fn forget(&self, entry: &Entry) {
        self.unfinished.borrow_mut().remove(&entry.number);
        entry.share.unfinished.borrow_mut().remove(&entry.number);
    }

    fn set_size(&self, entry: &Entry, size: usize) {
        let before = entry.size.replace(size);
        self.held.set(self.held.get() - before + size);
        entry.share.held.set(entry.share.held.get() - before + size);
    }
}

/// The memory that one request holds; given back when dropped.
#[derive(Debug)]
pub struct Holding {
    budget: Budget,
    entry: Rc<Entry>,
}

impl Holding {
    /// True if the request was refused to make space for others: its body is gone. Else the task of `cx` is woken when
    /// that happens.
    pub fn is_refused(&self, cx: &Context<'_>) -> bool {
        self.entry.wake.set(cx);
        self.entry.refused.get()
    }

    /// Adds a piece of the body.
    pub fn append(&self, piece: &[u8]) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.entry.content.borrow_mut().extend_from_slice(piece);
        self.resize()
    }

    /// Takes out what came so far. It counts until [`Holding::replaced_by`] says otherwise.
    pub fn take(&self) -> BytesMut {
        self.entry.content.take()
    }

    /// Takes the body out, which came whole. It counts until the holding is dropped, and the request is not refused for
    /// others any more.
    pub fn finish(&self) -> Result<BytesMut, NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.budget.0.forget(&self.entry);
        Ok(self.entry.content.take())
    }

    /// From now on the body takes `size` bytes, which lie elsewhere: it was replaced by another form of it.
    pub fn replaced_by(&self, size: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.set(self.entry.elsewhere + size)
    }

    fn resize(&self) -> Result<(), NoSpace> {
        self.set(self.entry.elsewhere + self.entry.content.borrow().capacity())
    }

    fn set(&self, size: usize) -> Result<(), NoSpace> {
        let (ledger, entry) = (&*self.budget.0, &*self.entry);
        ledger.set_size(entry, size);
        while entry.share.held.get() > ledger.per_connection {
            if !ledger.refuse_oldest(&entry.share.unfinished, entry.number) {
                break;
            }
        }
        while ledger.held.get() > ledger.total {
            if !ledger.refuse_oldest(&ledger.unfinished, entry.number) {
                return Err(NoSpace);
            }
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.0.forget(&self.entry);
        self.budget.0.set_size(&self.entry, 0);
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

    fn share() -> Rc<ConnectionShare> {
        Rc::default()
    }

    #[test]
    fn the_oldest_request_makes_space_for_the_newest() {
        let budget = Budget::new(BODY, 1);
        let holdings: Vec<Holding> = (0..80)
            .map(|_| {
                let holding = budget.hold(&share(), 100).expect("older ones make space");
                holding.append(&vec![b'x'; BODY]).expect("older ones make space");
                assert!(budget.0.held.get() <= PROCESS_TOTAL);
                holding
            })
            .collect();
        let refusals: Vec<bool> = holdings.iter().map(refused).collect();
        let first_kept = refusals.iter().position(|refused| !refused).expect("the newest are kept");
        assert!((80 - 64..=80 - 60).contains(&first_kept), "{first_kept} refused");
        assert!(refusals[first_kept..].iter().all(|refused| !refused));
        drop(holdings);
        assert_eq!(budget.0.held.get(), 0);
        assert!(budget.0.unfinished.borrow().is_empty());
    }

    #[test]
    fn a_connection_over_its_share_makes_space_itself() {
        let budget = Budget::new(BODY, 1);
        let neighbour = budget.hold(&share(), 100).expect("space");
        let greedy = share();
        let holdings: Vec<Holding> = (0..10)
            .map(|_| {
                let holding = budget.hold(&greedy, 0).expect("space");
                holding.append(&vec![b'x'; BODY / 2]).expect("space");
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
        let whole: Vec<Holding> = (0..63)
            .map(|_| {
                let holding = budget.hold(&share(), 0).expect("space");
                holding.append(&vec![b'x'; BODY]).expect("space");
                assert_eq!(holding.finish().expect("not refused").len(), BODY);
                holding
            })
            .collect();
        let late = budget.hold(&share(), 0).expect("space for a head");
        assert!(late.append(&vec![b'x'; BODY]).is_err(), "nobody can make space");
        assert!(whole.iter().all(|holding| !refused(holding)));
        drop(whole);
        drop(late);
        assert_eq!(budget.0.held.get(), 0);
    }

    #[test]
    fn unfinished_heads_count_too() {
        let budget = Budget::new(BODY, 1);
        let shares: Vec<_> = (0..600).map(|_| share()).collect();
        let holdings: Vec<_> =
            (0..64 * 600).map(|i| budget.hold(&shares[i % 600], 100 * 110).expect("older ones make space")).collect();
        assert!(budget.0.held.get() <= PROCESS_TOTAL);
        assert!(refused(&holdings[0]) && !refused(&holdings[64 * 600 - 1]));
    }
}
