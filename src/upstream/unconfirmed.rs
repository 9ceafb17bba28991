//! What was written last to a connection, kept to know how many metrics may be lost when it breaks.
//!
//! A stream has no answers: what the kernel has taken may be in its own buffer, on the way, or in the buffer of a daemon that
//! never reads it. So a break leaves a doubt about the last packets, and they are counted as maybe lost: never as sent, which
//! could be too many, nor as dropped, which could be too many as well.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What the kernel charges to a send buffer for each write beside its bytes, at the least: `sk_buff` and `skb_shared_info`.
pub(crate) const CHARGED: usize = 512;

/// The most packets kept. One packet leaves in a millisecond unless they are full, so it is the bytes that count.
const MAX_PACKETS: usize = 4096;

/// How long a daemon may leave unread what it has received. Of what was written before, a break leaves no doubt.
const UNREAD: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Written {
    /// How many bytes were written to the connection with this packet.
    end: u64,
    metrics: u32,
    at: Instant,
}

/// A bounded memory of what was written last to one connection.
#[derive(Debug)]
pub(crate) struct Unconfirmed {
    packets: VecDeque<Written>,
    end: u64,
    /// The most bytes that can be under way: the buffers of both ends.
    max_bytes: u64,
}

impl Unconfirmed {
    /// An empty one for a connection that holds at most `max_bytes` between the two programs.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { packets: VecDeque::new(), end: 0, max_bytes }
    }

    /// Notes a packet of `bytes` that was written whole.
    pub(crate) fn add(&mut self, bytes: usize, metrics: u32, now: Instant) {
        self.end += bytes as u64;
        self.packets.push_back(Written { end: self.end, metrics, at: now });
        let gone = self.end.saturating_sub(self.max_bytes);
        while self.packets.len() > MAX_PACKETS || self.packets.front().is_some_and(|oldest| oldest.end <= gone) {
            self.packets.pop_front();
        }
    }

    /// Notes bytes that take space in the buffers, and were not written.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.end += bytes as u64;
    }

    /// How many bytes the packets had together.
    pub(crate) fn written(&self) -> u64 {
        self.end
    }

    /// The metrics of the packets that do not end within the first `bytes` of the connection.
    pub(crate) fn past(&self, bytes: u64) -> u64 {
        self.packets.iter().filter(|packet| packet.end > bytes).map(|packet| u64::from(packet.metrics)).sum()
    }

    /// The metrics of the packets that a daemon may have received and not read, or may not have received.
    pub(crate) fn unread(&self, bytes: u64, now: Instant) -> u64 {
        let doubtful = |packet: &&Written| packet.end > bytes || now < packet.at + UNREAD;
        self.packets.iter().filter(doubtful).map(|packet| u64::from(packet.metrics)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_acknowledged_or_is_young_is_in_doubt() {
        let (start, mut written) = (Instant::now(), Unconfirmed::new(1000));
        written.add(10, 1, start);
        written.add(10, 2, start + Duration::from_millis(500));
        written.add(10, 4, start + Duration::from_millis(1200));
        assert_eq!([0, 9, 10, 19, 20, 29, 30].map(|bytes| written.past(bytes)), [7, 7, 6, 6, 4, 4, 0]);
        let unread = |bytes, ms| written.unread(bytes, start + Duration::from_millis(ms));
        assert_eq!((unread(30, 1200), unread(30, 1499), unread(30, 1500), unread(30, 2200)), (6, 6, 4, 0));
        assert_eq!(unread(10, 9000), 6, "however old, it was not acknowledged");
    }

    #[test]
    fn the_memory_is_bounded_by_what_can_be_under_way() {
        let (now, mut written) = (Instant::now(), Unconfirmed::new(100));
        for _ in 0..100 {
            written.add(10, 1, now);
        }
        assert_eq!((written.past(0), written.packets.len()), (10, 10));
        let mut tiny = Unconfirmed::new(u64::MAX);
        for _ in 0..2 * MAX_PACKETS {
            tiny.add(1, 1, now);
        }
        assert_eq!(tiny.past(0), MAX_PACKETS as u64);
    }
}
