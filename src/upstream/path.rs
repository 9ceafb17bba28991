//! The path to StatsD: a socket that is opened, fails, is opened again, and what became of all that went over it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::statsd::packer::Packer;
use crate::telemetry::counters::Counters;
use crate::upstream::backoff::Backoff;
use crate::upstream::in_flight::InFlight;
use crate::upstream::outage::{Outage, QUIET, Trouble};
use crate::upstream::resolver::Target;
use crate::upstream::udp::{Sent, UdpSender};

/// How long lines wait for a path to StatsD: as long as StatsD gathers between two flushes by default. Then they are dropped
/// at each attempt that fails, since older ones would be counted in an interval that they do not belong to.
const KEEP: Duration = Duration::from_secs(10);

/// The most sends in a row that may be answered with an ICMP message about an older datagram, in place of being done.
const MAX_REPEATS: u32 = 16;

/// The most datagrams in a row that may be refused by a filter on this host before the path is given up for a while: a filter
/// that limits a rate refuses some, one that forbids all.
const MAX_FORBIDDEN: u32 = 8;

/// The most ICMP messages taken at once; the kernel keeps some 250.
const MAX_ERRORS: usize = 1024;

/// What a flush left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flush {
    /// Nothing waits.
    Empty,
    /// The socket's buffer is full: wait until it is writable.
    Blocked,
    /// The kernel is short of buffers: wait until then.
    NoBuffers(Instant),
    /// The path fails with this error: wait until then.
    NoPath(Instant, i32),
    /// StatsD's address is not known yet.
    NoTarget,
}

/// One worker's path to StatsD, and its accounts: what it takes from the queue is sent, refused or dropped, each counted.
pub(crate) struct Path {
    socket: RefCell<Option<Rc<UdpSender>>>,
    /// Says that `socket` is another one.
    reopened: Notify,
    in_flight: RefCell<InFlight>,
    backoff: RefCell<Backoff>,
    /// How many datagrams in a row a filter on this host has refused.
    forbidden: Cell<u32>,
    /// When an ICMP message last told of a datagram that did not arrive.
    returned: Cell<Option<Instant>>,
    /// When a datagram was last sent.
    flushed: Cell<Option<Instant>>,
    target: watch::Receiver<Target>,
    counters: Arc<Counters>,
    outage: Arc<Outage>,
}

impl Path {
    /// A path to where `target` says.
    pub(crate) fn new(target: watch::Receiver<Target>, outage: Arc<Outage>, counters: Arc<Counters>) -> Self {
        Self {
            socket: RefCell::new(None),
            reopened: Notify::new(),
            in_flight: RefCell::default(),
            backoff: RefCell::default(),
            forbidden: Cell::new(0),
            returned: Cell::new(None),
            flushed: Cell::new(None),
            target,
            counters,
            outage,
        }
    }

    /// When a datagram was last sent.
    pub(crate) fn flushed(&self) -> Option<Instant> {
        self.flushed.get()
    }

    /// Where StatsD is, and a way to wait for it to be elsewhere.
    pub(crate) fn target(&self) -> watch::Receiver<Target> {
        self.target.clone()
    }

    /// Waits until the socket takes a datagram again.
    pub(crate) async fn writable(&self) {
        let socket = self.socket.borrow().clone();
        if let Some(socket) = socket {
            socket.writable().await;
        }
    }

    /// Makes the next attempt an immediate one.
    pub(crate) fn end_pause(&self) {
        self.backoff.borrow_mut().end_pause(Instant::now());
    }

    /// Counts metrics that found the queue full.
    pub(crate) fn count_overflow(&self, metrics: u64) {
        Counters::add(&self.counters.dropped, metrics);
        self.outage.note(Trouble::QueueFull, metrics);
    }

    /// Takes in ICMP messages when they come, whether or not anything is sent.
    pub(crate) async fn watch_errors(&self) {
        loop {
            let socket = self.socket.borrow().clone();
            let Some(socket) = socket else {
                self.reopened.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                () = self.reopened.notified() => {}
                () = socket.errors() => {
                    self.take_errors(&socket);
                    socket.no_errors();
                }
            }
        }
    }

