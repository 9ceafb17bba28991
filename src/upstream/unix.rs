//! Datagrams to a Unix socket, as a DogStatsD agent has it.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::libc;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::time::Instant;

use crate::metric::MAX_LINE;
use crate::statsd::packer::Packer;
use crate::upstream::unconfirmed::{CHARGED, Unconfirmed};

/// What the kernel keeps of the send buffer for itself: a datagram may be shorter than the buffer by this.
const OWN: usize = 64;

/// A socket that is connected to the daemon's, and never blocks. It knows of the daemon's end by its next send only.
#[derive(Debug)]
pub(crate) struct UnixSender {
    socket: UnixDatagram,
    written: RefCell<Unconfirmed>,
    /// Whether the kernel took no more at the last send, so that the daemon may have read nothing of what is in the buffer.
    is_blocked: Cell<bool>,
}

impl UnixSender {
    /// Connects to the socket at `path`, for datagrams of up to `packet_size` bytes.
    ///
    /// # Errors
    ///
    /// There is none, or nobody has it open.
    pub(crate) fn connect(path: &Path, packet_size: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        // What the daemon has not read is in this buffer, and is lost with the daemon, which nobody says. So it takes the
        // largest datagram and no more: what does not fit waits in the queue. The kernel doubles what is asked for.
        let buffer = packet_size.max(MAX_LINE) + OWN;
        socket.set_send_buffer_size(buffer.div_ceil(2))?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(Self {
            socket: UnixDatagram::from_std(OwnedFd::from(socket).into())?,
            // The kernel takes a datagram while the buffer is not full, so that the last one may go beyond.
            written: RefCell::new(Unconfirmed::new(2 * buffer as u64)),
            is_blocked: Cell::new(false),
        })
    }

    /// Sends the oldest datagram.
    pub(crate) fn send(&self, queue: &Packer) -> io::Result<usize> {
        let Some((datagram, metrics)) = queue.oldest(1).next() else { return Ok(0) };
        let result = SockRef::from(&self.socket).send_with_flags(datagram, libc::MSG_NOSIGNAL);
        match result {
            Ok(bytes) => {
                self.is_blocked.set(false);
                self.written.borrow_mut().add(bytes + CHARGED, metrics, Instant::now());
                Ok(1)
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.is_blocked.set(true);
                    let _ = self.socket.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                }
                Err(error)
            }
        }
    }

    /// Waits until the daemon's socket has space again, or is gone.
    pub(crate) async fn writable(&self) {
        if self.socket.ready(Interest::WRITABLE).await.is_err() {
            // The event loop ends.
            std::future::pending().await
        }
    }

    /// How many metrics may have been unread in the daemon's socket when it was closed: nobody says what was lost with it.
    pub(crate) fn maybe_lost(&self) -> u64 {
        let written = self.written.borrow();
        if self.is_blocked.get() { written.past(0) } else { written.unread(u64::MAX, Instant::now()) }
    }
}
