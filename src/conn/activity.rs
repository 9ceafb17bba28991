//! What one connection is doing, and since when.
//!
//! The parts of a connection tell its [`Activity`] each event, which costs a load and a store. The states and their
//! transitions are in [`state`]; the sweep of [`Deadlines`] reads the state and tells the connection what to do by a
//! [`Directive`].

mod heads;
mod http2;
pub(super) mod state;
mod sweep;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Context;

use self::state::{Buffers, Event, Phase, State};
use crate::conn::budget::ConnectionShare;
use crate::conn::crowding::{Progress, Step};
use crate::conn::deadlines::Deadlines;
use crate::conn::wake_slot::WakeSlot;

/// What the sweep wants of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Directive {
    /// Free the HTTP state, and wait for the next byte.
    Sleep,
    /// HTTP/2: send GOAWAY, finish what was begun.
    GoAway,
    /// End at once.
    Close,
}

/// What one connection is doing, and what its worker wants of it.
#[derive(Debug)]
pub struct Activity {
    state: Cell<State>,
    /// The tick since which the peer has not taken what was written, of either protocol.
    stuck_since: Cell<Option<u32>>,
    /// What the task of the connection has not read yet.
    directive: Cell<Option<Directive>>,
    /// The task of the connection.
    wake: WakeSlot,
    /// True once the connection's task has waited: what the peer had sent until then was read.
    has_waited: Cell<bool>,
    /// True once it was told to close for others.
    gives_way: Cell<bool>,
    /// How far it has come towards its first answer.
    progress: Progress,
    /// The tick at which the last request was served that was not refused.
    served: Cell<Option<u32>>,
    /// How many requests were served that were not refused. Stops at the largest number.
    served_requests: Cell<u32>,
    /// The memory that its unfinished requests hold; made with the first of them.
    share: OnceCell<Rc<ConnectionShare>>,
    deadlines: Rc<Deadlines>,
    /// The other end, where it is known.
    peer: Cell<Option<SocketAddr>>,
}

impl Activity {
    /// A connection that was just accepted.
    pub(super) fn new(deadlines: Rc<Deadlines>) -> Self {
        Self {
            state: Cell::new(State::New { since: deadlines.now() }),
            stuck_since: Cell::new(None),
            directive: Cell::new(None),
            wake: WakeSlot::default(),
            has_waited: Cell::new(false),
            gives_way: Cell::new(false),
            progress: Progress::new(deadlines.exact()),
            served: Cell::new(None),
            served_requests: Cell::new(0),
            share: OnceCell::new(),
            deadlines,
            peer: Cell::new(None),
        }
    }

    /// Notes the address of the other end.
    pub fn set_peer(&self, peer: Option<SocketAddr>) {
        self.peer.set(peer);
    }

    /// The address of the other end.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// The clock of its worker.
    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// The memory that the unfinished requests of this connection hold.
    pub fn share(&self) -> &Rc<ConnectionShare> {
        self.share.get_or_init(Rc::default)
    }

    /// Takes what the sweep wants, and sees to it that the next directive wakes the task of `cx`.
    pub fn directive(&self, cx: &Context<'_>) -> Option<Directive> {
        self.wake.set(cx);
        self.has_waited.set(true);
        self.directive.take()
    }

    /// Takes the directive without a task.
    #[cfg(test)]
    pub(super) fn take_directive(&self) -> Option<Directive> {
        self.directive.take()
    }

    /// Inlined: the event is known to each caller, and little of the table is left then. As calls all events of a request
    /// would cost 500 instructions, 3 % of it.
    #[inline(always)]
    fn apply(&self, event: Event) {
        let state = self.state.get();
        match state.after(event, self.deadlines.now()) {
            Some(next) => self.state.set(next),
            None => debug_assert!(false, "{event:?} cannot happen in {state:?}"),
        }
    }

