//! What carries lines to a StatsD: one interface to the sockets of all transports.

use std::io;
use std::net::SocketAddr;

use nix::libc;

use crate::statsd::packer::Packer;
use crate::upstream::address::{Address, Location};
use crate::upstream::resolver::Target;
use crate::upstream::stream::{Peer, StreamSender};
use crate::upstream::udp::{Sent, UdpSender};
use crate::upstream::unix::UnixSender;

/// An open socket towards a StatsD.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Datagrams over UDP.
    Udp(UdpSender),
    /// A TCP connection, or one to a Unix socket.
    Stream(StreamSender),
    /// Datagrams to a Unix socket.
    Unix(UnixSender),
}

impl Transport {
    /// Opens a socket towards `address`, which is at `target`. A connection may still be in the making then.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or knows at once that the daemon cannot be reached.
    pub(crate) fn open(address: &Address, target: Target) -> io::Result<Self> {
        match &address.location {
            Location::Udp(_) => UdpSender::connect(socket_address(target)?).map(Self::Udp),
            Location::Tcp(_) => StreamSender::connect(Peer::Tcp(socket_address(target)?)).map(Self::Stream),
            Location::UnixStream(path) => StreamSender::connect(Peer::Unix(path)).map(Self::Stream),
            Location::UnixDatagram(path) => UnixSender::connect(path, address.packet_size).map(Self::Unix),
        }
    }

    /// Sends some of the oldest packets; datagrams one by one if they shall leave `singly`.
    pub(crate) fn send(&self, queue: &Packer, singly: bool) -> io::Result<Sent> {
        match self {
            Self::Udp(socket) => socket.send(queue, singly),
            Self::Stream(connection) => connection.send(queue).map(Sent::alone),
            Self::Unix(socket) => socket.send(queue).map(Sent::alone),
        }
    }

    /// Waits until the socket takes bytes again, or has failed, or a little.
    pub(crate) async fn writable(&self) {
        match self {
            Self::Udp(socket) => socket.writable().await,
            Self::Stream(connection) => connection.writable().await,
            Self::Unix(socket) => socket.writable().await,
        }
    }
}

fn socket_address(target: Target) -> io::Result<SocketAddr> {
    match target {
        Target::At(address) => Ok(address),
        // Nobody opens a socket before the address is known.
        Target::Unknown | Target::Unresolved | Target::Local => Err(io::Error::from_raw_os_error(libc::EDESTADDRREQ)),
    }
}