    /// Sends all that waits in `queue`, without ever waiting itself.
    pub(crate) fn send_all(&self, queue: &RefCell<Packer>) -> Flush {
        if queue.borrow().is_empty() {
            return Flush::Empty;
        }
        let socket = match self.open(queue) {
            Ok(Some(socket)) => socket,
            Ok(None) => return Flush::Empty,
            Err(flush) => return flush,
        };
        // Each message is then about one datagram, and known before the next one leaves.
        let singly = self.returned.get().is_some_and(|returned| returned.elapsed() < QUIET);
        let mut repeats = 0;
        loop {
            let result = socket.send(&queue.borrow(), singly);
            match result {
                Ok(Sent { datagrams: 0, .. }) => return Flush::Empty,
                Ok(sent) => {
                    self.count_sent(queue, sent);
                    repeats = 0;
                }
                Err(error) => {
                    if let Some(flush) = self.not_sent(queue, &socket, &error, &mut repeats) {
                        return flush;
                    }
                }
            }
        }
    }

    /// The socket, opened if need be. `None` if there is no address, and what waited was dropped.
    fn open(&self, queue: &RefCell<Packer>) -> Result<Option<Rc<UdpSender>>, Flush> {
        if let Some((until, errno)) = self.backoff.borrow().pausing(Instant::now) {
            return Err(if errno == libc::ENOBUFS { Flush::NoBuffers(until) } else { Flush::NoPath(until, errno) });
        }
        if let Some(socket) = &*self.socket.borrow() {
            return Ok(Some(Rc::clone(socket)));
        }
        let target = *self.target.borrow();
        let address = match target {
            Target::Unknown => return Err(Flush::NoTarget),
            Target::Unresolved => {
                self.drop_all(queue, Trouble::Unresolved);
                return Ok(None);
            }
            Target::At(address) => address,
        };
        match UdpSender::connect(address) {
            Ok(socket) => {
                let socket = Rc::new(socket);
                *self.socket.borrow_mut() = Some(Rc::clone(&socket));
                self.reopened.notify_one();
                Ok(Some(socket))
            }
            Err(error) => Err(self.pause(queue, errno(&error))),
        }
    }

    fn count_sent(&self, queue: &RefCell<Packer>, sent: Sent) {
        let mut queue = queue.borrow_mut();
        self.in_flight.borrow_mut().add(queue.oldest(sent.datagrams), sent.together);
        let metrics = queue.pop(sent.datagrams);
        Counters::add(&self.counters.handed, metrics);
        Counters::add(&self.counters.handed_datagrams, sent.datagrams as u64);
        self.flushed.set(Some(Instant::now()));
        self.forbidden.set(0);
        self.backoff.take();
        self.outage.sent();
    }

    /// Decides what becomes of datagrams that the kernel did not take; `None` to go on at once.
    fn not_sent(
        &self,
        queue: &RefCell<Packer>,
        socket: &UdpSender,
        error: &io::Error,
        repeats: &mut u32,
    ) -> Option<Flush> {
        match error.kind() {
            io::ErrorKind::WouldBlock => return Some(Flush::Blocked),
            io::ErrorKind::Interrupted => return None,
            _ => {}
        }
        let errno = errno(error);
        if errno == libc::ENOBUFS {
            return Some(self.no_buffers());
        }
        if errno == libc::EPERM {
            return self.forbidden(queue, socket);
        }
        // What ICMP says of an older datagram is told in place of sending this one. Once more, and it goes.
        let messages = self.take_errors(socket);
        if !socket.keeps_errors() && errno == libc::ECONNREFUSED && *repeats == 0 {
            self.take_back(errno, &[]);
        }
        if *repeats == 0 || (messages > 0 && *repeats < MAX_REPEATS) {
            *repeats += 1;
            Counters::add(&self.counters.retried, u64::from(messages > 0 || errno == libc::ECONNREFUSED));
            return None;
        }
        *repeats = 0;
        if errno == libc::EMSGSIZE {
            // It concerns this datagram alone.
            self.drop_oldest(queue, 1, Trouble::Failed(errno));
            return None;
        }
        self.close();
        Some(self.pause(queue, errno))
    }

