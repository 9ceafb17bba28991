//! Keeps deadlines without a timer for each request.
//!
//! A worker has a coarse clock. Each connection notes its state and the time of its beginning in its [`Activity`], which is
//! a store to a cell. Ten times a second a sweep checks all connections and tells the late ones to close. So a deadline is
//! exact to a tenth of a second.

mod body_timer;
mod overdue;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use slab::Slab;

pub(crate) use self::body_timer::BodyGuard;
use self::body_timer::BodyTimers;
use self::overdue::Limits;
use crate::conn::activity::state::State;
use crate::conn::activity::{Activity, Directive};
use crate::conn::clock::Clock;
use crate::conn::crowding::{PermitDemand, Pressure};
use crate::conn::wake_slot::WakeSlot;

/// One connection per this number is closed at a time when others wait to be accepted, since finding one visits all.
const CLOSED_TOGETHER: usize = 256;

/// The time limits of a connection; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeouts {
    /// For a request to arrive, from its first byte to the last of its body, and for the first byte of a new connection.
    pub read: Option<Duration>,
    /// For a peer to read an answer.
    pub write: Option<Duration>,
    /// Between two requests.
    pub idle: Option<Duration>,
}

/// The state that the accept loop sets for all workers. It is read with each request, and rarely written.
#[derive(Debug, Default)]
pub struct Lifecycle {
    /// True while all permits are taken.
    pub crowded: AtomicBool,
    /// The demand to close a connection while all permits are taken.
    pub demand: PermitDemand,
    /// True once a shutdown has begun.
    pub closing: AtomicBool,
}

/// The clock of one worker, its connections, and the bodies with a deadline. Bounded by the connection limit, and 64 bodies
/// per HTTP/2 connection.
#[derive(Debug)]
pub struct Deadlines {
    clock: Clock,
    limits: Limits,
    connections: RefCell<Slab<Rc<Activity>>>,
    bodies: BodyTimers,
    /// The number of connections that were told to close to free a permit, and have not ended yet.
    giving_way: Cell<usize>,
    /// The tick at which the shutdown began.
    draining_since: Cell<Option<u32>>,
    /// The task that waits for the last connection to end.
    empty: WakeSlot,
    lifecycle: Arc<Lifecycle>,
}

impl Deadlines {
    /// The deadlines of a worker. They are shorter in some states of `lifecycle`.
    pub fn new(timeouts: &Timeouts, lifecycle: Arc<Lifecycle>) -> Self {
        Self {
            clock: Clock::start(),
            limits: Limits::new(timeouts),
            connections: RefCell::default(),
            bodies: BodyTimers::default(),
            giving_way: Cell::new(0),
            draining_since: Cell::new(None),
            empty: WakeSlot::default(),
            lifecycle,
        }
    }

    /// The coarse time, in ticks.
    pub fn now(&self) -> u32 {
        self.clock.tick()
    }

    /// The exact time since the start of the worker.
    pub(super) fn exact(&self) -> Duration {
        self.clock.exact()
    }

    /// True if a shutdown has begun, so that each answer must announce the close.
    pub fn closing(&self) -> bool {
        self.lifecycle.closing.load(Ordering::Relaxed)
    }

    /// True once this worker drains.
    pub(super) fn is_draining(&self) -> bool {
        self.draining_since.get().is_some()
    }

    /// Notes that a connection was served for the first time.
    pub(super) fn remove_unserved(&self) {
        self.lifecycle.demand.remove_unserved();
    }

    /// The number of connections.
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Keeps the deadlines of a new connection, which was counted by [`PermitDemand::add_unserved`], until the guard is
    /// dropped.
    pub fn watch_connection(self: &Rc<Self>) -> ActivityGuard {
        let activity = Rc::new(Activity::new(Rc::clone(self)));
        let key = self.connections.borrow_mut().insert(Rc::clone(&activity));
        ActivityGuard { key, activity }
    }

    /// Advances the clock by a tick, and tells late connections and bodies to end.
    pub fn sweep(&self) {
        let now = self.clock.advance();
        for (_, activity) in self.connections.borrow().iter() {
            if let Some(directive) = self.overdue(activity) {
                activity.direct(directive);
            }
        }
        self.bodies.expire_late(now);
        self.make_space();
    }

    /// True if others wait to be accepted, and no connection has been told to close for them.
    pub fn is_space_demanded(&self) -> bool {
        self.lifecycle.demand.stands()
    }

    /// Closes connections if others wait to be accepted.
    pub fn make_space(&self) {
        self.lifecycle.demand.meet(|pressure| self.close_least_useful(pressure));
    }

    /// Begins the drain: from now on connections end as soon as they can.
    pub fn drain(&self) {
        self.draining_since.set(Some(self.now()));
        for (_, activity) in self.connections.borrow().iter() {
            if let State::Http2(_) = activity.state() {
                activity.direct(Directive::GoAway);
            }
        }
        self.bodies.expire_discarded();
    }

    /// Waits until no connection is left.
    pub async fn drained(&self) {
        poll_fn(|cx| {
            if self.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.empty.set(cx);
            Poll::Pending
        })
        .await;
    }

    /// Closes the connections with the weakest claims to their permits, if `pressure` allows it, for others that wait to be
    /// accepted. Returns false if there is none.
    pub fn close_least_useful(&self, pressure: Pressure) -> bool {
        if self.giving_way.get() > 0 {
            // Their permits come free first: each demand closes connections once.
            return true;
        }
        let (tick, exact) = (self.now(), self.exact());
        let connections = self.connections.borrow();
        let idle =
            connections.iter().filter_map(|(key, activity)| Some((activity.idleness(tick, exact)?, key))).collect();
        let count = 1 + connections.len() / CLOSED_TOGETHER;
        let chosen = pressure.choose(idle, count, self.lifecycle.demand.unserved());
        for key in &chosen {
            connections[*key].give_way();
        }
        self.giving_way.set(chosen.len());
        !chosen.is_empty()
    }

    /// Closes all connections at once.
    pub fn close_all(&self) {
        for (_, activity) in self.connections.borrow().iter() {
            activity.direct(Directive::Close);
        }
    }
}

/// Keeps the deadlines of a connection until it is dropped.
#[derive(Debug)]
pub struct ActivityGuard {
    key: usize,
    activity: Rc<Activity>,
}

impl ActivityGuard {
    /// The activity of the connection.
    pub fn activity(&self) -> &Rc<Activity> {
        &self.activity
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let deadlines = self.activity.deadlines();
        let mut connections = deadlines.connections.borrow_mut();
        connections.remove(self.key);
        // Its permit comes free, which meets a demand.
        deadlines.lifecycle.demand.meet(|_| true);
        if !self.activity.was_served() {
            deadlines.remove_unserved();
        }
        if self.activity.gives_way() {
            deadlines.giving_way.set(deadlines.giving_way.get().saturating_sub(1));
        }
        if connections.is_empty() {
            deadlines.empty.wake();
        }
    }
}
