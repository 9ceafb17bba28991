//! A connected UDP socket: several datagrams in one system call, and what ICMP says of those that did not arrive.

use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, getsockopt, recvmsg, send, sendmmsg, sendmsg,
    setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::sleep;

use crate::statsd::packer::Packer;
use crate::upstream::in_flight::QUOTED;

/// Datagrams that leave in one system call. The kernel takes up to 1024 (`UIO_MAXIOV`); 64 already make the cost of
/// the call itself vanish, and keep the headers on one page. Of segments it takes 64 (`UDP_MAX_SEGMENTS`).
pub(crate) const MAX_SEGMENTS: usize = 64;

/// How long to wait where no event can be waited for.
pub(crate) const NO_EVENT_PAUSE: Duration = Duration::from_millis(5);

/// A payload that every path takes in one packet: IPv6's least MTU, 1280 bytes, less its header and UDP's.
const ALWAYS_FITS: usize = 1232;

/// What left in one system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sent {
    /// How many of the oldest datagrams.
    pub datagrams: usize,
    /// Whether they left as the segments of one.
    pub together: bool,
}

impl Sent {
    /// Each by itself.
    pub(crate) fn alone(datagrams: usize) -> Self {
        Self { datagrams, together: false }
    }
}

/// What an ICMP message says of a datagram that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undelivered {
    /// What the kernel makes of the message: `ECONNREFUSED` for an unreachable port.
    pub errno: i32,
    quote: [u8; QUOTED],
    quoted: usize,
}

impl Undelivered {
    /// The first bytes of the datagram that the message is about, as far as it quotes them.
    pub(crate) fn quote(&self) -> &[u8] {
        &self.quote[..self.quoted]
    }
}

/// A socket that is bound to any port of its family, connected, and never blocks.
#[derive(Debug)]
pub(crate) struct UdpSender {
    socket: UdpSocket,
    /// Whether the kernel keeps ICMP messages for us. If not, it tells of one at most, in place of the next send.
    keeps_errors: bool,
    /// The longest datagram that the path takes as a segment, found out by trying; 0 where it takes none.
    longest_segment: Cell<usize>,
}

