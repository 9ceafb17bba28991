//! JSON text, scanned from token to token. Whatever is accepted is well-formed; some that is well-formed is left to serde_json.

use std::ops::Range;

/// A byte in each of the eight bytes of a word.
const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// How far a text was read.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

/// A value that was passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A string without escapes.
    PlainString,
    /// A number without an exponent.
    PlainNumber,
    /// Any other string, number or literal.
    Scalar,
    /// An array or object of the above.
    Nested,
}

impl<'a> Scan<'a> {
    /// Begins to read `text`, which is UTF-8: strings are not looked at for that.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// The text in a range that was read.
    #[inline]
    pub(super) fn get(&self, range: Range<usize>) -> &'a [u8] {
        &self.text[range]
    }

    /// Passes `byte`, and white space behind it; returns whether it was there.
    #[inline]
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        if found {
            self.at += 1;
            self.space();
        }
        found
    }

    /// Passes the `len` bytes of a key that were found in [`Scan::rest`], and the colon behind it.
    #[inline]
    pub(super) fn after_key(&mut self, len: usize) -> Option<()> {
        self.at += len;
        self.space();
        self.accept(b':').then_some(())
    }

    /// Passes white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Passes a value, but not the white space behind it. `None` if it is malformed, or nested deeper than an array or object
    /// of scalars.
    #[inline]
    pub(super) fn value(&mut self) -> Option<Token> {
        match self.rest().first()? {
            b'{' => self.members(),
            b'[' => self.elements(),
            _ => self.scalar(),
        }
    }

    /// Passes a string without escapes, and returns where its text is.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<Range<usize>> {
        let start = self.at + 1;
        (self.scalar()? == Token::PlainString).then(|| start..self.at - 1)
    }

    #[inline]
    fn scalar(&mut self) -> Option<Token> {
        let (token, len) = match self.rest() {
            [b'"', string @ ..] => {
                let end = plain_end(string);
                match string.get(end)? {
                    b'"' => (Token::PlainString, 2 + end),
                    b'\\' => (Token::Scalar, 2 + escaped_end(string, end)?),
                    // A control character.
                    _ => return None,
                }
            }
            [b'-' | b'0'..=b'9', ..] => number(self.rest())?,
            [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => (Token::Scalar, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Token::Scalar, 5),
            _ => return None,
        };
        self.at += len;
        Some(token)
    }

    fn members(&mut self) -> Option<Token> {
        self.accept(b'{');
        if self.rest().first() != Some(&b'}') {
            loop {
                self.key()?;
                self.scalar()?;
                self.space();
                if !self.accept(b',') {
                    break;
                }
            }
        }
        self.close(b'}')
    }

    fn elements(&mut self) -> Option<Token> {
        self.accept(b'[');
        if self.rest().first() != Some(&b']') {
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

    /// Passes a string, which may have escapes, and the colon behind it.
    fn key(&mut self) -> Option<()> {
        (self.rest().first() == Some(&b'"')).then_some(())?;
        self.scalar()?;
        self.after_key(0)
    }

    fn close(&mut self, bracket: u8) -> Option<Token> {
        (self.rest().first() == Some(&bracket)).then_some(())?;
        self.at += 1;
        Some(Token::Nested)
    }
}

/// Where the first quote, backslash or control character of `text` is, or its length.
#[inline]
fn plain_end(text: &[u8]) -> usize {
    // Eight bytes at a time, each tested for zero after a difference that makes it so: Hacker's Delight, section 6-1. Only bytes
    // above the first that is found may be found in error.
    const ONES: u64 = repeated(1);
    const HIGH: u64 = repeated(0x80);
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
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
    at + text[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count()
}

/// Where a string ends that has its first backslash at `at`.
#[cold]
fn escaped_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            ..b' ' => return None,
            _ => at += 1,
        }
        at += plain_end(&text[at..]);
    }
}

/// The number that `text` begins with, and its length.
#[inline]
fn number(text: &[u8]) -> Option<(Token, usize)> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(text[0] == b'-');
    let whole = digits(start);
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut end = start + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if !matches!(text.get(end), Some(b'e' | b'E')) {
        return Some((Token::PlainNumber, end));
    }
    let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
    let exponent = digits(end + 1 + sign);
    (exponent > 0).then_some((Token::Scalar, end + 1 + sign + exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    /// The value that `text` begins with, and how long it is.
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

    /// Pieces of JSON, joined: some that is well-formed, and much that nearly is.
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
        fn what_is_passed_is_a_value_to_serde_json(text in pieces(), quoted: bool) {
            let text = if quoted { format!("\"{text}\"") } else { text };
            if let Some((_, len)) = value(&text) {
                let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
                let read = values.next().and_then(Result::ok).map(RawValue::get);
                // serde_json wants a delimiter behind a number, which the caller looks for.
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
            prop_assert_eq!(plain_end(&text), expected);
        }
    }
}
