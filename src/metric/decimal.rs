//! Decimals as text: their range and their exponents.
//!
//! Nothing here converts to a float. A float of many digits takes microseconds to read, which adds up over a body of
//! such numbers, and a round trip through a double may change digits.

use std::borrow::Cow;

/// Number of digits before the point above which a number may exceed an IEEE 754 double. StatsD stores numbers as
/// doubles.
pub(super) const FINITE_DIGITS: usize = 308;

/// The largest double, 2^1024 - 2^971, as the digits before its point.
const MAX_DOUBLE: &[u8] = b"\
    17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895\
    35143824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832\
    36903222948165808559332123348274797826204144723168738177180919299881250404026184124858368";

/// Number of places after the point past which a double is 0: the smallest double above 0 is about 4.9e-324.
const MAX_PLACES: i64 = 324;

/// Larger than any exponent that matters, and small enough not to overflow.
const ENDLESS: i64 = 1_000_000;

/// True if the number with these digits before its point is within the range of a double.
pub(super) fn is_finite(whole: &[u8]) -> bool {
    let significant = &whole[whole.iter().take_while(|digit| **digit == b'0').count()..];
    match significant.len().cmp(&(FINITE_DIGITS + 1)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => significant <= MAX_DOUBLE,
        std::cmp::Ordering::Greater => false,
    }
}

/// Converts a decimal with an exponent to a plain one: Python writes `1e-07` and JavaScript `1e-7`, which daemons need
/// not know. The sign and all digits but redundant zeros are preserved. Any other text, and a number beyond the range
/// of a double, is returned unchanged.
///
/// The result is at most about 330 bytes longer than `text`.
pub(crate) fn without_exponent(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    if write_without_exponent(&mut plain, text) { Cow::Owned(plain) } else { Cow::Borrowed(text) }
}

/// Appends the result of [`without_exponent`] and returns true if it differs from `text`; otherwise appends nothing.
pub(crate) fn write_without_exponent(out: &mut String, text: &str) -> bool {
    let Some(at) = text.bytes().position(|byte| matches!(byte, b'e' | b'E')) else { return false };
    let start = out.len();
    let done = read_exponent(&text[at + 1..]).and_then(|exponent| rewrite(out, &text[..at], exponent));
    if done.is_none() {
        out.truncate(start);
    }
    done.is_some()
}

/// Appends `mantissa` times ten to the power of `exponent`. `None` if the mantissa is not a decimal or the result
/// exceeds a double; a part of it may have been appended then.
fn rewrite(out: &mut String, mantissa: &str, exponent: i64) -> Option<()> {
    let (sign, unsigned) = mantissa.split_at(usize::from(mantissa.starts_with(['+', '-'])));
    let digits = Digits::read(unsigned)?;
    out.push_str(sign);
    let Some((first, end)) = digits.significant() else {
        out.push('0');
        return Some(());
    };
    // Number of digits before the point, from the first that is not 0.
    let point = digits.whole.len() as i64 + exponent - first as i64;
    if point <= -MAX_PLACES {
        out.push('0');
        return Some(());
    }
    if point > FINITE_DIGITS as i64 + 1 {
        return None;
    }
    let start = out.len();
    if point <= 0 {
        out.push_str("0.");
        push_zeros(out, point.unsigned_abs() as usize);
        digits.push(out, first, end);
        return Some(());
    }
    let point = first + point as usize;
    digits.push(out, first, end.min(point));
    push_zeros(out, point.saturating_sub(end));
    if !is_finite(&out.as_bytes()[start..]) {
        return None;
    }
    if point < end {
        out.push('.');
        digits.push(out, point, end);
    }
    Some(())
}

/// Appends `count` zeros, at most [`MAX_PLACES`].
fn push_zeros(out: &mut String, count: usize) {
    const ZEROS: [u8; MAX_PLACES as usize] = [b'0'; MAX_PLACES as usize];
    out.push_str(std::str::from_utf8(&ZEROS[..count]).unwrap_or_default());
}

