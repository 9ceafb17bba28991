//! Deadlines without a timer for each request.
//!
//! A worker keeps a coarse clock. Each connection notes in its [`Activity`] what it waits for and since when, a store to
//! a cell; ten times a second a sweep walks all watches and orders the late ones to end. A deadline is thus kept to
//! within a tenth of a second.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;

use crate::conn::budget::ConnectionShare;
use crate::conn::crowding::{Clock, Idleness, PlaceDemand, Pressure, Progress, Step};
use crate::conn::event_stream::OpenRequest;
use crate::conn::frames::{Admission, Incomplete};
use crate::conn::wake_slot::WakeSlot;

/// The time between two sweeps.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How long an idle connection that was busy keeps its HTTP state, two 8 KiB buffers, before it is put to sleep.
const AWAKE: u32 = ticks(Duration::from_millis(300));

/// How long an idle connection is kept once a shutdown began: its next request may be on its way, and gets an answer
/// that says `Connection: close`. Longer than any sane round trip.
const DRAIN_IDLE: u32 = ticks(Duration::from_secs(2));

/// How long an idle connection is kept while others wait for its place.
const CROWDED_IDLE: u32 = ticks(Duration::from_secs(1));

/// HTTP/2 heads of one connection that are decoded before they are taken up. h2 decodes all that have come at once, and a head
/// of 500 bytes may take 50 KiB until it is refused.
const MAX_UNACCEPTED_HEADS: u8 = 4;

/// DATA frames of one connection that are read before they are taken up. h2 ends a connection of which some hundred small ones
/// are not taken, and Node's client writes one for each piece, however short.
const MAX_UNACCEPTED_DATA: u8 = 64;

/// A connection out of so many is closed at a time when others wait to be accepted, since finding one costs a look at all.
const CLOSED_TOGETHER: usize = 256;

/// How long a peer may take to notice that its refused request was answered, before the socket is closed.
pub(crate) const LINGER: u32 = ticks(Duration::from_secs(2));

/// A time in ticks, and one more: what begins within a tick began up to a tick later than the clock says, and no
/// deadline may come early.
const fn ticks(time: Duration) -> u32 {
    time.as_millis().div_ceil(TICK.as_millis()) as u32 + 1
}

/// The deadlines of a connection; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeouts {
    /// For a request to arrive, from its first byte to its body's last; also for the first byte of a new connection.
    pub read: Option<Duration>,
    /// For a peer to take a response.
    pub write: Option<Duration>,
    /// Between two requests.
    pub idle: Option<Duration>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// It has sent nothing yet, or is in its TLS handshake.
    New,
    /// A head has begun.
    Head,
    /// A request is being read, handled or answered; its body has a deadline of its own.
    Request,
    /// Between two requests.
    Idle,
    /// Answered and closed on our side; what still comes is thrown away.
    Linger,
}

/// Whether an HTTP/1.1 connection holds hyper's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wakefulness {
    /// No.
    Asleep,
    /// For one request, after a long time without any.
    Brief,
    /// Also between requests, which follow each other.
    Lasting,
}

/// What the sweep wants of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Directive {
    /// Free the HTTP state, and wait for the next byte.
    Sleep,
    /// HTTP/2: say goodbye, finish what was begun.
    GoAway,
    /// End at once.
    Close,
}

/// What one connection waits for, and since when.
#[derive(Debug)]
pub struct Activity {
    /// How far it has come towards its first answer.
    progress: Progress,
    /// When the last request was served that was not refused.
    served: Cell<Option<u32>>,
    served_requests: Cell<u32>,
    /// HTTP/2: heads that were read and not taken up; one more than the most if another waits.
    unaccepted_heads: Cell<u8>,
    /// HTTP/2: the same of DATA.
    unaccepted_data: Cell<u8>,
    /// HTTP/2: heads that were larger than they may be, or that h2 refused.
    oversized_heads: Cell<u32>,
    /// HTTP/2: heads of requests that were read, less those that h2 handed over.
    undelivered_heads: Cell<u32>,
    /// HTTP/2: the partial frame that the bytes so far end with.
    incomplete: Cell<Option<Incomplete>>,
    /// True once the connection's task has waited: what the peer had sent until then was read.
    has_waited: Cell<bool>,
    /// True once it was told to close for others.
    gives_way: Cell<bool>,
    /// The memory that its unfinished requests hold; made with the first of them.
    share: OnceCell<Rc<ConnectionShare>>,
    phase: Cell<Phase>,
    since: Cell<u32>,
    /// Since when the peer has not taken what was written.
    stuck: Cell<Option<u32>>,
    /// HTTP/2: requests under way; and whether goodbye was said, and when.
    streams: Cell<Option<u32>>,
    goodbye: Cell<Option<u32>>,
    /// HTTP/1.1: whether the answer is ready, so that the write that completes it ends the request.
    answered: Cell<bool>,
    /// HTTP/1.1: whether buffers are held, and between requests too.
    wakefulness: Cell<Wakefulness>,
    /// HTTP/1.1: whether the last request was read to its end, so that what comes next is a head.
    read_whole: Cell<bool>,
    /// HTTP/1.1: when sleep began.
    asleep_since: Cell<u32>,
    /// HTTP/1.1: whether it was awake before.
    used: Cell<bool>,
    linger: Cell<bool>,
    /// HTTP/1.1: whether the connection ends with the answer under way.
    last: Cell<bool>,
    order: Cell<Option<Directive>>,
    wake: WakeSlot,
    deadlines: Rc<Deadlines>,
    /// The other end, where it is known.
    peer: Cell<Option<SocketAddr>>,
}

