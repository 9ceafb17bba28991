//! The datagrams that were sent last, kept to know how many metrics an ICMP message about one of them stands for.
//!
//! The message quotes the beginning of the datagram that it is about: Linux 520 bytes of the payload over IPv4 and 1184
//! over IPv6 (`icmp_send` in net/ipv4/icmp.c, RFC 4443 section 3.1), others as little as none (RFC 792). So a datagram is
//! found by its first bytes.

use std::collections::VecDeque;

/// The most datagrams kept, for each worker. An answer to an older one changes no figure. On loopback the answer is there
/// before the next datagram leaves; over a network this is a tenth of a second of 5000 datagrams a second.
pub(crate) const MAX_IN_FLIGHT: usize = 512;

/// How many bytes of each are kept, and read of what is quoted: a name and its value nearly always differ within these.
pub(crate) const QUOTED: usize = 64;

/// What did not arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Returned {
    /// Datagrams of one system call, if they left as segments.
    pub datagrams: u64,
    /// The metrics in them.
    pub metrics: u64,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    head: [u8; QUOTED],
    /// How many bytes of `head` are its own.
    kept: u8,
    metrics: u32,
    /// Datagrams that left as segments of one have the same number.
    group: u64,
    /// Whether it left as a segment: a quote may then go on past its end.
    segment: bool,
    /// Whether it left at all.
    sent: bool,
    returned: bool,
}

impl Datagram {
    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.kept)]
    }
}

/// A bounded memory of what was sent last through one socket.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    datagrams: VecDeque<Datagram>,
    group: u64,
}

