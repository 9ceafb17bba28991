//! The listening socket: opened with a clear error, and emptied before it is closed.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The most connections that the kernel queues until they are accepted. The kernel caps this at `net.core.somaxconn`, 4096 by
/// default.
const BACKLOG_CONNECTIONS: i32 = 4096;

/// The size of the kernel's send buffer of a connection, in bytes (the kernel doubles it for its own book-keeping). Answers
/// have less than 1 KiB. With the kernel's default a peer that never reads can pile up megabytes of them.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Why the listening socket cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// `--http-host` is neither an address nor a name that resolves to one.
    #[error("--http-host {host:?} cannot be resolved")]
    Resolve {
        /// The value of `--http-host`.
        host: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}{}", advice(.source))]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// The error of the kernel.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> impl fmt::Display {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": the port is taken; stop what uses it, or choose another with --http-port",
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with --http-port, such as 8080"
        }
        io::ErrorKind::AddrNotAvailable => ": this machine has no such address; see --http-host",
        _ => "",
    }
}

/// Opens the socket. An empty host and `::` mean any address, of IPv6 and of IPv4.
///
/// # Errors
///
/// The host does not resolve, or its first address cannot be bound.
pub(crate) fn bind(host: &str, port: u16) -> Result<TcpListener, ListenError> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || bare.parse() == Ok(Ipv6Addr::UNSPECIFIED) {
        return bind_any(port);
    }
    let unresolved = |source| ListenError::Resolve { host: host.to_owned(), source };
    let mut addresses = (bare, port).to_socket_addrs().map_err(unresolved)?;
    let address = addresses.next().ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))?;
    listen(address).map_err(|source| ListenError::Bind { address, source })
}

/// Listens on `[::]` with IPv4 included, or on `0.0.0.0` where there is no IPv6.
///
/// IPv6 switched off by `net.ipv6.conf.all.disable_ipv6` leaves `[::]` usable for IPv4. A kernel booted with
/// `ipv6.disable=1`, and a sandbox that allows no such socket, refuse the address family.
fn bind_any(port: u16) -> Result<TcpListener, ListenError> {
    let listen = |address| listen(address).map_err(|source| ListenError::Bind { address, source });
    match listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Err(ListenError::Bind { source, .. }) if is_without_ipv6(&source) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        result => result,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT, EPROTONOSUPPORT};
    matches!(error.raw_os_error(), Some(EADDRNOTAVAIL | EAFNOSUPPORT | EPROTONOSUPPORT))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections in TIME_WAIT do not keep a restarted server from its port. Another listener does.
    socket.set_reuse_address(true)?;
    if address == SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port())) {
        socket.set_only_v6(false)?;
    }
    // Accepted connections inherit both. An answer is a single write, which must not wait for an acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A listener in a worker's event loop.
///
/// tokio's own accepts until there is no connection left, and an accept without a waiting connection is expensive: the kernel
/// makes a socket and a file before it looks. This one first polls for a connection.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<TcpListener>);

impl Listener {
    /// Registers a listener with the current runtime.
    ///
    /// # Errors
    ///
    /// The runtime cannot watch the socket.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may change; a TcpListener keeps the one that it owns"
    )]
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        AsyncFd::with_interest(listener, Interest::READABLE).map(Self)
    }

    /// True if the backlog has a connection.
    pub(crate) fn has_pending(&self) -> bool {
        poll_pending(self.0.get_ref()).is_ok()
    }

    /// Waits until the backlog has a connection.
    ///
    /// # Errors
    ///
    /// The kernel refuses to poll the socket.
    pub(crate) async fn pending(&self) -> io::Result<()> {
        self.0.async_io(Interest::READABLE, poll_pending).await
    }

    /// Waits for a connection. The stream is non-blocking, and registered with no runtime.
    ///
    /// # Errors
    ///
    /// Those of accept(2).
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        self.0.async_io(Interest::READABLE, accept_pending).await
    }

    /// Accepts a connection of the backlog.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the backlog is empty, and those of accept(2).
    pub(crate) fn try_accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        accept_pending(self.0.get_ref())
    }

    /// Makes the kernel ignore new connection attempts, while those that have begun still complete.
    ///
    /// A listener that is closed resets the connections in its backlog, and a connection can always enter the backlog
    /// between the last accept and the close. After this call the backlog can be emptied first. A client that comes later
    /// repeats its attempt a second later, when the port is closed, or opened by a new process.
    ///
    /// If the kernel lets only root attach a filter, the backlog is set to 0, which does nearly as well: the first
    /// connection in it keeps others out.
    ///
    /// # Errors
    ///
    /// The kernel takes neither the filter nor the backlog.
    pub(crate) fn refuse_new(&self) -> io::Result<()> {
        // Classic BPF over the TCP header: load the flags, keep SYN and ACK, drop the segment if only SYN is set.
        let program = [
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 0x12),
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        let socket = SockRef::from(self.0.get_ref());
        socket.attach_filter(&program).or_else(|_| socket.listen(0))
    }
}

fn accept_pending(listener: &TcpListener) -> io::Result<(TcpStream, Option<SocketAddr>)> {
    poll_pending(listener)?;
    let (stream, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    // The peer of an IPv4 connection to a socket of both families has its IPv4 address.
    let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
    Ok((stream.into(), peer))
}

/// `WouldBlock` if the backlog is empty.
fn poll_pending(listener: &TcpListener) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&now))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}