impl Activity {
    /// Notes the address of the other end.
    pub fn set_peer(&self, peer: Option<SocketAddr>) {
        self.peer.set(peer);
    }

    /// The address of the other end.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Takes the sweep's order, and sees to it that the next one wakes the task of `cx`.
    pub fn order(&self, cx: &Context<'_>) -> Option<Directive> {
        self.wake.set(cx);
        self.has_waited.set(true);
        self.order.take()
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.deadlines.now());
    }

    /// Notes a step towards the first answer.
    pub fn reach(&self, step: Step) {
        self.progress.reach(step, || self.deadlines.moment());
    }

    /// Bytes came in.
    pub fn received(&self) {
        self.reach(Step::Begun);
        if matches!(self.phase.get(), Phase::Idle | Phase::New) && self.streams.get().is_none() {
            self.enter(Phase::Head);
        }
    }

    /// From now on the connection speaks HTTP/2, where requests overlap.
    pub fn multiplex(&self) {
        self.streams.set(Some(0));
        self.enter(Phase::Idle);
        // The others were told when the shutdown began.
        if self.deadlines.draining.get().is_some() {
            self.give(Directive::GoAway, self.deadlines.now());
        }
    }

    /// A head is complete. Returns since when its request has been coming in.
    pub fn begin_request(&self) -> u32 {
        self.linger.set(false);
        self.read_whole.set(false);
        self.reach(Step::Requested);
        match self.streams.get() {
            Some(streams) => {
                self.streams.set(Some(streams + 1));
                self.deadlines.now()
            }
            None => {
                self.phase.set(Phase::Request);
                self.since.get()
            }
        }
    }

    /// HTTP/2: false if the frame may not be read before those that were are taken up.
    pub fn admit(&self, frame: Admission) -> bool {
        if frame == Admission::Data {
            self.unaccepted_data.set(self.unaccepted_data.get().saturating_add(1));
            return self.unaccepted_data.get() <= MAX_UNACCEPTED_DATA;
        }
        self.undelivered_heads.set(self.undelivered_heads.get() + u32::from(frame == Admission::Request));
        let unaccepted = self.unaccepted_heads.get();
        self.unaccepted_heads.set(unaccepted.saturating_add(1));
        unaccepted < MAX_UNACCEPTED_HEADS
    }

    /// HTTP/2: true if a frame waits to be read until those before it are taken up.
    pub fn holds_frames(&self) -> bool {
        self.holds_head() || self.unaccepted_data.get() > MAX_UNACCEPTED_DATA
    }

    fn holds_head(&self) -> bool {
        self.unaccepted_heads.get() > MAX_UNACCEPTED_HEADS
    }

    /// HTTP/2: all frames that were read are taken up. Returns true if more wait.
    pub fn accept_frames(&self) -> bool {
        let held = self.holds_frames();
        self.unaccepted_heads.set(0);
        self.unaccepted_data.set(0);
        held
    }

    /// HTTP/2: h2 handed a head over.
    pub fn note_delivered_head(&self) {
        self.undelivered_heads.set(self.undelivered_heads.get().saturating_sub(1));
    }

    /// HTTP/2: how many heads h2 did not hand over of those that it has read whole.
    pub fn take_undelivered_heads(&self) -> u32 {
        // The last one is not there whole, or waits to be read.
        let last = u32::from(self.incomplete.get().is_some() || self.holds_head());
        let undelivered = self.undelivered_heads.get();
        self.undelivered_heads.set(undelivered.min(last));
        undelivered.saturating_sub(last)
    }

    /// HTTP/2: notes the partial frame that the bytes so far end with.
    pub fn set_incomplete(&self, incomplete: Option<Incomplete>) {
        self.incomplete.set(incomplete);
    }

    /// HTTP/2: the partial frame that the bytes so far end with.
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.incomplete.get()
    }

    /// HTTP/2: true if the peer was told that no further request is served.
    pub fn goes_away(&self) -> bool {
        self.goodbye.get().is_some()
    }

    /// HTTP/2: the answer of a request goes on after the request has ended for its handler.
    pub fn continue_request(self: &Rc<Self>) -> OpenRequest {
        if let Some(streams) = self.streams.get() {
            self.streams.set(Some(streams + 1));
        }
        OpenRequest::new(Rc::clone(self))
    }

    /// HTTP/2: a head was larger than it may be, or had more fields.
    pub fn note_oversized_head(&self) {
        self.oversized_heads.set(self.oversized_heads.get().saturating_add(1));
    }

    /// HTTP/2: how many heads were larger than they may be.
    pub fn oversized_heads(&self) -> u32 {
        self.oversized_heads.get()
    }

    /// A request was served, not refused.
    pub fn note_served(&self) {
        if self.served.replace(Some(self.deadlines.now())).is_none() {
            self.deadlines.lifecycle.demand.remove_unserved();
        }
        self.served_requests.set(self.served_requests.get().saturating_add(1));
    }

    /// How many requests were served that were not refused.
    pub fn served_requests(&self) -> u32 {
        self.served_requests.get()
    }

    /// The clock of its worker.
    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// The memory that the unfinished requests of this connection hold.
    pub fn share(&self) -> &Rc<ConnectionShare> {
        self.share.get_or_init(Rc::default)
    }

    /// The body was read to its end.
    pub fn end_body(&self) {
        self.read_whole.set(true);
    }

    /// The answer is ready to be written.
    pub fn end_request(&self) {
        match self.streams.get() {
            Some(streams) => {
                self.streams.set(Some(streams.saturating_sub(1)));
                self.since.set(self.deadlines.now());
            }
            None => self.answered.set(true),
        }
    }

    /// The transport took all that was written, be it into a buffer of its own: only the flush tells more.
    pub fn written(&self) {
        if self.answered.replace(false) {
            self.enter(Phase::Idle);
        }
    }

    /// The transport has passed on all that was written: hyper flushes only what it has written whole.
    pub fn flushed(&self) {
        self.stuck.set(None);
    }

    /// The transport took nothing, or not all.
    pub fn blocked(&self) {
        if self.stuck.get().is_none() {
            self.stuck.set(Some(self.deadlines.now()));
        }
    }

    /// HTTP state is held from now on: briefly if it is the first request in a long time.
    pub fn wake(&self) {
        let nap = self.deadlines.now().wrapping_sub(self.asleep_since.get());
        let used = self.used.replace(true);
        self.wakefulness.set(if used && nap < AWAKE { Wakefulness::Lasting } else { Wakefulness::Brief });
    }

    /// Whether HTTP state is held for nothing: HTTP/1.1 is between two requests, with nothing left to write, and the
    /// next is not expected soon.
    ///
    /// Never after a body that was not read to its end: hyper may still be about to close, and what was read already
    /// is no head.
    pub fn may_sleep(&self) -> bool {
        !self.last.get()
            && self.wakefulness.get() == Wakefulness::Brief
            && self.phase.get() == Phase::Idle
            && self.read_whole.get()
            && self.stuck.get().is_none()
    }

    /// HTTP state is no longer held.
    pub fn fall_asleep(&self) {
        self.wakefulness.set(Wakefulness::Asleep);
        self.asleep_since.set(self.deadlines.now());
    }

    /// What was read but not asked for yet begins a head.
    pub fn begin_head(&self) {
        self.enter(Phase::Head);
    }

    /// The answer under way is the last.
    pub fn end_with_answer(&self) {
        self.last.set(true);
    }

    /// Whether the answer under way is the last.
    pub fn is_last(&self) -> bool {
        self.last.get()
    }

    /// Asks for a lingering close: the peer may still be sending what was refused.
    pub fn ask_linger(&self) {
        self.linger.set(true);
    }

    /// Whether a lingering close was asked for.
    pub fn wants_linger(&self) -> bool {
        self.linger.get()
    }

    /// Begins the lingering close.
    pub fn begin_linger(&self) {
        self.stuck.set(None);
        self.enter(Phase::Linger);
    }

    /// How little the connection has to show at `now`, a tick and the exact time. `None` while a request that came whole is
    /// being answered to a peer that takes it, until the connection's task has looked at what came, and once it was told to
    /// close for others.
    fn idleness(&self, (tick, now): (u32, Duration)) -> Option<Idleness> {
        let answering = match self.streams.get() {
            Some(streams) => streams > 0 && self.share.get().is_none_or(|share| !share.has_unfinished()),
            None => self.phase.get() == Phase::Request && self.read_whole.get(),
        };
        if !self.has_waited.get() || self.gives_way.get() || answering && self.stuck.get().is_none() {
            return None;
        }
        Some(match self.served.get() {
            Some(served) => Idleness::served(TICK * tick.wrapping_sub(served)),
            None => Idleness::unserved(&self.progress, now),
        })
    }

    /// What the sweep finds at `now`.
    fn overdue(&self, now: u32, deadlines: &Deadlines) -> Option<Directive> {
        let limits = &deadlines.limits;
        let late = |since: u32, limit: Option<u32>| limit.is_some_and(|limit| now.wrapping_sub(since) >= limit);
        if let Some(stuck) = self.stuck.get()
            && late(stuck, limits.write)
        {
            return Some(Directive::Close);
        }
        if let Some(incomplete) = self.incomplete.get() {
            // The request that the frame belongs to is answered first.
            let limit = if incomplete.is_other { limits.read.map(|read| read + LINGER) } else { limits.read };
            if late(incomplete.since, limit) {
                return Some(Directive::Close);
            }
        }
        if let Some(goodbye) = self.goodbye.get() {
            return late(goodbye, limits.write.or(limits.read)).then_some(Directive::Close);
        }
        let since = self.since.get();
        let draining = deadlines.draining.get();
        let idle = |since: u32| match draining {
            Some(drain) => late(since.max(drain), Some(DRAIN_IDLE)),
            None if deadlines.lifecycle.crowded.load(Ordering::Relaxed) => late(since, Some(CROWDED_IDLE)),
            None => late(since, limits.idle),
        };
        match self.phase.get() {
            Phase::New if late(since, limits.read) => Some(Directive::Close),
            Phase::New if draining.is_some() && idle(since) => Some(Directive::Close),
            Phase::Head => late(since, limits.read).then_some(Directive::Close),
            Phase::Linger => late(since, Some(LINGER)).then_some(Directive::Close),
            Phase::Idle => match self.streams.get() {
                Some(0) if idle(since) => Some(Directive::GoAway),
                Some(_) => None,
                None if idle(since) => Some(Directive::Close),
                None => (self.wakefulness.get() == Wakefulness::Lasting && late(since, Some(AWAKE)))
                    .then_some(Directive::Sleep),
            },
            Phase::New | Phase::Request => None,
        }
    }

    fn give(&self, order: Directive, now: u32) {
        // What was ordered to close stays so, until its task has run.
        if self.order.get() == Some(Directive::Close) {
            return;
        }
        if order == Directive::Sleep {
            self.wakefulness.set(Wakefulness::Brief);
        }
        if order == Directive::GoAway {
            self.goodbye.set(Some(now));
        }
        self.order.set(Some(order));
        self.wake.wake();
    }
}

