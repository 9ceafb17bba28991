//! Decimals as text: their range, and their exponents.
//!
//! Nothing here makes a float. To read one of many digits takes microseconds, which a body of such numbers adds up, and
//! digits that went through a double are not always those that came.

use std::borrow::Cow;

/// Decimal digits before the point above which a number may exceed an IEEE 754 double, which is what StatsD keeps numbers
/// in.
pub const FINITE_DIGITS: usize = 308;

/// The largest double, 2^1024 - 2^971, as the digits before its point.
const MAX_DOUBLE: &[u8] = b"\
    17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895\
    35143824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832\
    36903222948165808559332123348274797826204144723168738177180919299881250404026184124858368";

/// Places after the point past which a number is 0 to a double: the least one above 0 is about 4.9e-324.
const MAX_PLACES: i64 = 324;

/// More than any exponent that matters, and less than overflows.
const ENDLESS: i64 = 1_000_000;

/// Whether the number with these digits before its point is within the range of a double.
pub fn is_finite(whole: &[u8]) -> bool {
    let significant = &whole[whole.iter().take_while(|digit| **digit == b'0').count()..];
    match significant.len().cmp(&(FINITE_DIGITS + 1)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => significant <= MAX_DOUBLE,
        std::cmp::Ordering::Greater => false,
    }
}

/// `text` as a plain decimal, if it is one with an exponent: Python writes `1e-07`, JavaScript `1e-7`, and no daemon needs
/// to know. The digits stay those that came, but for zeros that say nothing, and the sign stays too. What is no such
/// number, or none within the range of a double, is left as it is.
///
/// The result is at most some 330 bytes longer than `text`.
pub fn without_exponent(text: &str) -> Cow<'_, str> {
    match text.bytes().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => rewrite(&text[..at], &text[at + 1..]).map_or(Cow::Borrowed(text), Cow::Owned),
        None => Cow::Borrowed(text),
    }
}

fn rewrite(mantissa: &str, exponent: &str) -> Option<String> {
    let (sign, unsigned) = mantissa.split_at(usize::from(mantissa.starts_with(['+', '-'])));
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    // How many digits stand before the point, from the first that is not 0.
    let point = whole.len() as i64 + read_exponent(exponent)? - (digits.len() - significant.len()) as i64;
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() || point <= -MAX_PLACES {
        return Some(format!("{sign}0"));
    }
    if point > FINITE_DIGITS as i64 + 1 {
        return None;
    }
    let plain = match usize::try_from(point) {
        Ok(0) => format!("{sign}0.{significant}"),
        Ok(point) if point < significant.len() => {
            format!("{sign}{}.{}", &significant[..point], &significant[point..])
        }
        Ok(point) => format!("{sign}{significant}{}", "0".repeat(point - significant.len())),
        Err(_) => format!("{sign}0.{}{significant}", "0".repeat(point.unsigned_abs() as usize)),
    };
    let whole = plain[sign.len()..].split('.').next().unwrap_or_default();
    is_finite(whole.as_bytes()).then_some(plain)
}

/// An exponent, or of one that is beyond all bounds a bound.
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
