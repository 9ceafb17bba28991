//! Choices read from the first bytes of a fuzzer's input.

use crate::internals::{DIALECTS, Encoding, encoding};

/// The remaining bytes. After the last one, zeros are read.
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next two bytes, as a number.
    pub(super) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A dialect, with or without a prefix and own tags of the server.
    pub(super) fn encoding(&mut self) -> Encoding {
        let choice = usize::from(self.byte());
        let prefix = if choice & 8 == 0 { "" } else { "p.q" };
        let tags: &[&str] = if choice & 16 == 0 { &[] } else { &["env=prod", "dc=x"] };
        encoding(DIALECTS[choice % DIALECTS.len()], prefix, tags)
    }
}

/// Splits `bytes` into pieces of 1 to 256 bytes, whose lengths depend on `seed`.
pub(super) fn cut(mut bytes: &[u8], seed: u16) -> Vec<&[u8]> {
    let mut state = u32::from(seed) | 1 << 16;
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        // The generator of Numerical Recipes; only its high bits are random.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, rest) = bytes.split_at(bytes.len().min(1 + (state >> 24) as usize));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