/// The deadline of one request's body.
#[derive(Debug)]
pub(crate) struct BodyTimer {
    /// The tick at which the body is late, if it can be.
    late_at: Option<u32>,
    /// True if the request was refused, and its body is only discarded.
    discarded: bool,
    expired: Cell<bool>,
    wake: WakeSlot,
}

impl BodyTimer {
    /// Whether the body is late; if not, the task of `cx` is woken when it is.
    pub(crate) fn expired(&self, cx: &Context<'_>) -> bool {
        self.wake.set(cx);
        self.expired.get()
    }

    fn expire(&self) {
        self.expired.set(true);
        self.wake.wake();
    }
}

/// The limits in ticks; `None` where there is none.
#[derive(Debug)]
struct Limits {
    read: Option<u32>,
    write: Option<u32>,
    idle: Option<u32>,
}

/// What the accept loop tells all workers: read on their way, written a few times in a process's life.
#[derive(Debug, Default)]
pub struct Lifecycle {
    /// Set while all places are taken.
    pub crowded: AtomicBool,
    /// What the accept loop wants of the workers while all places are taken.
    pub demand: PlaceDemand,
    /// Set once a shutdown has begun.
    pub closing: AtomicBool,
}

/// One worker's clock, and all that it watches. Bounded by the connection limit, and 64 bodies for each HTTP/2
/// connection.
#[derive(Debug)]
pub struct Deadlines {
    now: Cell<u32>,
    /// The exact time since the start of the worker, in tests at will.
    clock: Clock,
    limits: Limits,
    connections: RefCell<Slab<Rc<Activity>>>,
    bodies: RefCell<Slab<Rc<BodyTimer>>>,
    /// How many of them were told to close for others, and have not ended yet.
    giving_way: Cell<usize>,
    /// When the shutdown began.
    draining: Cell<Option<u32>>,
    /// Rings when the last connection ends.
    empty: WakeSlot,
    /// What the accept loop has to say.
    lifecycle: Arc<Lifecycle>,
}

