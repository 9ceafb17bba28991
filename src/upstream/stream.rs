//! A connection to StatsD, over TCP or a Unix socket: lines that end with a newline, as the daemon takes them.

mod registered;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::libc;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::time::{Instant, timeout, timeout_at};

use crate::statsd::packer::Packer;
use crate::upstream::acknowledged::acknowledged_bytes;
use crate::upstream::stream::registered::Registered;
use crate::upstream::unconfirmed::{CHARGED, Unconfirmed};

/// How long a connection may take to be made: two repetitions of a lost SYN, after one and three seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a peer may acknowledge nothing before its connection is given up: as long as lines wait for a path.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is quiet before the kernel asks whether its peer is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The kernel's buffer of a connection, in bytes; it doubles what is asked for. What is in it when the connection breaks is
/// maybe lost, so that more would be no gain: what does not fit waits in the queue. To a Unix socket, that is what the daemon
/// has not read.
const SEND_BUFFER: usize = 16 * 1024;
const TCP_SEND_BUFFER: usize = 64 * 1024;

/// The receive buffer of a daemon, in bytes: the kernel's default for TCP (`tcp_rmem`), which it makes larger for those only
/// that read fast.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Packets that leave in one system call, each followed by a newline: half of what the kernel takes (`UIO_MAXIOV`).
const MAX_PACKETS_PER_WRITE: usize = 64;

/// The time between two looks at what was acknowledged, at the end of the process.
const ACKNOWLEDGED_PAUSE: Duration = Duration::from_millis(5);

/// Bytes read at once of what a daemon says, which nobody asked for.
const SCRAP: usize = 4096;

/// The most of these reads at the end of a connection: 1 MiB. A daemon that says more must not hold the worker up.
const MAX_LAST_READS: usize = 256;

/// Where a connection goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer<'a> {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(&'a Path),
}

/// What a connection that is over leaves in doubt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Doubt {
    /// Metrics that were written to it, and of which nobody knows whether the daemon has read them.
    pub metrics: u64,
    /// Whether the oldest packet of the queue was written in part. Its rest must not follow on another connection.
    pub is_oldest_cut: bool,
}

/// A connection that never blocks. It may still be in the making: until then it takes nothing.
#[derive(Debug)]
pub(crate) struct StreamSender {
    socket: Registered,
    /// By when it must be made; `None` once it is.
    made_by: Cell<Option<Instant>>,
    /// How many bytes of the oldest packet, and of the newline after it, were written.
    begun: Cell<usize>,
    written: RefCell<Unconfirmed>,
    /// Whether it has failed other than by EPIPE. The kernel tells an error once, and an orderly end from then on.
    is_broken: Cell<bool>,
    /// Whether the kernel took no more at the last write, so that the daemon may have read nothing of what is in the buffers.
    is_blocked: Cell<bool>,
}

