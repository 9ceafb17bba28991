//! The socket of a connection in the event loop, of either family.

use std::io;
use std::os::fd::OwnedFd;

use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A socket that the event loop knows.
#[derive(Debug)]
pub(super) enum Registered {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Registered {
    /// Registers a socket that never blocks.
    pub(super) fn new(socket: Socket, is_tcp: bool) -> io::Result<Self> {
        if is_tcp {
            TcpStream::from_std(socket.into()).map(Self::Tcp)
        } else {
            UnixStream::from_std(OwnedFd::from(socket).into()).map(Self::Unix)
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// The socket, for system calls.
    pub(super) fn borrow(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        }
    }

    /// Waits for `interest`.
    pub(super) async fn ready(&self, interest: Interest) {
        let ready = match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        };
        if ready.is_err() {
            // The event loop ends.
            std::future::pending().await
        }
    }

    /// Makes whoever waits for `interest` wait for its next event.
    pub(super) fn clear(&self, interest: Interest) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = match self {
            Self::Tcp(stream) => stream.try_io(interest, nothing),
            Self::Unix(stream) => stream.try_io(interest, nothing),
        };
    }
}