impl Deadlines {
    /// A worker's deadlines, which tighten as `lifecycle` says.
    pub fn new(timeouts: &Timeouts, lifecycle: Arc<Lifecycle>) -> Self {
        Self {
            now: Cell::new(0),
            clock: Clock::start(),
            limits: Limits {
                read: timeouts.read.map(ticks),
                write: timeouts.write.map(ticks),
                idle: timeouts.idle.map(ticks),
            },
            connections: RefCell::default(),
            bodies: RefCell::default(),
            giving_way: Cell::new(0),
            draining: Cell::new(None),
            empty: WakeSlot::default(),
            lifecycle,
        }
    }

    /// The coarse time.
    pub fn now(&self) -> u32 {
        self.now.get()
    }

    /// The exact time since the start of the worker.
    fn moment(&self) -> Duration {
        self.clock.now()
    }

    /// Whether a shutdown has begun, and each answer must say that it is the last.
    pub fn closing(&self) -> bool {
        self.lifecycle.closing.load(Ordering::Relaxed)
    }

    /// How many connections are watched.
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Watches a new connection, which was counted by [`PlaceDemand::add_unserved`], until the guard is dropped.
    pub fn watch(self: &Rc<Self>) -> ActivityGuard {
        let watch = Rc::new(Activity {
            progress: Progress::new(self.moment()),
            served: Cell::new(None),
            served_requests: Cell::new(0),
            unaccepted_heads: Cell::new(0),
            unaccepted_data: Cell::new(0),
            oversized_heads: Cell::new(0),
            undelivered_heads: Cell::new(0),
            incomplete: Cell::new(None),
            has_waited: Cell::new(false),
            gives_way: Cell::new(false),
            share: OnceCell::new(),
            phase: Cell::new(Phase::New),
            since: Cell::new(self.now()),
            stuck: Cell::new(None),
            streams: Cell::new(None),
            goodbye: Cell::new(None),
            answered: Cell::new(false),
            wakefulness: Cell::new(Wakefulness::Asleep),
            read_whole: Cell::new(false),
            asleep_since: Cell::new(0),
            used: Cell::new(false),
            linger: Cell::new(false),
            last: Cell::new(false),
            order: Cell::new(None),
            wake: WakeSlot::default(),
            deadlines: Rc::clone(self),
            peer: Cell::new(None),
        });
        let key = self.connections.borrow_mut().insert(Rc::clone(&watch));
        ActivityGuard { key, watch }
    }