impl UdpSender {
    /// Opens a socket towards `address`.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        // An IPv6 socket speaks IPv4 to a mapped address, so it needs both.
        let v4 = setsockopt(&socket, sockopt::Ipv4RecvErr, &true);
        let v6 = if address.is_ipv6() { setsockopt(&socket, sockopt::Ipv6RecvErr, &true) } else { v4 };
        // A kernel before 4.18 has no segments, and would send them joined, as one datagram.
        let segments = getsockopt(&socket, sockopt::UdpGsoSegment).is_ok();
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            keeps_errors: v4.is_ok() && v6.is_ok(),
            longest_segment: Cell::new(if segments { usize::MAX } else { 0 }),
        })
    }

    /// Whether [`UdpSender::next_error`] tells of every ICMP message.
    pub(crate) fn keeps_errors(&self) -> bool {
        self.keeps_errors
    }

    /// Sends some of the oldest datagrams in one system call, or one if they shall leave `singly`.
    pub(crate) fn send(&self, queue: &Packer, singly: bool) -> io::Result<Sent> {
        let longest = if singly { 0 } else { self.longest_segment.get() };
        let Some(first) = queue.waiting().next() else { return Ok(Sent::alone(0)) };
        if first.len() <= longest {
            let alike = queue.segments(MAX_SEGMENTS);
            if alike > 1 {
                match self.send_segments(queue, alike, first.len()) {
                    Err(error) if refuses_segments(&error) => self.take_no_segments_of(first.len()),
                    sent => return sent.map(|()| Sent { datagrams: alike, together: true }),
                }
            }
        }
        // What stands before datagrams that can leave as segments goes alone, and they after it.
        let count =
            if singly { 1 } else { queue.waiting().take(MAX_SEGMENTS).take_while(|d| d.len() > longest).count() };
        match count {
            0 | 1 => self.attempt(|fd| send(fd, first, MsgFlags::MSG_DONTWAIT)).map(|_| Sent::alone(1)),
            _ => self.send_several(queue, count).map(Sent::alone),
        }
    }

    /// Sends `count` datagrams with one call, and says how many left.
    fn send_several(&self, queue: &Packer, count: usize) -> io::Result<usize> {
        let slices: Vec<[IoSlice<'_>; 1]> = queue.waiting().take(count).map(|d| [IoSlice::new(d)]).collect();
        // The socket is connected: no message names an address.
        let addresses: Vec<Option<()>> = vec![None; slices.len()];
        let mut headers = MultiHeaders::<()>::preallocate(slices.len(), None);
        self.attempt(|fd| {
            let sent = sendmmsg(fd, &mut headers, &slices, &addresses, [], MsgFlags::MSG_DONTWAIT)?;
            Ok(sent.count())
        })
    }

    /// Sends `count` datagrams as the segments of one (UDP GSO): all are `size` bytes long, but for a shorter last one. The
    /// kernel walks its stack once for all of them.
    fn send_segments(&self, queue: &Packer, count: usize, size: usize) -> io::Result<()> {
        let slices: Vec<IoSlice<'_>> = queue.waiting().take(count).map(IoSlice::new).collect();
        let size = u16::try_from(size).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        let control = [ControlMessage::UdpGsoSegments(&size)];
        self.attempt(|fd| sendmsg::<()>(fd, &slices, &control, MsgFlags::MSG_DONTWAIT, None)).map(|_| ())
    }

    /// Makes a system call that sends.
    ///
    /// Not by `try_io`, which makes none before the event loop has seen the new socket: what one long turn of it pushes may be
    /// more than the queue holds.
    fn attempt<T>(&self, call: impl FnOnce(RawFd) -> nix::Result<T>) -> io::Result<T> {
        let result = call(self.socket.as_raw_fd()).map_err(io::Error::from);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.clear(Interest::WRITABLE);
        }
        result
    }

    /// Makes whoever waits for `interest` wait for its next event.
    fn clear(&self, interest: Interest) {
        let _ = self.socket.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }

    /// Segments of `size` bytes were refused. A shorter one may be within the MTU, unless it always is.
    fn take_no_segments_of(&self, size: usize) {
        self.longest_segment.set(if size > ALWAYS_FITS { size - 1 } else { 0 });
    }

    /// The oldest ICMP message about a datagram of this socket that was not taken yet.
    pub(crate) fn next_error(&self) -> Option<Undelivered> {
        let mut quote = [0; QUOTED];
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        loop {
            let mut slices = [IoSliceMut::new(&mut quote)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags).ok()?;
            let quoted = message.bytes.min(QUOTED);
            let error = message.cmsgs().ok()?.find_map(|control| match control {
                ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error),
                _ => None,
            });
            // What the kernel itself says of a datagram it has told already, in answer to its send.
            if let Some(error) =
                error.filter(|e| [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6].contains(&e.ee_origin))
            {
                return Some(Undelivered { errno: error.ee_errno as i32, quote, quoted });
            }
        }
    }

    /// Waits for an ICMP message. After all were taken, [`UdpSender::no_errors`] says so.
    pub(crate) async fn errors(&self) {
        if self.socket.ready(Interest::ERROR).await.is_err() {
            // The event loop ends.
            std::future::pending().await
        }
    }

    /// Makes [`UdpSender::errors`] wait for the next event.
    pub(crate) fn no_errors(&self) {
        self.clear(Interest::ERROR);
    }

    /// Waits until the socket takes a datagram again, or a little.
    ///
    /// An event of an ICMP message looks to tokio as if the socket were closed for writing, and from then on it is ready at all
    /// times. Without the pause the wait for space would be a loop.
    pub(crate) async fn writable(&self) {
        match self.socket.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => {}
            _ => sleep(NO_EVENT_PAUSE).await,
        }
    }
}

/// Whether the path to StatsD takes no such segments: an old kernel, a device without checksums, a datagram over its MTU.
fn refuses_segments(error: &io::Error) -> bool {
    use libc::{EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP};
    error.raw_os_error().is_some_and(|code| [EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP].contains(&code))
}