impl StreamSender {
    /// Begins to connect to `peer`.
    ///
    /// # Errors
    ///
    /// The kernel knows at once that it cannot be reached: there is no such socket or route.
    pub(crate) fn connect(peer: Peer<'_>) -> io::Result<Self> {
        let (socket, address) = match peer {
            Peer::Tcp(address) => {
                (Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?, address.into())
            }
            Peer::Unix(path) => (Socket::new(Domain::UNIX, Type::STREAM, None)?, SockAddr::unix(path)?),
        };
        let is_tcp = matches!(peer, Peer::Tcp(_));
        socket.set_nonblocking(true)?;
        socket.set_send_buffer_size(if is_tcp { TCP_SEND_BUFFER } else { SEND_BUFFER })?;
        if is_tcp {
            // What is packed leaves at once: the queue gathers already.
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT))?;
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(ACKNOWLEDGE_TIMEOUT))?;
        }
        let made_by = match socket.connect(&address) {
            Ok(()) => None,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Some(Instant::now() + CONNECT_TIMEOUT),
            Err(error) => return Err(error),
        };
        let buffers = if is_tcp { 2 * TCP_SEND_BUFFER + RECEIVE_BUFFER } else { 2 * SEND_BUFFER };
        Ok(Self {
            socket: Registered::new(socket, is_tcp)?,
            made_by: Cell::new(made_by),
            begun: Cell::new(0),
            written: RefCell::new(Unconfirmed::new(buffers as u64)),
            is_broken: Cell::new(false),
            is_blocked: Cell::new(false),
        })
    }

    /// Writes some of the oldest packets, each followed by a newline, and says how many were written to their end. The next
    /// call goes on with one that was written in part.
    pub(crate) fn send(&self, queue: &Packer) -> io::Result<usize> {
        let mut slices = Vec::with_capacity(2 * MAX_PACKETS_PER_WRITE);
        for packet in queue.waiting().take(MAX_PACKETS_PER_WRITE) {
            slices.extend([IoSlice::new(packet), IoSlice::new(b"\n")]);
        }
        let mut slices = &mut slices[..];
        IoSlice::advance_slices(&mut slices, self.begun.get());
        let mut written = self.begun.get();
        while !slices.is_empty() {
            match self.write(slices) {
                Ok(bytes) => {
                    written += bytes;
                    IoSlice::advance_slices(&mut slices, bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was written before the error counts first; the next call meets the error again.
                Err(error) => {
                    let packets = self.note_written(queue, written);
                    return if packets > 0 { Ok(packets) } else { Err(error) };
                }
            }
        }
        Ok(self.note_written(queue, written))
    }

    /// Notes that the oldest packets were written up to this byte, and says how many of them to their end.
    fn note_written(&self, queue: &Packer, mut bytes: usize) -> usize {
        let (mut packets, now) = (0, Instant::now());
        let mut written = self.written.borrow_mut();
        for (packet, metrics) in queue.oldest(MAX_PACKETS_PER_WRITE) {
            let length = packet.len() + 1;
            if bytes < length {
                break;
            }
            written.add(length, metrics, now);
            bytes -= length;
            packets += 1;
        }
        if packets > 0 && !self.is_tcp() {
            written.charge(CHARGED);
        }
        self.begun.set(bytes);
        packets
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Not by `try_io` alone, as in `UdpSender::attempt`.
        let result = self.socket.borrow().send_vectored_with_flags(slices, libc::MSG_NOSIGNAL);
        match &result {
            Ok(_) => {
                self.made_by.set(None);
                self.is_blocked.set(false);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_blocked.set(true);
                self.socket.clear(Interest::WRITABLE);
            }
            Err(error) => self.note_error(error),
        }
        result
    }

    fn note_error(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::Interrupted && error.raw_os_error() != Some(libc::EPIPE) {
            self.is_broken.set(true);
        }
    }

    /// Waits until the connection takes bytes again, or has failed.
    pub(crate) async fn writable(&self) {
        self.socket.ready(Interest::WRITABLE).await;
    }

    /// Waits until the connection is made.
    ///
    /// # Errors
    ///
    /// It cannot be made, or not in time.
    pub(crate) async fn made(&self) -> io::Result<()> {
        let Some(made_by) = self.made_by.get() else { return Ok(()) };
        match timeout_at(made_by, self.writable()).await {
            Ok(()) => {
                self.socket.borrow().take_error()?.map_or(Ok(()), Err)?;
                self.made_by.set(None);
                Ok(())
            }
            Err(_) => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
        }
    }

    /// Waits until the peer closes the connection, or it fails. What the peer says is thrown away: if it were left unread, the
    /// end of this side would reset the connection.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        loop {
            self.socket.ready(Interest::READABLE).await;
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and throws away; false at the end.
    fn read(&self) -> io::Result<bool> {
        let mut scrap = [0; SCRAP];
        let read = || recv(&*self.socket.borrow(), &mut scrap, RecvFlags::empty());
        let result = retry_on_intr(read).map(|(_, bytes)| bytes > 0).map_err(io::Error::from);
        match &result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.clear(Interest::READABLE),
            Err(error) => self.note_error(error),
            Ok(_) => {}
        }
        result
    }

    /// Says that nothing more will be written; what was written still arrives.
    pub(crate) fn finish(&self) {
        let _ = self.socket.borrow().shutdown(std::net::Shutdown::Write);
    }

    fn is_tcp(&self) -> bool {
        self.socket.is_tcp()
    }

    /// Whether it was ever made.
    pub(crate) fn was_made(&self) -> bool {
        self.made_by.get().is_none()
    }

    /// Waits until the daemon's host has acknowledged all that was written, or the connection ends.
    pub(crate) async fn taken(&self) {
        loop {
            let written = self.written.borrow().written();
            if !self.is_tcp() || self.acknowledged().is_some_and(|bytes| bytes >= written) {
                return;
            }
            // The kernel has no event for it.
            if timeout(ACKNOWLEDGED_PAUSE, self.ended()).await.is_ok() {
                return;
            }
        }
    }

    /// What the connection leaves in doubt. `error` is what made it fail, if anything did.
    ///
    /// A peer that closes in order has read all that its host acknowledged: had it left anything unread, its kernel would have
    /// reset the connection. On a Unix socket all that was written is acknowledged.
    pub(crate) fn doubt(&self, error: Option<&io::Error>) -> Doubt {
        if let Some(error) = error {
            self.note_error(error);
        }
        // The error of a Unix socket is told to a reader, even after EPIPE. If the daemon says more, nobody knows its end.
        let is_over = (0..MAX_LAST_READS).any(|_| !matches!(self.read(), Ok(true)));
        let is_reset = !is_over || self.is_broken.get();
        let written = self.written.borrow();
        let acknowledged = if self.is_tcp() { self.acknowledged() } else { Some(u64::MAX) };
        let metrics = match acknowledged {
            Some(_) if is_reset && self.is_blocked.get() => written.past(0),
            Some(bytes) if is_reset => written.unread(bytes, Instant::now()),
            Some(bytes) => written.past(bytes),
            None => written.unread(0, Instant::now()),
        };
        Doubt { metrics, is_oldest_cut: self.begun.get() > 0 }
    }

    /// How many bytes the peer's host has acknowledged; `None` where the kernel does not say.
    fn acknowledged(&self) -> Option<u64> {
        acknowledged_bytes(&*self.socket.borrow())
    }
}

#[cfg(test)]
mod tests;
