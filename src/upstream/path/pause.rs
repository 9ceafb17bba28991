//! A path that fails: its pauses, and what is dropped meanwhile.

use std::cell::RefCell;

use nix::libc;
use tokio::time::Instant;

use crate::statsd::packer::Packer;
use crate::telemetry::delivery::Delivery;
use crate::upstream::address::Location;
use crate::upstream::backoff::{CONNECTION_PAUSES, DATAGRAM_PAUSES, Pauses};
use crate::upstream::outage::Trouble;
use crate::upstream::path::{Flush, KEEP, Path};

impl Path {
    /// Pauses for longer and longer while the path fails. What waits is kept at first, and dropped when it is old.
    pub(super) fn pause(&self, queue: &RefCell<Packer>, trouble: Trouble) -> Flush {
        let (now, errno) = (Instant::now(), trouble.errno().unwrap_or(libc::EPIPE));
        let (until, failing_for) = {
            let mut backoff = self.backoff.borrow_mut();
            (backoff.fail(now, errno, self.pauses()), backoff.failing_for(now))
        };
        self.outage.note(trouble, 1);
        if failing_for >= KEEP {
            self.drop_all(queue, Trouble::Failed(errno));
        }
        Flush::NoPath(until, errno)
    }

    fn pauses(&self) -> &'static Pauses {
        match self.address.location {
            Location::Udp(_) => &DATAGRAM_PAUSES,
            Location::Tcp(_) | Location::UnixDatagram(_) | Location::UnixStream(_) => &CONNECTION_PAUSES,
        }
    }

    /// Pauses since the kernel has no buffers (ENOBUFS); unlike after EAGAIN, it promises no event. That is a burst that a
    /// queue of the network does not take, and no outage unless it lasts.
    pub(super) fn no_buffers(&self) -> Flush {
        let now = Instant::now();
        let mut backoff = self.backoff.borrow_mut();
        let until = backoff.fail(now, libc::ENOBUFS, &DATAGRAM_PAUSES);
        if backoff.failing_for(now) >= KEEP {
            self.outage.note(Trouble::Attempt(libc::ENOBUFS), 1);
        }
        Flush::NoBuffers(until)
    }

    /// Drops and counts the oldest packets.
    pub(super) fn drop_oldest(&self, queue: &RefCell<Packer>, datagrams: usize, trouble: Trouble) {
        let metrics = queue.borrow_mut().pop(datagrams);
        Delivery::add(&self.delivery.dropped, metrics);
        self.outage.note(trouble, metrics);
    }

    /// Drops and counts all that waits. A connection is closed before, whose next line might be written in part.
    pub(crate) fn drop_all(&self, queue: &RefCell<Packer>, trouble: Trouble) {
        if self.address.location.is_stream() {
            self.close(queue);
        }
        let waiting = queue.borrow().len();
        if waiting > 0 {
            self.drop_oldest(queue, waiting, trouble);
        }
    }
}
