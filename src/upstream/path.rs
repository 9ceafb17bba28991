//! The path to a StatsD: a socket that is opened, fails, is opened again, and what became of all that went over it.

mod connection;
mod icmp;
mod pause;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::statsd::packer::Packer;
use crate::telemetry::delivery::Delivery;
use crate::upstream::address::{Address, Location};
use crate::upstream::backoff::Backoff;
use crate::upstream::in_flight::InFlight;
use crate::upstream::outage::{Outage, QUIET, Trouble};
use crate::upstream::resolver::Target;
use crate::upstream::transport::Transport;
use crate::upstream::udp::Sent;

/// How long lines wait for a path to StatsD, and for a daemon that takes nothing: as long as StatsD gathers between two flushes
/// by default. Then they are dropped at each attempt that fails, since older ones would be counted in an interval that they do
/// not belong to.
pub(crate) const KEEP: Duration = Duration::from_secs(10);

/// The time between two metrics that are sent to a daemon that is away, where others have its metrics meanwhile.
const PROBE: Duration = Duration::from_secs(1);

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

/// One worker's path to a StatsD, and its accounts: what it takes from the queue is sent, refused, dropped or maybe lost, each
/// counted.
pub(crate) struct Path {
    address: Address,
    socket: RefCell<Option<Rc<Transport>>>,
    /// Says that `socket` is another one, or none: to the one task that watches it.
    reopened: Notify,
    /// Says the same to a task that waits for the socket to take something.
    replaced: Notify,
    in_flight: RefCell<InFlight>,
    backoff: RefCell<Backoff>,
    /// How many datagrams in a row a filter on this host has refused.
    forbidden: Cell<u32>,
    /// When an ICMP message last told of a datagram that did not arrive.
    returned: Cell<Option<Instant>>,
    /// When anything was last sent.
    flushed: Cell<Option<Instant>>,
    /// When a metric last was to find out whether the daemon is back.
    probed: Cell<Option<Instant>>,
    target: watch::Receiver<Target>,
    delivery: Arc<Delivery>,
    outage: Arc<Outage>,
}

impl Path {
    /// A path to `address`, which is where `target` says.
    pub(crate) fn new(
        address: Address,
        target: watch::Receiver<Target>,
        outage: Arc<Outage>,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self {
            address,
            socket: RefCell::new(None),
            reopened: Notify::new(),
            replaced: Notify::new(),
            in_flight: RefCell::default(),
            backoff: RefCell::default(),
            forbidden: Cell::new(0),
            returned: Cell::new(None),
            flushed: Cell::new(None),
            probed: Cell::new(None),
            target,
            delivery,
            outage,
        }
    }

    /// When anything was last sent.
    pub(crate) fn flushed(&self) -> Option<Instant> {
        self.flushed.get()
    }

    /// Where StatsD is, and a way to wait for it to be elsewhere.
    pub(crate) fn target(&self) -> watch::Receiver<Target> {
        self.target.clone()
    }

    /// Waits until the socket takes something again, or is another one.
    pub(crate) async fn writable(&self) {
        let socket = self.socket.borrow().clone();
        if let Some(socket) = socket {
            self.writable_or_replaced(&socket).await;
        }
    }

    /// Whether the daemon is known to be away.
    pub(crate) fn is_away(&self) -> bool {
        self.outage.is_away()
    }

    /// Whether it is time to send a metric to a daemon that is away, to find out whether it is back: one in a second. Only a
    /// datagram over UDP can tell; other sockets are opened again without one, and without an address none leaves.
    pub(crate) fn takes_probe(&self) -> bool {
        if !matches!((&self.address.location, &*self.target.borrow()), (Location::Udp(_), Target::At(_))) {
            return false;
        }
        let now = Instant::now();
        let is_due = self.probed.get().is_none_or(|last| now >= last + PROBE);
        if is_due {
            self.probed.set(Some(now));
        }
        is_due
    }

    /// Makes the next attempt an immediate one.
    pub(crate) fn end_pause(&self) {
        self.backoff.borrow_mut().end_pause(Instant::now());
    }

    /// Counts metrics that found the queue full.
    pub(crate) fn count_overflow(&self, metrics: u64) {
        Delivery::add(&self.delivery.dropped, metrics);
        self.outage.note(Trouble::QueueFull, metrics);
    }

    /// Takes in what the socket has to say, whether or not anything is sent, and keeps a connection open.
    pub(crate) async fn watch(&self, queue: &RefCell<Packer>) {
        loop {
            let socket = self.socket.borrow().clone();
            let Some(socket) = socket else {
                self.reopen(queue).await;
                continue;
            };
            tokio::select! {
                biased;
                () = self.reopened.notified() => {}
                () = self.watch_socket(&socket, queue) => {}
            }
        }
    }

