//! gzip with empty blocks, whose code tables are expensive.

use super::Shape;

/// The order in which deflate gives the lengths of the code for lengths (RFC 1951 section 3.2.7).
const LENGTH_ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bodies of at most `cap` compressed bytes.
pub fn bodies(cap: usize) -> Vec<Shape> {
    [
        ("fixed codes", fixed as fn(&mut Bits, bool)),
        ("stored", stored),
        ("shortest codes", shortest),
        ("longest codes", longest),
    ]
    .map(|(name, block)| {
        let shape = Shape::batch(&format!("empty blocks of gzip, {name}"), "text/plain", Vec::new());
        Shape { gzip: Some(gzip(block, cap)), ..shape }
    })
    .into()
}

/// Writes bits, the lowest bit of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    bits: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        self.bits |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.bits as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    /// Writes a code, its highest bit first.
    fn code(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|bit| self.push(value >> bit & 1, 1));
    }

    fn align(&mut self) {
        self.push(0, (8 - self.count) % 8);
    }
}

/// As many blocks as fit, with the header and trailer of an empty gzip body (RFC 1952).
fn gzip(block: fn(&mut Bits, bool), cap: usize) -> Vec<u8> {
    const LONGEST: usize = 200;
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], ..Bits::default() };
    while bits.bytes.len() + 2 * LONGEST < cap {
        block(&mut bits, false);
    }
    block(&mut bits, true);
    bits.align();
    bits.bytes.extend_from_slice(&[0; 8]);
    bits.bytes
}

fn stored(bits: &mut Bits, last: bool) {
    bits.push(u32::from(last), 3);
    bits.align();
    bits.push(0, 16);
    bits.push(0xffff, 16);
}

fn fixed(bits: &mut Bits, last: bool) {
    bits.push(u32::from(last), 1);
    bits.push(1, 2);
    bits.code(0, 7);
}

/// A block in which only the end of the block has a code.
fn shortest(bits: &mut Bits, last: bool) {
    head(bits, last, 257, 1, &[(18, 1), (1, 1)]);
    for zeros in [138, 118] {
        bits.code(1, 1);
        bits.push(zeros - 11, 7);
    }
    // The end of a block, a distance; then the end of this block.
    bits.code(0, 3);
}

/// A block in which all literals and distances have codes of about the same length.
fn longest(bits: &mut Bits, last: bool) {
    head(bits, last, 286, 30, &[(16, 1), (8, 3), (9, 3), (4, 3), (5, 3)]);
    for (code, count) in [(0b110, 226), (0b111, 60), (0b100, 2), (0b101, 28)] {
        bits.code(code, 3);
        let mut left = count - 1;
        while left >= 3 {
            let run = left.min(6);
            bits.code(0, 1);
            bits.push(run - 3, 2);
            left -= run;
        }
        (0..left).for_each(|_| bits.code(code, 3));
    }
    // Literals up to 225 have codes of 8 bits, the others of 9; the end of a block is the thirtieth after them.
    bits.code((226 << 1) + 30, 9);
}

/// The header of a block with dynamic codes for this number of `literals` and `distances`; `lengths` has the bits of
/// each length that occurs.
fn head(bits: &mut Bits, last: bool, literals: u32, distances: u32, lengths: &[(u8, u32)]) {
    let bits_of = |length: &u8| lengths.iter().find(|(of, _)| of == length).map_or(0, |(_, bits)| *bits);
    let given = LENGTH_ORDER.iter().rposition(|length| bits_of(length) > 0).map_or(4, |last| last + 1);
    bits.push(u32::from(last), 1);
    bits.push(2, 2);
    bits.push(literals - 257, 5);
    bits.push(distances - 1, 5);
    bits.push(given as u32 - 4, 4);
    LENGTH_ORDER[..given].iter().for_each(|length| bits.push(bits_of(length), 3));
}