    /// Watches a body that has been coming in since `since`.
    pub fn watch_body(self: &Rc<Self>, since: u32) -> BodyGuard {
        self.watch_body_as(self.limits.read.map(|limit| since.wrapping_add(limit)), false)
    }

    /// Watches a body that is discarded from now on. It is late once a shutdown begins.
    pub fn watch_discarded_body(self: &Rc<Self>) -> BodyGuard {
        self.watch_body_as(self.limits.read.map(|limit| self.now().wrapping_add(limit)), true)
    }

    /// Watches the body of an answer that the peer does not take yet.
    pub fn watch_answer(self: &Rc<Self>) -> BodyGuard {
        self.watch_body_as(self.limits.write.map(|limit| self.now().wrapping_add(limit)), false)
    }

    fn watch_body_as(self: &Rc<Self>, late_at: Option<u32>, discarded: bool) -> BodyGuard {
        let expired = Cell::new(discarded && self.draining.get().is_some());
        let watch = Rc::new(BodyTimer { late_at, discarded, expired, wake: WakeSlot::default() });
        let key = self.bodies.borrow_mut().insert(Rc::clone(&watch));
        BodyGuard { key, watch, deadlines: Rc::clone(self) }
    }

    /// One tick later: orders what is late to end.
    pub fn sweep(&self) {
        let now = self.now.get().wrapping_add(1);
        self.now.set(now);
        for (_, watch) in self.connections.borrow().iter() {
            if let Some(order) = watch.overdue(now, self) {
                watch.give(order, now);
            }
        }
        for (_, body) in self.bodies.borrow().iter() {
            // The clock wraps after 13 years, a limit is at most a day.
            if body.late_at.is_some_and(|late_at| now.wrapping_sub(late_at) < u32::MAX / 2) {
                body.expire();
            }
        }
        self.make_space();
    }

