//! The listening socket: opened with a clear error, and emptied before it is closed.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;

/// Connections that the kernel holds until they are accepted; it caps this at `net.core.somaxconn`, 4096 by default.
const BACKLOG: i32 = 4096;

/// The kernel's send buffer of a connection, in bytes (it doubles this for its own book-keeping). Answers are under
/// 1 KiB; left to itself the kernel lets a peer that never reads pile up megabytes of them.
const SEND_BUFFER: usize = 64 * 1024;

/// Why there is nothing to accept from.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// `--http-host` is no address, and no name of one.
    #[error("--http-host {host:?} cannot be resolved")]
    Resolve {
        /// As given.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}{}", advice(.source))]
    Bind {
        /// Host and port.
        address: SocketAddr,
        /// What the kernel said.
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

/// Opens the socket. An empty host and `::` are any address, IPv6 and IPv4 alike.
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
    // Past connections in TIME_WAIT do not keep a restart from its port; another listener does.
    socket.set_reuse_address(true)?;
    if address == SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port())) {
        socket.set_only_v6(false)?;
    }
    // Both are inherited by what is accepted. Answers are whole writes, and must not wait for an acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A listener in a worker's event loop.
///
/// tokio's own accepts until there is none, and an accept that comes back empty-handed is dear: the kernel makes a
/// socket and a file before it looks. This one asks first whether anybody waits. To tokio it is a stream, which here is
/// no more than a descriptor that becomes readable.
#[derive(Debug)]
pub(crate) struct Listener(tokio::net::TcpStream);

impl Listener {
    /// Registers a listener with the current runtime.
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(TcpStream::from(OwnedFd::from(listener))).map(Self)
    }

    /// True if a connection waits to be accepted.
    pub(crate) fn is_waited_at(&self) -> bool {
        self.look().is_ok()
    }

    /// Waits until a connection waits to be accepted.
    pub(crate) async fn has_waiting(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            match self.0.try_io(Interest::READABLE, || self.look()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Waits for a connection. The stream is non-blocking, and registered with no runtime.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        loop {
            self.0.readable().await?;
            match self.0.try_io(Interest::READABLE, || self.try_accept()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => return accepted,
            }
        }
    }

    /// A connection that is there already, or `WouldBlock`.
    pub(crate) fn try_accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        self.look()?;
        let (stream, peer) = acceptfrom_with(&self.0, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        // A peer that came over IPv4 to a socket of both families is known by its IPv4 address.
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        Ok((stream.into(), peer))
    }

    /// `WouldBlock` if no connection waits.
    fn look(&self) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }

    /// Makes the kernel ignore new connection attempts, while those that have begun still complete.
    ///
    /// A listener that is closed resets what waits in its backlog, and between the last accept and the close there is
    /// always a moment in which a connection can slip in. With this the backlog can be emptied first; a client that
    /// comes later tries again in a second, when the port is closed, or open in a new process.
    ///
    /// Where the kernel lets only root attach a filter, a backlog of none does nearly as well: the first connection
    /// that waits keeps others out.
    pub(crate) fn refuse_new(&self) -> io::Result<()> {
        // Classic BPF over the TCP header: load the flags, keep SYN and ACK, drop the segment if only SYN is set.
        let program = [
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 0x12),
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        let socket = SockRef::from(&self.0);
        socket.attach_filter(&program).or_else(|_| socket.listen(0))
    }
}
