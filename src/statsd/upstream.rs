//! The socket towards StatsD: one for each worker, with the lines that wait for it.
//!
//! A line is handed over by [`Upstream::push`] and leaves when the worker has polled everything that was ready: the
//! flusher is a task like the others, woken by the first line, so it runs after those that were woken before it.
//! When idle that is at once; under load the turns of a millisecond share their datagrams.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, sendmmsg, sendmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use crate::flood::Flood;
use crate::metric::MetricError;
use crate::statsd::counters::Counters;
use crate::statsd::datagram::{Packer, Push};
use crate::statsd::resolver::Target;

/// The least time between two flushes of a worker, unless a datagram is full. A lone metric leaves at once; from a
/// thousand flushes a second on, those of a millisecond travel together. A StatsD that waits in `recv` on the same host is
/// woken by each datagram: one for every turn of a busy loop made a request cost 1.48 times the bare epoll loop, not 1.23.
const GATHER: Duration = Duration::from_millis(1);

/// Datagrams that leave in one system call. The kernel takes up to 1024 (`UIO_MAXIOV`); 64 already make the cost of
/// the call itself vanish, and keep the headers on one page.
const BURST: usize = 64;

/// How long to wait when the kernel says that it has no buffers (ENOBUFS): unlike EAGAIN, it then promises no event.
const NO_BUFFERS_PAUSE: Duration = Duration::from_millis(5);

/// What a flush left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flush {
    /// Nothing waits.
    Empty,
    /// The socket's buffer is full: wait until it is writable.
    Blocked,
    /// The kernel is short of buffers: wait a little.
    NoBuffers,
    /// StatsD's address is not known yet.
    NoTarget,
}

/// One worker's way to StatsD.
pub struct Upstream {
    queue: RefCell<Packer>,
    socket: RefCell<Option<Arc<UdpSocket>>>,
    target: watch::Receiver<Target>,
    /// Set while the flusher waits for lines.
    flusher: Cell<Option<Waker>>,
    /// How many datagrams must wait for the flusher to be woken.
    wanted: Cell<usize>,
    /// Whether the kernel took no more the last time: only the flusher tries again.
    stalled: Cell<bool>,
    /// Whether the socket's way takes several datagrams as segments of one; found out by trying.
    segments: Cell<bool>,
    /// When lines last left.
    flushed: Cell<Option<Instant>>,
    counters: Arc<Counters>,
    /// Tells the resolver that sending failed.
    failed: Arc<Notify>,
    dropped: Flood,
}