    /// True if others wait to be accepted, and no connection was told to close for them.
    pub fn is_space_demanded(&self) -> bool {
        self.lifecycle.demand.stands()
    }

    /// Closes connections if others wait to be accepted.
    pub fn make_space(&self) {
        self.lifecycle.demand.meet(|pressure| self.close_least_useful(pressure));
    }

    /// From now on connections end when they can.
    pub fn drain(&self) {
        let now = self.now();
        self.draining.set(Some(now));
        for (_, watch) in self.connections.borrow().iter() {
            if watch.streams.get().is_some() {
                watch.give(Directive::GoAway, now);
            }
        }
        for (_, body) in self.bodies.borrow().iter().filter(|(_, body)| body.discarded) {
            body.expire();
        }
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

    /// Closes the connections that have the least to show for their place, to make space for others that wait to be
    /// accepted, if `pressure` allows it. False if there is none.
    pub fn close_least_useful(&self, pressure: Pressure) -> bool {
        if self.giving_way.get() > 0 {
            // The places of those come free first: each demand closes once.
            return true;
        }
        let now = (self.now(), self.moment());
        let connections = self.connections.borrow();
        let idle = connections.iter().filter_map(|(key, watch)| Some((watch.idleness(now)?, key))).collect();
        let count = 1 + connections.len() / CLOSED_TOGETHER;
        let chosen = pressure.choose(idle, count, self.lifecycle.demand.unserved());
        for key in &chosen {
            connections[*key].gives_way.set(true);
            connections[*key].give(Directive::Close, now.0);
        }
        self.giving_way.set(chosen.len());
        !chosen.is_empty()
    }

    /// Ends all connections at once.
    pub fn close_all(&self) {
        for (_, watch) in self.connections.borrow().iter() {
            watch.give(Directive::Close, self.now());
        }
    }
}

/// Keeps a connection watched.
#[derive(Debug)]
pub struct ActivityGuard {
    key: usize,
    watch: Rc<Activity>,
}

impl ActivityGuard {
    /// The watch, to be shared with the parts of the connection.
    pub fn watch(&self) -> &Rc<Activity> {
        &self.watch
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let deadlines = &self.watch.deadlines;
        let mut connections = deadlines.connections.borrow_mut();
        connections.remove(self.key);
        // Its place comes free, which is what is demanded, if anything is.
        deadlines.lifecycle.demand.meet(|_| true);
        if self.watch.served.get().is_none() {
            deadlines.lifecycle.demand.remove_unserved();
        }
        if self.watch.gives_way.get() {
            deadlines.giving_way.set(deadlines.giving_way.get().saturating_sub(1));
        }
        if connections.is_empty() {
            deadlines.empty.wake();
        }
    }
}

/// Keeps a body watched.
#[derive(Debug)]
pub struct BodyGuard {
    key: usize,
    watch: Rc<BodyTimer>,
    deadlines: Rc<Deadlines>,
}

impl BodyGuard {
    /// See [`BodyTimer::expired`].
    pub fn expired(&self, cx: &Context<'_>) -> bool {
        self.watch.expired(cx)
    }
}

impl Drop for BodyGuard {
    fn drop(&mut self) {
        self.deadlines.bodies.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::crowding::CROWDED_GRACE;

    const URGENT: Pressure = Pressure { urgent: true, served_too: false };
    const LAST: Pressure = Pressure { urgent: true, served_too: true };

    fn deadlines() -> Rc<Deadlines> {
        let seconds = |s| Some(Duration::from_secs(s));
        let timeouts = Timeouts { read: seconds(5), write: seconds(3), idle: seconds(75) };
        Rc::new(Deadlines::new(&timeouts, Arc::default()))
    }

    /// A connection as the accept loop hands it over.
    fn accept(deadlines: &Rc<Deadlines>) -> ActivityGuard {
        deadlines.lifecycle.demand.add_unserved();
        deadlines.watch()
    }

    /// Sweeps until an order is given, and says which and after how many ticks.
    fn order_after(deadlines: &Deadlines, watch: &Activity, most: u32) -> Option<(Directive, u32)> {
        (1..=most).find_map(|tick| {
            deadlines.sweep();
            watch.order.take().map(|order| (order, tick))
        })
    }

    #[test]
    fn a_silent_connection_is_closed_after_the_read_timeout() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        assert_eq!(order_after(&deadlines, guard.watch(), 60), Some((Directive::Close, 51)));
    }

