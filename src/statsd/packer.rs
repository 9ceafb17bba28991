//! Lines gathered into datagrams: newline between, none at the end, never a line split.
//!
//! All datagrams of a flush lie in one buffer, each a range of it, so that a line is written once and never copied.

use crate::metric::MAX_LINE;

/// The default size of a datagram's payload, in bytes: an Ethernet frame of 1500 less IPv6 and UDP headers leaves 1452,
/// and StatsD's own documents say 1432, which leaves space for the header of a tunnel.
pub const DEFAULT_PACKET_SIZE: usize = 1432;

/// The largest payload of a UDP datagram over IPv4, in bytes (65,535 less the IP and UDP headers).
pub const MAX_DATAGRAM: u64 = 65_507;

/// The most bytes that may wait for the socket, for each worker. It is about twice the kernel's default send buffer
/// (212,992 bytes), so a burst that the kernel refuses rides out the time in which that buffer drains; more would only
/// be old news. Past it, new lines are dropped and counted.
pub const MAX_QUEUE: usize = 512 * 1024;

/// What became of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Push {
    /// It waits to be sent.
    Taken,
    /// The queue is full.
    Full,
    /// It is longer than [`MAX_LINE`].
    TooLong,
}

/// One datagram: where its bytes lie in the buffer, and how many metrics it carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Datagram {
    start: usize,
    end: usize,
    metrics: u32,
}

/// A bounded queue of datagrams, the last of which still takes lines.
#[derive(Debug)]
pub struct Packer {
    buffer: Vec<u8>,
    datagrams: Vec<Datagram>,
    /// How many of `datagrams` have left already.
    sent: usize,
    packet_size: usize,
}

impl Packer {
    /// A queue whose datagrams take at most `packet_size` bytes, but for one longer line alone.
    pub fn new(packet_size: usize) -> Self {
        Self { buffer: Vec::new(), datagrams: Vec::new(), sent: 0, packet_size }
    }

    /// Adds what `write` appends, `metrics` measurements, as one unit, which never is split between datagrams.
    pub fn push(&mut self, metrics: u32, write: impl FnOnce(&mut Vec<u8>)) -> Push {
        let before = self.buffer.len();
        let open = self.sent < self.datagrams.len();
        if open {
            self.buffer.push(b'\n');
        }
        let start = self.buffer.len();
        write(&mut self.buffer);
        let end = self.buffer.len();
        if end > MAX_QUEUE || end - start > MAX_LINE {
            self.buffer.truncate(before);
            return if end - start > MAX_LINE { Push::TooLong } else { Push::Full };
        }
        if open
            && let Some(last) = self.datagrams.last_mut()
            && end - last.start <= self.packet_size
        {
            last.end = end;
            last.metrics += metrics;
        } else {
            // The newline written above then lies between two ranges, and is never sent.
            self.datagrams.push(Datagram { start, end, metrics });
        }
        Push::Taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.datagrams.len() - self.sent
    }