impl Upstream {
    /// An upstream that sends datagrams of at most `packet_size` bytes to where `target` says.
    pub fn new(
        packet_size: usize,
        target: watch::Receiver<Target>,
        failed: Arc<Notify>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            queue: RefCell::new(Packer::new(packet_size)),
            socket: RefCell::new(None),
            target,
            flusher: Cell::new(None),
            wanted: Cell::new(1),
            stalled: Cell::new(false),
            segments: Cell::new(true),
            flushed: Cell::new(None),
            counters,
            failed,
            dropped: Flood::default(),
        }
    }

    /// Hands over the line of `count` measurements that `write` appends. Never waits: when the queue is full, it is dropped
    /// and counted.
    ///
    /// The one error is a line that is too long.
    pub fn push(&self, count: u32, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), MetricError> {
        let (push, waiting) = {
            let mut queue = self.queue.borrow_mut();
            (queue.push(count, write), queue.len())
        };
        match push {
            Push::TooLong => return Err(MetricError::TooLong),
            Push::Full => self.drop_metrics(u64::from(count), "the queue to StatsD is full"),
            // A very long turn must not overrun the bound of a queue that could have been sent.
            Push::Taken if waiting >= BURST && !self.stalled.get() => {
                self.flush();
            }
            Push::Taken if waiting >= self.wanted.get() => {
                if let Some(flusher) = self.flusher.take() {
                    flusher.wake();
                }
            }
            Push::Taken => {}
        }
        Ok(())
    }

    /// Sends what is pushed, for ever.
    pub async fn run(&self) {
        let mut target = self.target.clone();
        loop {
            match self.flush() {
                Flush::Empty => {
                    tokio::select! {
                        biased;
                        () = self.gathered() => {}
                        changed = target.changed() => match changed {
                            Ok(()) => self.reconnect(),
                            // The resolver has ended: the last address it gave stays.
                            Err(_) => self.gathered().await,
                        }
                    }
                }
                Flush::Blocked => {
                    let socket = self.socket.borrow().clone();
                    let Some(socket) = socket else { continue };
                    tokio::select! {
                        writable = socket.writable() => if let Err(error) = writable {
                            warn!("waiting for the socket to StatsD: {error}");
                            sleep(NO_BUFFERS_PAUSE).await;
                        },
                        Ok(()) = target.changed() => self.reconnect(),
                    }
                }
                Flush::NoBuffers => sleep(NO_BUFFERS_PAUSE).await,
                Flush::NoTarget => {
                    if target.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what waits, until `deadline`; then drops and counts the rest.
    pub async fn finish(&self, deadline: Instant) {
        loop {
            let waited = match self.flush() {
                Flush::Empty => return,
                Flush::Blocked => {
                    let socket = self.socket.borrow().clone();
                    match socket {
                        Some(socket) => timeout_at(deadline, socket.writable()).await.is_ok(),
                        None => false,
                    }
                }
                Flush::NoBuffers => timeout_at(deadline, sleep(NO_BUFFERS_PAUSE)).await.is_ok(),
                Flush::NoTarget => {
                    let mut target = self.target.clone();
                    matches!(timeout_at(deadline, target.changed()).await, Ok(Ok(())))
                }
            };
            if !waited {
                return self.drop_all("there was no time left to send them");
            }
        }
    }

    /// Waits for something to send: a first line, and if lines have just left, a full datagram or the end of [`GATHER`].
    async fn gathered(&self) {
        self.waiting(1).await;
        if let Some(due) = self.flushed.get().map(|flushed| flushed + GATHER)
            && Instant::now() < due
        {
            // Either way it is time.
            let _ = timeout_at(due, self.waiting(2)).await;
        }
    }

    /// Waits until so many datagrams wait; all but the last are full.
    async fn waiting(&self, wanted: usize) {
        self.wanted.set(wanted);
        poll_fn(|cx| {
            if self.queue.borrow().len() >= wanted {
                return Poll::Ready(());
            }
            self.flusher.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Sends all that waits, without ever waiting itself.
    fn flush(&self) -> Flush {
        let result = self.send_all();
        self.stalled.set(matches!(result, Flush::Blocked | Flush::NoBuffers));
        result
    }

    fn send_all(&self) -> Flush {
        if self.queue.borrow().is_empty() {
            return Flush::Empty;
        }
        if self.socket.borrow().is_none() {
            let target = *self.target.borrow();
            match target {
                Target::Unknown => return Flush::NoTarget,
                Target::Unresolved => {
                    self.drop_all("--statsd-host does not resolve");
                    return Flush::Empty;
                }
                Target::At(_) => self.reconnect(),
            }
        }
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_deref() else {
            self.drop_all("there is no socket to send them");
            return Flush::Empty;
        };
        let mut refused = false;
        loop {
            let result = send_some(socket, &self.queue.borrow(), &self.segments);
            match result {
                Ok(0) => return Flush::Empty,
                Ok(sent) => {
                    let metrics = self.queue.borrow_mut().pop(sent);
                    Counters::add(&self.counters.sent, metrics);
                    Counters::add(&self.counters.datagrams, sent as u64);
                    self.flushed.set(Some(Instant::now()));
                    refused = false;
                }
                // An older datagram's ICMP answer, told in place of sending this one: once more, and it goes.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !refused => {
                    refused = true;
                    Counters::add(&self.counters.retried, 1);
                    self.failed.notify_one();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flush::Blocked,
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => return Flush::NoBuffers,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed.notify_one();
                    let metrics = self.queue.borrow_mut().pop(1);
                    refused = false;
                    self.drop_metrics(metrics, &format!("the datagram could not be sent: {error}"));
                }
            }
        }
    }

    /// Opens a socket towards the target as it is now known.
    fn reconnect(&self) {
        let target = *self.target.borrow();
        let Target::At(address) = target else { return };
        match connect(address) {
            Ok(socket) => {
                *self.socket.borrow_mut() = Some(Arc::new(socket));
                self.segments.set(true);
            }
            Err(error) => {
                self.failed.notify_one();
                warn!("cannot open a UDP socket to StatsD at {address}: {error}");
            }
        }
    }

    fn drop_all(&self, why: &str) {
        let metrics = {
            let mut queue = self.queue.borrow_mut();
            let waiting = queue.len();
            queue.pop(waiting)
        };
        self.drop_metrics(metrics, why);
    }

    fn drop_metrics(&self, metrics: u64, why: &str) {
        Counters::add(&self.counters.dropped, metrics);
        self.dropped.note(metrics, |metrics| warn!("metrics dropped: {metrics}; {why}"));
    }
}

/// A socket that is bound to any port of its family, connected, and never blocks.
fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sends some of the oldest datagrams in one system call, and says how many left.
fn send_some(socket: &UdpSocket, queue: &Packer, segments: &Cell<bool>) -> io::Result<usize> {
    let alike = if segments.get() { queue.segments(BURST) } else { 0 };
    if alike > 1 {
        match send_segments(socket, queue, alike) {
            Err(error) if refuses_segments(&error) => segments.set(false),
            sent => return sent,
        }
    }
    let mut waiting = queue.waiting();
    // What stands before datagrams that can leave as segments goes alone, and they after it.
    let count = if segments.get() { 1 } else { queue.len().min(BURST) };
    match (count, waiting.next()) {
        (_, None) => Ok(0),
        (1, Some(datagram)) => socket.try_send(datagram).map(|_| 1),
        _ => {
            let slices: Vec<[IoSlice<'_>; 1]> = queue.waiting().take(count).map(|d| [IoSlice::new(d)]).collect();
            // The socket is connected: no message names an address.
            let addresses: Vec<Option<()>> = vec![None; slices.len()];
            let mut headers = MultiHeaders::<()>::preallocate(slices.len(), None);
            socket.try_io(Interest::WRITABLE, || {
                let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &addresses, [], MsgFlags::MSG_DONTWAIT)?;
                Ok(sent.count())
            })
        }
    }
}

/// Sends `count` datagrams as the segments of one (UDP GSO): all are as long as the first, but for a shorter last one. The
/// kernel walks its stack once for all of them.
fn send_segments(socket: &UdpSocket, queue: &Packer, count: usize) -> io::Result<usize> {
    let slices: Vec<IoSlice<'_>> = queue.waiting().take(count).map(IoSlice::new).collect();
    let size = slices.first().map_or(0, |first| first.len());
    let size = u16::try_from(size).map_err(|_| io::Error::from_raw_os_error(nix::libc::EMSGSIZE))?;
    let control = [ControlMessage::UdpGsoSegments(&size)];
    socket.try_io(Interest::WRITABLE, || {
        sendmsg::<()>(socket.as_raw_fd(), &slices, &control, MsgFlags::MSG_DONTWAIT, None)?;
        Ok(count)
    })
}

/// Whether the way to StatsD takes no segments: an old kernel, a device without checksums, a datagram over its MTU.
fn refuses_segments(error: &io::Error) -> bool {
    use nix::libc::{EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP};
    error.raw_os_error().is_some_and(|code| [EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP].contains(&code))
}