    /// A filter on this host did not let the oldest datagram out; `None` to go on at once. No ICMP message is told as EPERM.
    fn forbidden(&self, queue: &RefCell<Packer>, socket: &UdpSender) -> Option<Flush> {
        if let Some(first) = queue.borrow().waiting().next() {
            self.in_flight.borrow_mut().add_forbidden(first);
        }
        self.take_errors(socket);
        if self.forbidden.get() < MAX_FORBIDDEN {
            self.forbidden.set(self.forbidden.get() + 1);
            self.drop_oldest(queue, 1, Trouble::Failed(libc::EPERM));
            return None;
        }
        self.close();
        Some(self.pause(queue, libc::EPERM))
    }

    /// Pauses for longer and longer while the path fails. What waits is kept at first, and dropped when it is old.
    fn pause(&self, queue: &RefCell<Packer>, errno: i32) -> Flush {
        let now = Instant::now();
        let (until, failing_for) = {
            let mut backoff = self.backoff.borrow_mut();
            (backoff.fail(now, errno), backoff.failing_for(now))
        };
        self.outage.note(Trouble::Attempt(errno), 1);
        if failing_for >= KEEP {
            self.drop_all(queue, Trouble::Failed(errno));
        }
        Flush::NoPath(until, errno)
    }

    /// Pauses since the kernel has no buffers (ENOBUFS); unlike after EAGAIN, it promises no event. That is a burst that a
    /// queue of the network does not take, and no outage unless it lasts.
    fn no_buffers(&self) -> Flush {
        let now = Instant::now();
        let mut backoff = self.backoff.borrow_mut();
        let until = backoff.fail(now, libc::ENOBUFS);
        if backoff.failing_for(now) >= KEEP {
            self.outage.note(Trouble::Attempt(libc::ENOBUFS), 1);
        }
        Flush::NoBuffers(until)
    }

    /// Takes in the ICMP messages that wait, and says how many there were.
    fn take_errors(&self, socket: &UdpSender) -> usize {
        let mut count = 0;
        while count < MAX_ERRORS
            && let Some(error) = socket.next_error()
        {
            self.take_back(error.errno, error.quote());
            count += 1;
        }
        count
    }

    /// Takes back from what was sent the metrics of the datagram that begins with `quote`.
    fn take_back(&self, errno: i32, quote: &[u8]) {
        self.returned.set(Some(Instant::now()));
        let Some(returned) = self.in_flight.borrow_mut().take_back(quote).filter(|r| r.datagrams > 0) else { return };
        let (counter, trouble) = if errno == libc::ECONNREFUSED {
            (&self.counters.refused, Trouble::Refused)
        } else {
            (&self.counters.undelivered, Trouble::Failed(errno))
        };
        Counters::add(&self.counters.returned_datagrams, returned.datagrams);
        Counters::add(counter, returned.metrics);
        self.outage.note(trouble, returned.metrics);
    }

    /// Opens a socket towards the target as it is now known.
    pub(crate) fn start_anew(&self, queue: &RefCell<Packer>) {
        self.close();
        self.backoff.take();
        // What goes wrong is told, and tried again when there is something to send.
        let _ = self.open(queue);
    }

    /// Closes the socket, after what it has to say.
    pub(crate) fn close(&self) {
        let Some(socket) = self.socket.take() else { return };
        self.take_errors(&socket);
        self.in_flight.borrow_mut().clear();
        self.reopened.notify_one();
    }

    fn drop_oldest(&self, queue: &RefCell<Packer>, datagrams: usize, trouble: Trouble) {
        let metrics = queue.borrow_mut().pop(datagrams);
        Counters::add(&self.counters.dropped, metrics);
        self.outage.note(trouble, metrics);
    }

    /// Drops and counts all that waits.
    pub(crate) fn drop_all(&self, queue: &RefCell<Packer>, trouble: Trouble) {
        let waiting = queue.borrow().len();
        if waiting > 0 {
            self.drop_oldest(queue, waiting, trouble);
        }
    }
}

/// The operating system's number of an error; that of a failed device for an error without one.
fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
