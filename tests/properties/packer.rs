//! The queue of datagrams.

use std::collections::VecDeque;

use super::input::Input;
use crate::internals::{MAX_DATAGRAM, MAX_LINE, MAX_QUEUE, Packer, Push};

/// An accepted unit: its bytes, and its number of metrics.
type Pushed = (Vec<u8>, u32);

/// Datagrams are within the packet size, except for a single longer unit, and contain all units, complete and in order.
pub fn packer(data: &[u8]) {
    let mut input = Input(data);
    let packet_size = usize::from(input.short()).max(1);
    let mut packer = Packer::new(packet_size);
    let mut expected: VecDeque<Pushed> = VecDeque::new();
    let mut fill = b'a';
    while !input.0.is_empty() {
        match input.byte() {
            0..=15 => {
                let count = usize::from(input.byte()) % (packer.len() + 1);
                assert_segments(&packer, packet_size);
                assert_oldest(&mut packer, &mut expected, count, packet_size);
            }
            kind => {
                // Most lines are short, some have about the packet size, and some are too long. None is empty.
                let length = match kind % 4 {
                    0 => usize::from(input.short()) % (MAX_LINE + 64),
                    1 => packet_size.saturating_sub(usize::from(input.byte() % 4)).min(MAX_LINE + 1),
                    _ => usize::from(input.byte()),
                }
                .max(1);
                let metrics = u32::from(kind) % 5;
                fill = if fill == b'z' { b'a' } else { fill + 1 };
                let (before, bytes) = (packer.len(), packer.bytes());
                match packer.push(metrics, |out| out.resize(out.len() + length, fill)) {
                    Push::Taken => expected.push_back((vec![fill; length], metrics)),
                    Push::TooLong => assert!(length > MAX_LINE, "{length} bytes are not too long"),
                    Push::Full => assert!(bytes + 1 + length > MAX_QUEUE, "{bytes} bytes are not full"),
                }
                assert!(packer.bytes() <= MAX_QUEUE && packer.len() >= before);
            }
        }
    }
    let rest = packer.len();
    assert_oldest(&mut packer, &mut expected, rest, packet_size);
    assert!(packer.is_empty() && packer.bytes() == 0 && expected.is_empty(), "units are left behind");
}

/// Removes the `count` oldest datagrams, which must contain the oldest units.
fn assert_oldest(packer: &mut Packer, expected: &mut VecDeque<Pushed>, count: usize, packet_size: usize) {
    let mut total = 0;
    for (datagram, metrics) in packer.oldest(count) {
        let (mut joined, mut units, mut found) = (Vec::new(), 0, 0);
        while units == 0 || joined.len() < datagram.len() {
            let (unit, metrics) = expected.pop_front().expect("a datagram without a unit");
            if units > 0 {
                joined.push(b'\n');
            }
            joined.extend_from_slice(&unit);
            (units, found) = (units + 1, found + metrics);
        }
        assert!(joined == datagram, "a datagram holds other bytes than its units");
        assert_eq!(found, metrics);
        assert!(units == 1 || datagram.len() <= packet_size, "{} bytes for {packet_size}", datagram.len());
        total += u64::from(metrics);
    }
    assert_eq!(packer.pop(count), total);
}

/// Segments of one packet have equal lengths, except for a shorter last one, and fit into the packet.
fn assert_segments(packer: &Packer, packet_size: usize) {
    let count = packer.segments(64);
    assert!(count <= 64 && count <= packer.len() && (count == 0) == packer.is_empty());
    let lengths: Vec<usize> = packer.waiting().take(count).map(<[u8]>::len).collect();
    let Some((last, full)) = lengths.split_last() else { return };
    assert!(full.iter().all(|length| *length == lengths[0]) && *last <= lengths[0], "{lengths:?} of {packet_size}");
    assert!(count == 1 || lengths.iter().sum::<usize>() <= MAX_DATAGRAM as usize, "{lengths:?}");
}
