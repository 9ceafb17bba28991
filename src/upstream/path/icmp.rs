//! What happened to datagrams over UDP: errors of sending them, and ICMP messages about those that were sent.

use std::cell::RefCell;

use nix::libc;
use tokio::time::Instant;

use crate::statsd::packer::Packer;
use crate::telemetry::delivery::Delivery;
use crate::upstream::outage::Trouble;
use crate::upstream::path::{Flush, Path};
use crate::upstream::udp::UdpSender;

/// The most sends in a row that may be answered with an ICMP message about an older datagram, in place of being done.
const MAX_REPEATS: u32 = 16;

/// The most datagrams in a row that may be refused by a filter on this host before the path is given up for a while: a filter
/// that limits a rate refuses some, one that forbids all.
const MAX_FORBIDDEN: u32 = 8;

/// The most ICMP messages taken at once; the kernel keeps some 250.
const MAX_ERRORS: usize = 1024;

impl Path {
    /// Decides what to do about a datagram that was not sent; `None` to go on at once.
    pub(super) fn not_sent_by_udp(
        &self,
        queue: &RefCell<Packer>,
        socket: &UdpSender,
        errno: i32,
        repeats: &mut u32,
    ) -> Option<Flush> {
        if errno == libc::EPERM {
            return self.forbidden(queue, socket);
        }
        // What ICMP says of an older datagram is told in place of sending this one. Once more, and it goes.
        let messages = self.take_errors(socket);
        if !socket.keeps_errors() && errno == libc::ECONNREFUSED && *repeats == 0 {
            self.take_back(errno, &[]);
        }
        if *repeats == 0 || (messages > 0 && *repeats < MAX_REPEATS) {
            *repeats += 1;
            Delivery::add(&self.delivery.retried, u64::from(messages > 0 || errno == libc::ECONNREFUSED));
            return None;
        }
        *repeats = 0;
        if errno == libc::EMSGSIZE {
            // It concerns this datagram alone.
            self.drop_oldest(queue, 1, Trouble::Failed(errno));
            return None;
        }
        self.close(queue);
        Some(self.pause(queue, Trouble::Attempt(errno)))
    }

    /// A filter on this host did not let the oldest datagram out; `None` to go on at once. No ICMP message is told as EPERM.
    fn forbidden(&self, queue: &RefCell<Packer>, socket: &UdpSender) -> Option<Flush> {
        if let Some(first) = queue.borrow().waiting().next() {
            self.in_flight.borrow_mut().add_forbidden(first);
        }
        self.take_errors(socket);
        if self.forbidden.get() < MAX_FORBIDDEN {
            self.forbidden.set(self.forbidden.get() + 1);
            self.drop_oldest(queue, 1, Trouble::Failed(libc::EPERM));
            return None;
        }
        self.close(queue);
        Some(self.pause(queue, Trouble::Attempt(libc::EPERM)))
    }

    /// Takes in the ICMP messages that wait, and says how many there were.
    pub(super) fn take_errors(&self, socket: &UdpSender) -> usize {
        let mut count = 0;
        while count < MAX_ERRORS
            && let Some(error) = socket.next_error()
        {
            self.take_back(error.errno, error.quote());
            count += 1;
        }
        count
    }

    /// Takes back from what was sent the metrics of the datagram that begins with `quote`.
    fn take_back(&self, errno: i32, quote: &[u8]) {
        self.returned.set(Some(Instant::now()));
        let Some(returned) = self.in_flight.borrow_mut().take_back(quote).filter(|r| r.datagrams > 0) else { return };
        let (counter, trouble) = if errno == libc::ECONNREFUSED {
            (&self.delivery.refused, Trouble::Refused)
        } else {
            (&self.delivery.undelivered, Trouble::Failed(errno))
        };
        Delivery::add(&self.delivery.returned_datagrams, returned.datagrams);
        Delivery::add(counter, returned.metrics);
        self.outage.note(trouble, returned.metrics);
    }
}