    /// The datagrams that wait, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &[u8]> {
        self.datagrams[self.sent..].iter().map(|d| &self.buffer[d.start..d.end])
    }

    /// How many bytes of the queue's bound are taken. While nothing holds up what waits, that is what waits.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The `count` oldest datagrams, each with its metrics.
    pub fn oldest(&self, count: usize) -> impl Iterator<Item = (&[u8], u32)> {
        self.datagrams[self.sent..].iter().take(count).map(|d| (&self.buffer[d.start..d.end], d.metrics))
    }

    /// How many of the oldest datagrams, at most `limit`, can leave as segments of one: as long as the first, but for a
    /// shorter last one, and together no longer than [`MAX_DATAGRAM`].
    pub fn segments(&self, limit: usize) -> usize {
        let mut lengths = self.waiting().map(<[u8]>::len).take(limit);
        let Some(size) = lengths.next() else { return 0 };
        let (mut count, mut space) = (1, (MAX_DATAGRAM as usize).saturating_sub(size));
        for length in lengths {
            if length > size || length > space {
                break;
            }
            count += 1;
            space -= length;
            if length < size {
                break;
            }
        }
        count
    }

    /// Forgets the `count` oldest datagrams, and says how many metrics they carried.
    pub fn pop(&mut self, count: usize) -> u64 {
        let gone = &self.datagrams[self.sent..self.sent + count];
        let metrics = gone.iter().map(|d| u64::from(d.metrics)).sum();
        self.sent += count;
        if self.sent == self.datagrams.len() {
            self.buffer.clear();
            self.datagrams.clear();
            self.sent = 0;
        } else if self.datagrams[self.sent].start > MAX_QUEUE / 2 {
            self.compact();
        }
        metrics
    }

    /// Moves what waits to the front, so that what has left takes no space in a queue that never runs empty.
    fn compact(&mut self) {
        let start = self.datagrams[self.sent].start;
        self.buffer.drain(..start);
        self.datagrams.drain(..self.sent);
        self.sent = 0;
        for datagram in &mut self.datagrams {
            datagram.start -= start;
            datagram.end -= start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packer(size: usize, lines: &[&str]) -> Packer {
        let mut packer = Packer::new(size);
        for line in lines {
            assert_eq!(packer.push(1, |out| out.extend_from_slice(line.as_bytes())), Push::Taken);
        }
        packer
    }

    fn texts(packer: &Packer) -> Vec<String> {
        packer.waiting().map(|d| String::from_utf8_lossy(d).into_owned()).collect()
    }

    #[test]
    fn lines_share_a_datagram_until_it_is_full() {
        let packer = packer(11, &["a:1|c", "b:2|c", "c:3|c"]);
        assert_eq!(texts(&packer), ["a:1|c\nb:2|c", "c:3|c"]);
    }

    #[test]
    fn a_longer_line_goes_alone() {
        let packer = packer(8, &["a:1|c", "a_long_name:2|c", "c:3|c"]);
        assert_eq!(texts(&packer), ["a:1|c", "a_long_name:2|c", "c:3|c"]);
    }

    #[test]
    fn a_unit_of_two_lines_is_not_split() {
        let packer = packer(16, &["a:1|c", "g:0|g\ng:-5|g"]);
        assert_eq!(texts(&packer), ["a:1|c", "g:0|g\ng:-5|g"]);
    }

    #[test]
    fn what_has_left_is_forgotten_and_counted() {
        let mut packer = packer(11, &["a:1|c", "b:2|c", "c:3|c"]);
        assert_eq!(packer.pop(1), 2);
        assert_eq!(texts(&packer), ["c:3|c"]);
        assert_eq!(packer.push(1, |out| out.extend_from_slice(b"d:4|c")), Push::Taken);
        assert_eq!(texts(&packer), ["c:3|c\nd:4|c"]);
        assert_eq!(packer.pop(1), 2);
        assert!(packer.is_empty());
        assert_eq!(packer.push(1, |out| out.extend_from_slice(b"e:5|c")), Push::Taken);
        assert_eq!(texts(&packer), ["e:5|c"]);
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let mut packer = Packer::new(DEFAULT_PACKET_SIZE);
        let line = [b'x'; 1024];
        let mut taken = 0u64;
        while packer.push(1, |out| out.extend_from_slice(&line)) == Push::Taken {
            taken += 1;
        }
        assert!(taken as usize * line.len() <= MAX_QUEUE);
        let waiting = packer.len();
        assert_eq!(packer.pop(waiting), taken);
    }

    #[test]
    fn a_unit_that_no_daemon_takes_whole_is_refused() {
        let mut packer = packer(1432, &["a:1|c"]);
        assert_eq!(packer.push(1, |out| out.resize(out.len() + MAX_LINE + 1, b'x')), Push::TooLong);
        assert_eq!(texts(&packer), ["a:1|c"]);
        assert_eq!(packer.push(3, |out| out.resize(out.len() + MAX_LINE, b'x')), Push::Taken);
        assert_eq!((packer.pop(1), packer.pop(1)), (1, 3));
    }

    #[test]
    fn a_queue_that_never_runs_empty_still_takes_lines() {
        let mut packer = Packer::new(DEFAULT_PACKET_SIZE);
        let line = [b'x'; 1024];
        for _ in 0..100 {
            assert_eq!(packer.push(1, |out| out.extend_from_slice(&line)), Push::Taken);
        }
        for _ in 0..2000 {
            assert_eq!(packer.push(1, |out| out.extend_from_slice(&line)), Push::Taken);
            assert_eq!(packer.pop(1), 1);
        }
        assert_eq!(packer.len(), 100);
    }

    #[test]
    fn segments_are_alike_but_for_a_shorter_last_one() {
        let segments = |lengths: &[usize], limit| {
            let mut packer = Packer::new(1);
            for length in lengths {
                packer.push(1, |out| out.resize(out.len() + length, b'x'));
            }
            packer.segments(limit)
        };
        assert_eq!(segments(&[], 64), 0);
        assert_eq!(segments(&[5], 64), 1);
        assert_eq!(segments(&[5, 6], 64), 1);
        assert_eq!(segments(&[5, 4], 64), 2);
        assert_eq!(segments(&[5, 5, 5, 3, 3], 64), 4);
        assert_eq!(segments(&[5, 5, 5], 2), 2);
        assert_eq!(segments(&[8000; 9], 64), 8);
    }

    proptest! {
        #[test]
        fn datagrams_joined_are_the_lines_in_order(
            lines in prop::collection::vec("[a-z]{1,30}:[0-9]{1,5}\\|c", 1..60),
            size in 1usize..120,
            pops in prop::collection::vec(0usize..4, 60),
        ) {
            let mut packer = Packer::new(size);
            let mut got: Vec<String> = Vec::new();
            let mut popped = 0;
            for (line, pop) in lines.iter().zip(pops) {
                prop_assert_eq!(packer.push(1, |out| out.extend_from_slice(line.as_bytes())), Push::Taken);
                let pop = pop.min(packer.len());
                got.extend(texts(&packer).into_iter().take(pop));
                popped += packer.pop(pop);
            }
            got.extend(texts(&packer));
            let rest = packer.len();
            popped += packer.pop(rest);
            prop_assert_eq!(popped as usize, lines.len());
            prop_assert!(got.iter().all(|d| d.len() <= size || !d.contains('\n')));
            prop_assert_eq!(got.join("\n"), lines.join("\n"));
        }
    }
}