/// The digits of a number without sign, exponent and point.
struct Digits<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Digits<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (text, ""),
        };
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (!whole.is_empty() && are_digits(whole) && are_digits(fraction)).then_some(Self { whole, fraction })
    }

    /// The range of the significant digits: from the first to the last that is not 0.
    fn significant(&self) -> Option<(usize, usize)> {
        let not_zero = |byte: u8| byte != b'0';
        let mut all = self.whole.bytes().chain(self.fraction.bytes());
        let first = all.position(not_zero)?;
        let zeros = self.fraction.bytes().rev().chain(self.whole.bytes().rev()).position(not_zero)?;
        Some((first, self.whole.len() + self.fraction.len() - zeros))
    }

    /// Appends a range of the digits.
    fn push(&self, out: &mut String, from: usize, to: usize) {
        let whole = self.whole.len();
        out.push_str(&self.whole[from.min(whole)..to.min(whole)]);
        out.push_str(&self.fraction[from.max(whole) - whole..to.max(whole) - whole]);
    }
}

/// Reads an exponent, clamped to [`ENDLESS`].
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |size, digit| (size * 10 + i64::from(digit - b'0')).min(ENDLESS));
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_double_is_the_largest() {
        assert_eq!(MAX_DOUBLE, format!("{:.0}", f64::MAX).as_bytes());
        assert_eq!(MAX_DOUBLE.len(), FINITE_DIGITS + 1);
        assert!(is_finite(MAX_DOUBLE) && is_finite(&[b'9'; FINITE_DIGITS]));
        assert!(is_finite(&[&[b'0'; 500][..], MAX_DOUBLE].concat()));
        assert!(!is_finite(&[b'1'; FINITE_DIGITS + 2]) && !is_finite(&[b'2'; FINITE_DIGITS + 1]));
    }

    #[test]
    fn exponents_are_written_out() {
        for (text, expected) in [
            ("1e-07", "0.0000001"),
            ("1e3", "1000"),
            ("-1.5E-7", "-0.00000015"),
            ("+2.50e+1", "+25"),
            ("1.25e1", "12.5"),
            ("12.5e0", "12.5"),
            ("0012.500e-1", "1.25"),
            ("0e5", "0"),
            ("-0.0e-5", "-0"),
            ("1e-325", "0"),
            ("1e-99999999999999999999999", "0"),
            ("123456789012345678901e1", "1234567890123456789010"),
            ("0.00000000000000000001e21", "10"),
        ] {
            assert_eq!(without_exponent(text), expected, "{text}");
        }
        assert_eq!(without_exponent("1e308").len(), FINITE_DIGITS + 1);
        assert_eq!(without_exponent("4.9e-324").parse::<f64>(), Ok(5e-324));
    }

    #[test]
    fn what_is_no_number_with_an_exponent_stays() {
        for text in [
            "",
            "1",
            "e",
            "1e",
            "e1",
            "1e+",
            "1ee1",
            "1e1.5",
            ".5e1",
            "5.e1",
            "--1e1",
            "1_0e1",
            "0x1e1",
            "1e309",
            "2e308",
            "1e999999999999999999999",
            "1e1 ",
            "1:2e3",
            "seven",
        ] {
            assert_eq!(without_exponent(text), text, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_without_its_exponent_is_the_same_double(
            text in "[+-]?[0-9]{1,22}(\\.[0-9]{1,22})?[eE][+-]?[0-9]{1,3}",
        ) {
            let plain = without_exponent(&text);
            let double: f64 = text.parse().expect("a float");
            if plain == text {
                prop_assert!(!double.is_finite() || double.abs() > 1.797e308, "{}", text);
            } else {
                prop_assert_eq!(plain.parse::<f64>().ok(), Some(double));
                prop_assert!(plain.len() <= text.len() + 330);
                prop_assert!(plain.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)));
            }
        }
    }
}