    #[test]
    fn a_dripped_head_does_not_move_its_deadline() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        for _ in 0..30 {
            guard.watch().received();
            deadlines.sweep();
        }
        assert_eq!(order_after(&deadlines, guard.watch(), 60), Some((Directive::Close, 21)));
    }

    #[test]
    fn an_idle_connection_sleeps_then_is_closed() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        let watch = guard.watch();
        let serve = || {
            watch.received();
            watch.wake();
            watch.begin_request();
            watch.end_body();
            watch.end_request();
            watch.written();
        };
        serve();
        assert!(watch.may_sleep(), "one request wakes it briefly");
        watch.fall_asleep();
        serve();
        assert!(!watch.may_sleep(), "another at once wakes it for longer");
        assert_eq!(order_after(&deadlines, watch, 10), Some((Directive::Sleep, AWAKE)));
        assert!(watch.may_sleep());
        watch.fall_asleep();
        assert_eq!(order_after(&deadlines, watch, 800), Some((Directive::Close, 751 - AWAKE)));
    }

    #[test]
    fn a_peer_that_does_not_read_is_closed() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        guard.watch().received();
        guard.watch().begin_request();
        guard.watch().blocked();
        guard.watch().blocked();
        assert_eq!(order_after(&deadlines, guard.watch(), 60), Some((Directive::Close, 31)));
    }

    #[test]
    fn http2_is_told_goodbye_then_closed() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        guard.watch().multiplex();
        guard.watch().begin_request();
        assert_eq!(order_after(&deadlines, guard.watch(), 800), None);
        guard.watch().end_request();
        assert_eq!(order_after(&deadlines, guard.watch(), 800), Some((Directive::GoAway, 751)));
        assert_eq!(order_after(&deadlines, guard.watch(), 800), Some((Directive::Close, 31)));
    }

    #[test]
    fn draining_gives_idle_connections_two_seconds() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        let watch = guard.watch();
        watch.received();
        watch.begin_request();
        watch.end_request();
        watch.written();
        deadlines.drain();
        assert_eq!(order_after(&deadlines, watch, 60), Some((Directive::Close, DRAIN_IDLE)));
    }

    #[test]
    fn a_crowd_shortens_idleness() {
        let lifecycle = Arc::new(Lifecycle::default());
        lifecycle.crowded.store(true, Ordering::Relaxed);
        let timeouts = Timeouts { read: None, write: None, idle: Some(Duration::from_secs(75)) };
        let deadlines = Rc::new(Deadlines::new(&timeouts, lifecycle));
        let guard = accept(&deadlines);
        guard.watch().received();
        guard.watch().begin_request();
        guard.watch().end_request();
        guard.watch().written();
        assert_eq!(order_after(&deadlines, guard.watch(), 60), Some((Directive::Close, CROWDED_IDLE)));
    }

    /// A connection whose task has waited, after `prepare`.
    fn connection(deadlines: &Rc<Deadlines>, prepare: impl FnOnce(&Activity)) -> ActivityGuard {
        let guard = accept(deadlines);
        prepare(guard.watch());
        assert_eq!(guard.watch().order(&Context::from_waker(std::task::Waker::noop())), None);
        guard
    }

    fn serve(watch: &Activity) {
        watch.received();
        watch.begin_request();
        watch.end_body();
        watch.note_served();
        watch.end_request();
        watch.written();
    }

    #[test]
    fn those_that_sent_nothing_useful_for_longest_are_closed_first() {
        let deadlines = deadlines();
        let long_served = connection(&deadlines, serve);
        deadlines.sweep();
        let long_silent = connection(&deadlines, |_| {});
        deadlines.sweep();
        let just_silent = connection(&deadlines, Activity::received);
        let just_served = connection(&deadlines, serve);
        let answering = connection(&deadlines, |watch| {
            watch.received();
            watch.begin_request();
            watch.end_body();
        });
        let unread = accept(&deadlines);
        let mut all = [long_served, long_silent, just_silent, just_served, answering, unread].map(Some);
        // Which one is closed, if the demand is so pressing.
        let mut closed = |pressure| {
            let met = deadlines.close_least_useful(pressure);
            let told = |guard: &Option<ActivityGuard>| guard.as_ref().is_some_and(|g| g.watch().order.take().is_some());
            let closed = all.iter().position(told);
            if let Some(closed) = closed {
                assert!(deadlines.close_least_useful(pressure), "its place comes free first");
                assert_eq!(all.iter().position(told), None);
                all[closed] = None;
            }
            assert_eq!(met, closed.is_some());
            closed
        };
        assert_eq!([closed(URGENT), closed(URGENT), closed(URGENT)], [Some(1), Some(2), None]);
        assert_eq!([closed(LAST), closed(LAST), closed(LAST)], [Some(0), Some(3), None]);
    }

    #[test]
    fn a_connection_has_a_grace_while_the_demand_is_not_urgent() {
        let deadlines = deadlines();
        let guard = connection(&deadlines, |_| {});
        let demand = &deadlines.lifecycle.demand;
        demand.set(Pressure::default());
        deadlines.clock.pass(CROWDED_GRACE - Duration::from_micros(1));
        deadlines.make_space();
        assert_eq!(guard.watch().order.take(), None);
        deadlines.clock.pass(Duration::from_micros(1));
        assert!(deadlines.is_space_demanded(), "what was not met still stands");
        deadlines.make_space();
        assert_eq!(guard.watch().order.take(), Some(Directive::Close));
        drop(guard);
        let late = connection(&deadlines, |_| {});
        deadlines.make_space();
        assert_eq!(late.watch().order.take(), None, "the demand was met");
        demand.set(URGENT);
        deadlines.make_space();
        assert_eq!(late.watch().order.take(), Some(Directive::Close));
    }

    #[test]
    fn a_connection_that_ends_meets_the_demand() {
        let deadlines = deadlines();
        let (useful, ends) = (connection(&deadlines, serve), connection(&deadlines, |_| {}));
        deadlines.lifecycle.demand.set(LAST);
        drop(ends);
        deadlines.make_space();
        assert_eq!(useful.watch().order.take(), None);
    }

    #[test]
    fn those_that_were_not_served_are_counted() {
        let deadlines = deadlines();
        let counts = || (deadlines.lifecycle.demand.unserved(), deadlines.giving_way.get());
        let served = connection(&deadlines, serve);
        let silent = connection(&deadlines, |_| {});
        serve(served.watch());
        assert_eq!(counts(), (1, 0));
        assert!(deadlines.close_least_useful(URGENT));
        assert_eq!(counts(), (1, 1));
        drop((served, silent));
        assert_eq!(counts(), (0, 0));
    }

    #[test]
    fn a_connection_that_is_to_close_is_not_told_otherwise() {
        let deadlines = deadlines();
        let guard = connection(&deadlines, Activity::multiplex);
        assert!(deadlines.close_least_useful(URGENT));
        deadlines.drain();
        assert_eq!(guard.watch().order.take(), Some(Directive::Close));
    }

    #[test]
    fn http2_that_begins_in_a_shutdown_is_told_goodbye() {
        let deadlines = deadlines();
        let guard = accept(&deadlines);
        deadlines.drain();
        guard.watch().multiplex();
        assert_eq!(guard.watch().order.take(), Some(Directive::GoAway));
    }

    #[test]
    fn a_peer_that_takes_no_answer_is_closed_for_others() {
        let deadlines = deadlines();
        let guard = connection(&deadlines, |watch| {
            watch.received();
            watch.begin_request();
            watch.end_body();
            watch.blocked();
        });
        deadlines.clock.pass(CROWDED_GRACE);
        assert!(deadlines.close_least_useful(URGENT));
        assert_eq!(guard.watch().order.take(), Some(Directive::Close));
    }

    #[test]
    fn a_discarded_body_expires_with_the_shutdown() {
        let deadlines = deadlines();
        let (body, discarded) = (deadlines.watch_body(0), deadlines.watch_discarded_body());
        deadlines.drain();
        assert!(discarded.watch.expired.get() && !body.watch.expired.get());
        assert!(deadlines.watch_discarded_body().watch.expired.get());
    }

    #[test]
    fn a_late_body_expires() {
        let deadlines = deadlines();
        let body = deadlines.watch_body(deadlines.now());
        for _ in 0..50 {
            deadlines.sweep();
        }
        assert!(!body.watch.expired.get());
        deadlines.sweep();
        assert!(body.watch.expired.get());
        drop(body);
        assert!(deadlines.bodies.borrow().is_empty());
    }
}
