//! The state of one connection, and the time of its beginning.
//!
//! The parts of a connection tell its [`Activity`] each event, which costs a load and a store. The states and their
//! transitions are in [`state`]; the sweep of [`Deadlines`] reads the state and instructs the connection by a
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

/// An instruction of the sweep to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Directive {
    /// Free the HTTP state, and wait for the next byte.
    Sleep,
    /// HTTP/2: send GOAWAY, and finish the requests that have begun.
    GoAway,
    /// Close at once.
    Close,
}

/// The state of one connection, and the instruction for its task.
#[derive(Debug)]
pub struct Activity {
    state: Cell<State>,
    /// The tick since which the peer has not taken written bytes, with either protocol.
    stuck_since: Cell<Option<u32>>,
    /// The directive that the task of the connection has not read yet.
    directive: Cell<Option<Directive>>,
    /// The task of the connection.
    wake: WakeSlot,
    /// True once the task of the connection has waited: it has then read all that the peer had sent.
    has_waited: Cell<bool>,
    /// True once it was told to close to free a permit.
    gives_way: Cell<bool>,
    /// Its steps towards the first answer.
    progress: Progress,
    /// The tick at which the last request was served that was not refused.
    served: Cell<Option<u32>>,
    /// The number of served requests that were not refused. Saturates.
    served_requests: Cell<u32>,
    /// The memory that its unfinished requests hold. Created for the first of them.
    share: OnceCell<Rc<ConnectionShare>>,
    deadlines: Rc<Deadlines>,
    /// The remote address, if it is known.
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

    /// Sets the remote address.
    pub fn set_peer(&self, peer: Option<SocketAddr>) {
        self.peer.set(peer);
    }

    /// The remote address, if it is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// The deadlines of its worker.
    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// The memory that the unfinished requests of this connection hold.
    pub fn share(&self) -> &Rc<ConnectionShare> {
        self.share.get_or_init(Rc::default)
    }

    /// Takes the directive, and makes the next one wake the task of `cx`.
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

    /// Inlined: each caller knows the event, which leaves little of the table. As calls, all events of a request would cost
    /// 500 instructions, 3 % of the request.
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

    /// Notes that bytes were received.
    pub fn received(&self) {
        self.reach(Step::Begun);
        self.apply(Event::Received);
    }

    /// Notes that the connection speaks HTTP/2 from now on, where requests overlap.
    pub fn multiplex(&self) {
        self.apply(Event::Multiplex);
        // Connections that spoke HTTP/2 already were told when the shutdown began.
        if self.deadlines.is_draining() {
            self.direct(Directive::GoAway);
        }
    }

    /// Notes that a head is complete. Returns the tick at which its request began to arrive.
    pub fn begin_request(&self) -> u32 {
        self.reach(Step::Requested);
        self.apply(Event::BeginRequest);
        match self.state.get() {
            State::Http1(http1) => http1.since,
            State::New { .. } | State::Http2(_) => self.deadlines.now(),
        }
    }

    /// Notes that the body was read to its end.
    pub fn end_body(&self) {
        self.apply(Event::EndBody);
    }

    /// Notes that the answer is ready to be written.
    pub fn end_request(&self) {
        self.apply(Event::EndRequest);
    }

    /// Notes that a request was served, not refused.
    pub fn note_served(&self) {
        if self.served.replace(Some(self.deadlines.now())).is_none() {
            self.deadlines.remove_unserved();
        }
        self.served_requests.set(self.served_requests.get().saturating_add(1));
    }

    /// The number of served requests that were not refused.
    pub fn served_requests(&self) -> u32 {
        self.served_requests.get()
    }

    /// Notes that the transport took all written bytes, possibly into a buffer of its own: only a flush shows more.
    pub fn written(&self) {
        self.apply(Event::Written);
    }

    /// Notes that the transport has passed on all written bytes: hyper flushes only after it has written all.
    pub fn flushed(&self) {
        self.stuck_since.set(None);
    }

    /// Notes that the transport did not take all bytes.
    pub fn blocked(&self) {
        if !self.is_blocked() {
            self.stuck_since.set(Some(self.deadlines.now()));
        }
    }

    /// True while the peer does not take what was written.
    pub fn is_blocked(&self) -> bool {
        self.stuck_since.get().is_some()
    }

    /// Notes that HTTP state is held from now on; only for one request if it is the first in a long time.
    pub fn wake(&self) {
        self.apply(Event::Wake);
    }

    /// True if the held HTTP state is not needed: HTTP/1.1 is between two requests, with nothing left to write, and the next
    /// request is not expected soon.
    ///
    /// False after a body that was not read to its end: hyper may be about to close, and buffered bytes may belong to that
    /// body.
    pub fn may_sleep(&self) -> bool {
        let State::Http1(http1) = self.state.get() else { return false };
        !http1.is_last
            && http1.buffers == Buffers::Brief
            && http1.phase == Phase::Idle { is_whole: true }
            && !self.is_blocked()
    }

    /// Notes that HTTP state is not held any more.
    pub fn fall_asleep(&self) {
        self.apply(Event::FallAsleep);
    }

    /// Notes that bytes in hyper's buffer start the next request.
    pub fn begin_head(&self) {
        self.apply(Event::BeginHead);
    }

    /// Notes that the current answer is the last.
    pub fn end_with_answer(&self) {
        self.apply(Event::EndWithAnswer);
    }

    /// True if the current answer is the last of an HTTP/1.1 connection.
    pub fn is_last(&self) -> bool {
        matches!(self.state.get(), State::Http1(http1) if http1.is_last)
    }

    /// Requests a lingering close: the peer may still be sending the refused request.
    pub fn ask_linger(&self) {
        self.apply(Event::AskLinger);
    }

    /// True if a lingering close was requested.
    pub fn wants_linger(&self) -> bool {
        matches!(self.state.get(), State::Http1(http1) if http1.wants_linger)
    }

    /// Notes that the lingering close begins.
    pub fn begin_linger(&self) {
        self.stuck_since.set(None);
        self.apply(Event::BeginLinger);
    }
}