    async fn watch_socket(&self, socket: &Rc<Transport>, queue: &RefCell<Packer>) {
        match &**socket {
            Transport::Udp(udp) => {
                udp.errors().await;
                self.take_errors(udp);
                udp.no_errors();
            }
            Transport::Stream(stream) => {
                let result = self.watch_connection(stream).await;
                self.break_off(queue, socket, result.err().as_ref());
            }
            Transport::Unix(_) => {
                // The daemon has it open. More it does not say until something is sent.
                self.outage.sent();
                std::future::pending().await
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
                    self.count_sent(queue, &socket, sent);
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
    fn open(&self, queue: &RefCell<Packer>) -> Result<Option<Rc<Transport>>, Flush> {
        if let Some((until, errno)) = self.backoff.borrow().pausing(Instant::now) {
            return Err(if errno == libc::ENOBUFS { Flush::NoBuffers(until) } else { Flush::NoPath(until, errno) });
        }
        if let Some(socket) = &*self.socket.borrow() {
            return Ok(Some(Rc::clone(socket)));
        }
        let target = *self.target.borrow();
        match target {
            Target::Unknown => return Err(Flush::NoTarget),
            Target::Unresolved => {
                self.drop_all(queue, Trouble::Unresolved);
                return Ok(None);
            }
            Target::At(_) | Target::Local => {}
        }
        match Transport::open(&self.address, target) {
            Ok(socket) => {
                let socket = Rc::new(socket);
                *self.socket.borrow_mut() = Some(Rc::clone(&socket));
                self.socket_changed();
                Ok(Some(socket))
            }
            Err(error) => Err(self.pause(queue, Trouble::Attempt(errno(&error)))),
        }
    }

    fn count_sent(&self, queue: &RefCell<Packer>, socket: &Transport, sent: Sent) {
        let mut queue = queue.borrow_mut();
        if matches!(socket, Transport::Udp(_)) {
            self.in_flight.borrow_mut().add(queue.oldest(sent.datagrams), sent.together);
        }
        let metrics = queue.pop(sent.datagrams);
        Delivery::add(&self.delivery.handed, metrics);
        Delivery::add(&self.delivery.handed_datagrams, sent.datagrams as u64);
        self.flushed.set(Some(Instant::now()));
        self.forbidden.set(0);
        self.backoff.take();
        self.outage.sent();
    }

    /// Decides what to do about what was not sent; `None` to go on at once.
    fn not_sent(
        &self,
        queue: &RefCell<Packer>,
        socket: &Rc<Transport>,
        error: &io::Error,
        repeats: &mut u32,
    ) -> Option<Flush> {
        match error.kind() {
            io::ErrorKind::WouldBlock => return Some(Flush::Blocked),
            io::ErrorKind::Interrupted => return None,
            _ => {}
        }
        match (errno(error), &**socket) {
            (libc::ENOBUFS, _) => Some(self.no_buffers()),
            (_, Transport::Udp(udp)) => self.not_sent_by_udp(queue, udp, errno(error), repeats),
            (libc::EMSGSIZE, Transport::Unix(_)) => {
                // It concerns this datagram alone.
                self.drop_oldest(queue, 1, Trouble::Failed(libc::EMSGSIZE));
                None
            }
            (_, Transport::Stream(_) | Transport::Unix(_)) => Some(self.break_off(queue, socket, Some(error))),
        }
    }

    /// Opens a socket towards the target as it is now known.
    pub(crate) fn start_anew(&self, queue: &RefCell<Packer>) {
        self.close(queue);
        self.backoff.take();
        // What goes wrong is told, and tried again when there is something to send.
        let _ = self.open(queue);
    }

    fn socket_changed(&self) {
        self.reopened.notify_one();
        self.replaced.notify_waiters();
    }

    /// Closes the socket, after what it has to say.
    pub(crate) fn close(&self, queue: &RefCell<Packer>) {
        let Some(socket) = self.socket.take() else { return };
        match &*socket {
            Transport::Udp(udp) => {
                self.take_errors(udp);
                self.in_flight.borrow_mut().clear();
            }
            Transport::Stream(stream) => self.count_doubt(queue, stream.doubt(None)),
            // The daemon is there, and reads on.
            Transport::Unix(_) => {}
        }
        self.socket_changed();
    }
}

/// The operating system's number of an error; that of a failed device for an error without one.
fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests;