    /// Notes a step towards the first answer.
    pub fn reach(&self, step: Step) {
        self.progress.reach(step, || self.deadlines.exact());
    }

    /// Bytes came in.
    pub fn received(&self) {
        self.reach(Step::Begun);
        self.apply(Event::Received);
    }

    /// From now on the connection speaks HTTP/2, where requests overlap.
    pub fn multiplex(&self) {
        self.apply(Event::Multiplex);
        // The others were told when the shutdown began.
        if self.deadlines.is_draining() {
            self.direct(Directive::GoAway);
        }
    }

    /// A head is complete. Returns the tick since which its request has been coming in.
    pub fn begin_request(&self) -> u32 {
        self.reach(Step::Requested);
        self.apply(Event::BeginRequest);
        match self.state.get() {
            State::Http1(http1) => http1.since,
            State::New { .. } | State::Http2(_) => self.deadlines.now(),
        }
    }

    /// The body was read to its end.
    pub fn end_body(&self) {
        self.apply(Event::EndBody);
    }

    /// The answer is ready to be written.
    pub fn end_request(&self) {
        self.apply(Event::EndRequest);
    }

    /// A request was served, not refused.
    pub fn note_served(&self) {
        if self.served.replace(Some(self.deadlines.now())).is_none() {
            self.deadlines.remove_unserved();
        }
        self.served_requests.set(self.served_requests.get().saturating_add(1));
    }

    /// How many requests were served that were not refused.
    pub fn served_requests(&self) -> u32 {
        self.served_requests.get()
    }

    /// The transport took all that was written, be it into a buffer of its own: only the flush tells more.
    pub fn written(&self) {
        self.apply(Event::Written);
    }

    /// The transport has passed on all that was written: hyper flushes only what it has written whole.
    pub fn flushed(&self) {
        self.stuck_since.set(None);
    }

    /// The transport took nothing, or not all.
    pub fn blocked(&self) {
        if !self.is_blocked() {
            self.stuck_since.set(Some(self.deadlines.now()));
        }
    }

    /// True while the transport holds back what was written, since the peer does not read it.
    pub fn is_blocked(&self) -> bool {
        self.stuck_since.get().is_some()
    }

    /// HTTP state is held from now on: briefly if it is the first request in a long time.
    pub fn wake(&self) {
        self.apply(Event::Wake);
    }

    /// True if HTTP state is held for nothing: HTTP/1.1 is between two requests, with nothing left to write, and the next
    /// is not expected soon.
    ///
    /// Never after a body that was not read to its end: hyper may still be about to close, and what was read already
    /// is no head.
    pub fn may_sleep(&self) -> bool {
        let State::Http1(http1) = self.state.get() else { return false };
        !http1.is_last
            && http1.buffers == Buffers::Brief
            && http1.phase == Phase::Idle { is_whole: true }
            && !self.is_blocked()
    }

    /// HTTP state is no longer held.
    pub fn fall_asleep(&self) {
        self.apply(Event::FallAsleep);
    }

    /// Bytes that hyper had buffered start the next request.
    pub fn begin_head(&self) {
        self.apply(Event::BeginHead);
    }

    /// The answer under way is the last.
    pub fn end_with_answer(&self) {
        self.apply(Event::EndWithAnswer);
    }

    /// True if the answer under way is the last of an HTTP/1.1 connection.
    pub fn is_last(&self) -> bool {
        matches!(self.state.get(), State::Http1(http1) if http1.is_last)
    }

    /// Asks for a lingering close: the peer may still be sending what was refused.
    pub fn ask_linger(&self) {
        self.apply(Event::AskLinger);
    }

    /// True if a lingering close was asked for.
    pub fn wants_linger(&self) -> bool {
        matches!(self.state.get(), State::Http1(http1) if http1.wants_linger)
    }

    /// Begins the lingering close.
    pub fn begin_linger(&self) {
        self.stuck_since.set(None);
        self.apply(Event::BeginLinger);
    }
}