impl InFlight {
    /// Notes datagrams that have left, with the metrics of each: as segments of one if `together`.
    pub(crate) fn add<'d>(&mut self, sent: impl Iterator<Item = (&'d [u8], u32)>, together: bool) {
        self.group += 1;
        for (bytes, metrics) in sent {
            self.push(bytes, metrics, together, true);
            if !together {
                self.group += 1;
            }
        }
    }

    /// Notes a datagram that a filter on this host did not let out. If it rejects it, rather than dropping it, an ICMP message
    /// follows, which is about none that was sent.
    pub(crate) fn add_forbidden(&mut self, bytes: &[u8]) {
        self.group += 1;
        // It may have been tried as the first of several segments.
        self.push(bytes, 0, true, false);
    }

    fn push(&mut self, bytes: &[u8], metrics: u32, segment: bool, sent: bool) {
        if self.datagrams.len() == MAX_IN_FLIGHT {
            self.datagrams.pop_front();
        }
        let kept = bytes.len().min(QUOTED);
        let mut head = [0; QUOTED];
        head[..kept].copy_from_slice(&bytes[..kept]);
        self.datagrams.push_back(Datagram {
            head,
            // 64 at most.
            kept: kept as u8,
            metrics,
            group: self.group,
            segment,
            sent,
            returned: false,
        });
    }

    /// Takes back what an ICMP message is about that quotes `quote`, at most [`QUOTED`] bytes of it; `None` if that is not
    /// known, or was taken back before.
    ///
    /// Segments count together: within one host, virtual networks included, they are one packet until they are received, and
    /// one message is the answer to all. Of datagrams that begin alike the youngest is meant: while a port is closed none
    /// arrives, and those that did arrive are older.
    pub(crate) fn take_back(&mut self, quote: &[u8]) -> Option<Returned> {
        let exact = |datagram: &&Datagram| datagram.head() == quote;
        let similar = |datagram: &&Datagram| {
            let common = quote.len().min(datagram.head().len());
            datagram.head()[..common] == quote[..common] && (datagram.segment || common == quote.len())
        };
        let youngest = || self.datagrams.iter().rev().filter(|datagram| !datagram.returned);
        let group = youngest().find(exact).or_else(|| youngest().find(similar))?.group;
        let mut returned = Returned { datagrams: 0, metrics: 0 };
        for datagram in self.datagrams.iter_mut().rev().filter(|datagram| datagram.group == group) {
            datagram.returned = true;
            returned.datagrams += u64::from(datagram.sent);
            returned.metrics += u64::from(datagram.metrics);
        }
        Some(returned)
    }

    /// Forgets all: their socket is gone.
    pub(crate) fn clear(&mut self) {
        self.datagrams.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(in_flight: &mut InFlight, datagrams: &[(&str, u32)], together: bool) {
        in_flight.add(datagrams.iter().map(|(text, metrics)| (text.as_bytes(), *metrics)), together);
    }

    fn returned(datagrams: u64, metrics: u64) -> Option<Returned> {
        Some(Returned { datagrams, metrics })
    }

    #[test]
    fn a_datagram_is_found_by_what_is_quoted_of_it() {
        let mut in_flight = InFlight::default();
        sent(&mut in_flight, &[("a:1|c", 1), ("b:1|c\nb:2|c", 2), ("c:1|c\nc:2|c\nc:3|c", 3)], false);
        assert_eq!(in_flight.take_back(b"b:1|c\nb:2|c"), returned(1, 2));
        assert_eq!(in_flight.take_back(b"b:1|c\nb:2|c"), None, "it was taken back before");
        assert_eq!(in_flight.take_back(b"a:1|c\na:2|c"), None, "it is about a longer one");
        assert_eq!(in_flight.take_back(b"c:1"), returned(1, 3), "some routers quote little");
        assert_eq!(in_flight.take_back(b""), returned(1, 1), "and some nothing");
        assert_eq!(in_flight.take_back(b""), None);
    }

    #[test]
    fn the_whole_datagram_is_preferred_to_a_longer_one() {
        let mut in_flight = InFlight::default();
        sent(&mut in_flight, &[("a:1|c", 1), ("a:1|c\na:2|c", 2)], false);
        assert_eq!(in_flight.take_back(b"a:1|c"), returned(1, 1));
    }

    #[test]
    fn of_those_alike_the_youngest_is_meant() {
        let mut in_flight = InFlight::default();
        let long = "x".repeat(QUOTED);
        let (older, younger) = (format!("{long}:1|c"), format!("{long}:1|c\nb:1|c"));
        sent(&mut in_flight, &[(&older, 1), (&younger, 2)], false);
        assert_eq!(in_flight.take_back(long.as_bytes()), returned(1, 2));
        assert_eq!(in_flight.take_back(long.as_bytes()), returned(1, 1));
    }

    #[test]
    fn segments_come_back_together() {
        let mut in_flight = InFlight::default();
        sent(&mut in_flight, &[("before:1|c", 1)], false);
        sent(&mut in_flight, &[("aa:1|c", 1), ("bb:1|c", 1), ("c:1|c", 1)], true);
        sent(&mut in_flight, &[("after:1|c", 1)], false);
        // The quote of a packet that holds all segments goes on past the first.
        assert_eq!(in_flight.take_back(b"aa:1|cbb:1|cc:1|c"), returned(3, 3));
        assert_eq!(in_flight.take_back(b"bb:1|c"), None);
        assert_eq!(in_flight.take_back(b"before:1|c"), returned(1, 1));
    }

    #[test]
    fn what_never_left_does_not_come_back() {
        let mut in_flight = InFlight::default();
        sent(&mut in_flight, &[("a:1|c", 1)], false);
        in_flight.add_forbidden(b"a:1|c");
        assert_eq!(in_flight.take_back(b"a:1|c"), returned(0, 0));
        assert_eq!(in_flight.take_back(b"a:1|c"), returned(1, 1));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut in_flight = InFlight::default();
        for i in 0..2 * MAX_IN_FLIGHT {
            sent(&mut in_flight, &[(&format!("n{i}:1|c"), 1)], i % 2 == 0);
        }
        assert_eq!(in_flight.datagrams.len(), MAX_IN_FLIGHT);
        assert_eq!(in_flight.take_back(b"n0:1|c"), None);
        in_flight.clear();
        assert_eq!(in_flight.take_back(b""), None);
    }
}
