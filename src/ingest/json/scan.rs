//! A scanner of JSON text. It accepts well-formed JSON only, but not all of it: the rest is left to serde_json.

use std::ops::Range;

/// A word of eight equal bytes.
const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A position in a text.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A string without escapes.
    PlainString,
    /// A number without an exponent.
    PlainNumber,
    /// Any other string, number or literal.
    Scalar,
    /// An array or an object of these.
    Nested,
}

// Functions that every object needs are inlined into their caller, so that the position stays in a register: this halves the
// instructions.
impl<'a> Scan<'a> {
    /// The start of `text`, which must be UTF-8: strings are not checked for that.
    #[inline(always)]
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The offset, in bytes.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next eight bytes, in little-endian order.
    #[inline(always)]
    pub(super) fn peek_word(&self) -> Option<u64> {
        self.text.get(self.at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
    }

    /// The text in `range`.
    #[inline(always)]
    pub(super) fn get(&self, range: Range<usize>) -> &'a [u8] {
        &self.text[range]
    }

    /// Skips `len` bytes, and white space after them.
    #[inline(always)]
    pub(super) fn skip(&mut self, len: usize) {
        self.at += len;
        self.space();
    }

    /// Skips `byte`, and white space after it, if it is the next one. Returns whether it was.
    #[inline(always)]
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    /// Skips white space.
    #[inline(always)]
    pub(super) fn space(&mut self) {
        // Mostly there is none, or one space.
        while let Some(byte @ ..=b' ') = self.peek() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                break;
            }
            self.at += 1;
        }
    }

    /// Skips a value, but not the white space after it. `None` if it is malformed, or an array or object that has another one
    /// in it.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Option<Token> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'{' => self.members(),
            b'[' => self.elements(),
            _ => self.literal(),
        }
    }

    /// Skips a string without escapes, and returns the range of its text.
    #[inline(always)]
    pub(super) fn plain_string(&mut self) -> Option<Range<usize>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let end = self.plain_end(start);
        if *self.text.get(end)? != b'"' {
            return None;
        }
        self.at = end + 1;
        Some(start..end)
    }

    /// Skips a string.
    #[inline(always)]
    fn string(&mut self) -> Option<Token> {
        let end = self.plain_end(self.at + 1);
        if *self.text.get(end)? != b'"' {
            return self.escaped(end);
        }
        self.at = end + 1;
        Some(Token::PlainString)
    }

    /// Skips the rest of a string, from a backslash or a control character at `at`.
    #[cold]
    fn escaped(&mut self, mut at: usize) -> Option<Token> {
        loop {
            match self.text.get(at..)? {
                [b'"', ..] => {
                    self.at = at + 1;
                    return Some(Token::Scalar);
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at += 2,
                [b'\\', b'u', hex @ ..] if hex.first_chunk::<4>()?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            }
            at = self.plain_end(at);
        }
    }

    /// The offset of the first quote, backslash or control character from `at` on, or the length of the text.
    #[inline(always)]
    fn plain_end(&self, mut at: usize) -> usize {
        // Eight bytes at a time: the difference turns the wanted byte into zero, and the test finds zero bytes, as in Hacker's
        // Delight, section 6-1. It may err for bytes above the first one that it finds, so only the first one counts.
        const ONES: u64 = repeated(1);
        const HIGH: u64 = repeated(0x80);
        while let Some(eight) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*eight);
            let (quote, backslash) = (word ^ repeated(b'"'), word ^ repeated(b'\\'));
            let found = (quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash)
                | (word.wrapping_sub(repeated(b' ')) & !word);
            if found & HIGH != 0 {
                return at + (found & HIGH).trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count()
    }

    /// Skips a number.
    #[inline(always)]
    fn number(&mut self) -> Option<Token> {
        let start = self.at + usize::from(self.peek()? == b'-');
        let whole = self.digits_end(start);
        if whole == start || (whole > start + 1 && self.text[start] == b'0') {
            return None;
        }
        self.at = whole;
        if self.peek() == Some(b'.') {
            let fraction = self.digits_end(whole + 1);
            if fraction == whole + 1 {
                return None;
            }
            self.at = fraction;
        }
        match self.peek() {
            Some(b'e' | b'E') => self.exponent(),
            _ => Some(Token::PlainNumber),
        }
    }

    #[cold]
    fn exponent(&mut self) -> Option<Token> {
        let start = self.at + 1 + usize::from(matches!(self.text.get(self.at + 1), Some(b'+' | b'-')));
        self.at = self.digits_end(start);
        (self.at > start).then_some(Token::Scalar)
    }

    #[inline(always)]
    fn digits_end(&self, mut at: usize) -> usize {
        while let Some(b'0'..=b'9') = self.text.get(at) {
            at += 1;
        }
        at
    }

    fn literal(&mut self) -> Option<Token> {
        let rest = self.text.get(self.at..)?;
        let literal = ["true", "false", "null"].into_iter().find(|literal| rest.starts_with(literal.as_bytes()))?;
        self.at += literal.len();
        Some(Token::Scalar)
    }

    #[inline]
    fn scalar(&mut self) -> Option<Token> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            _ => self.literal(),
        }
    }

    #[inline(never)]
    fn members(&mut self) -> Option<Token> {
        self.skip(1);
        if self.peek() != Some(b'}') {
            loop {
                // A key may have escapes here.
                (self.peek() == Some(b'"')).then(|| self.string())??;
                self.space();
                self.accept(b':').then(|| self.scalar())??;
                self.space();
                if !self.accept(b',') {
                    break;
                }
            }
        }
        self.close(b'}')
    }

    #[inline(never)]
    fn elements(&mut self) -> Option<Token> {
        self.skip(1);
        if self.peek() != Some(b']') {
            loop {
                self.scalar()?;
                self.space();
                if !self.accept(b',') {
                    break;
                }
            }
        }
        self.close(b']')
    }

    fn close(&mut self, bracket: u8) -> Option<Token> {
        (self.peek() == Some(bracket)).then(|| {
            self.at += 1;
            Token::Nested
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    /// The value at the start of `text`, and its length.
    fn value(text: &str) -> Option<(Token, usize)> {
        let mut scan = Scan::new(text.as_bytes());
        scan.value().map(|token| (token, scan.at()))
    }

    #[test]
    fn values_are_told_apart() {
        for (text, expected) in [
            (r#""a"}"#, Some((Token::PlainString, 3))),
            (r#""größe und mehr",1"#, Some((Token::PlainString, 18))),
            (r#""a\u00a7\n\/","#, Some((Token::Scalar, 13))),
            ("-12.50,", Some((Token::PlainNumber, 6))),
            ("0}", Some((Token::PlainNumber, 1))),
            ("1e-07 ", Some((Token::Scalar, 5))),
            ("1.5E+7", Some((Token::Scalar, 6))),
            ("null", Some((Token::Scalar, 4))),
            ("false,", Some((Token::Scalar, 5))),
            (r#"{ "a" : 1 , "b":"c\t" } "#, Some((Token::Nested, 23))),
            (r#"[ "a" , 1 ]"#, Some((Token::Nested, 11))),
            ("[]", Some((Token::Nested, 2))),
            ("{ }", Some((Token::Nested, 3))),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        let none = [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "tru",
            "\"a",
            "\"a\\",
            "\"\\x\"",
            "\"\\u00g0\"",
            "\"\u{1f}\"",
        ];
        for text in none.into_iter().chain([
            "[[]]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\":{}}",
            "{\"a\"}",
            "{\"a\":1,}",
            "{1:1}",
            "[",
            "{",
        ]) {
            assert_eq!(value(text), None, "{text}");
        }
    }

    /// Pieces of JSON, joined: well-formed or nearly so.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[\\[\\]{},:\" \\\\-]",
            "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            "\"[a-z\\PC]{0,20}\"",
            "\\\\[\"\\\\/bfnrtu]?[0-9a-fA-F]{0,4}",
            "true|false|null|\t|\n|\r|\x00|\x1f|\x7f",
        ];
        prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn accepted_values_are_values_to_serde_json(text in pieces(), quoted: bool) {
            let text = if quoted { format!("\"{text}\"") } else { text };
            if let Some((_, len)) = value(&text) {
                let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
                let read = values.next().and_then(Result::ok).map(RawValue::get);
                // serde_json requires a delimiter after a number; here the caller checks that.
                let delimited = serde_json::from_str::<&RawValue>(&text[..len]).map(RawValue::get).ok();
                prop_assert_eq!(delimited, Some(&text[..len]));
                prop_assert!(read.is_none_or(|read| read == &text[..len]), "{:?}", text);
            }
        }

        #[test]
        fn the_end_of_a_string_is_found_byte_by_byte(text in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..40, odd in prop_oneof![Just(b'"'), Just(b'\\'), 0u8..32]) {
            let mut text: Vec<u8> = text.into_iter().map(|byte| byte | 0x80).collect();
            if let Some(byte) = text.get_mut(at) {
                *byte = odd;
            }
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).unwrap_or(text.len());
            prop_assert_eq!(Scan::new(&text).plain_end(0), expected);
        }
    }
}
