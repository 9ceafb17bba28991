//! The classes of the bytes in names and members.

/// The classes of the bytes of a text, as a set of bits. One pass without branches finds them, because every name and
/// member is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByteClasses(u8);

impl ByteClasses {
    const DIGIT: u8 = 1;
    const DOT: u8 = 2;
    /// A letter, `_` or `-`.
    const WORD: u8 = 4;
    /// Any other byte.
    const ODD: u8 = 8;

    const OF_BYTE: [u8; 256] = {
        let mut table = [Self::ODD; 256];
        let mut byte = 0;
        while byte < 128u8 {
            table[byte as usize] = match byte {
                b'0'..=b'9' => Self::DIGIT,
                b'.' => Self::DOT,
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' => Self::WORD,
                _ => Self::ODD,
            };
            byte += 1;
        }
        table
    };

    /// Of an empty text.
    pub(super) const EMPTY: Self = Self(0);

    /// Of `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut classes = Self::EMPTY;
        text.bytes().for_each(|byte| classes.add(byte));
        classes
    }

    /// Adds a byte to the text.
    pub(super) fn add(&mut self, byte: u8) {
        self.0 |= Self::OF_BYTE[usize::from(byte)];
    }

    /// True if the text has a dot.
    pub(super) fn has_dot(self) -> bool {
        self.0 & Self::DOT != 0
    }

    /// True if StatsD's sanitiser does not change the text.
    pub(super) fn is_plain(self) -> bool {
        self.0 & Self::ODD == 0
    }

    /// True if the text has only digits and dots.
    pub(super) fn is_numeric(self) -> bool {
        self.0 & !(Self::DIGIT | Self::DOT) == 0
    }

    /// True if `text`, whose classes these are, cannot end its field or its line.
    pub(super) fn is_line_safe(self, text: &str) -> bool {
        self.is_plain() || !text.chars().any(|c| c.is_control() || c == ':' || c == '|')
    }
}
