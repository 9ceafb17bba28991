//! Plain decimals.

use crate::metric::MetricError;
use crate::metric::decimal::{FINITE_DIGITS, is_finite};

/// A plain finite decimal, stored as its digits: no float round trip, no exponent, no `+`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Number<'a>(&'a str);

impl<'a> Number<'a> {
    /// The number 1, the default of counts and gauges.
    pub const ONE: Number<'static> = Number("1");

    /// Reads `[+-]digits[.digits]`, with a digit on both sides of the point, within the range of a double. Returns
    /// `error` for any other text.
    pub fn parse(text: &'a str, error: MetricError) -> Result<Self, MetricError> {
        let (text, digits) = match text.as_bytes() {
            [b'+', digits @ ..] => (&text[1..], digits),
            [b'-', digits @ ..] => (text, digits),
            digits => (text, digits),
        };
        let whole_len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        let fraction_sound = match &digits[whole_len..] {
            [] => true,
            [b'.', fraction @ ..] => !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if whole_len == 0 || !fraction_sound {
            return Err(error);
        }
        if whole_len > FINITE_DIGITS && !is_finite(&digits[..whole_len]) {
            return Err(error);
        }
        Ok(Self(text))
    }

    /// Splits `text` at its first bar into a number and the rest, in one pass. `None` if the number has a sign or is
    /// not obviously valid; [`Number::parse`] decides then.
    pub fn scan(text: &'a str) -> Option<(Self, &'a str)> {
        let digits = |text: &str| text.bytes().position(|byte| !byte.is_ascii_digit());
        let whole = digits(text)?;
        let (len, sound) = match text.as_bytes()[whole] {
            b'.' => {
                let fraction = digits(&text[whole + 1..])?;
                (whole + 1 + fraction, whole > 0 && fraction > 0)
            }
            _ => (whole, whole > 0),
        };
        let (number, rest) = text.split_at(len);
        let rest = rest.strip_prefix('|')?;
        (sound && len <= FINITE_DIGITS).then_some((Self(number), rest))
    }

    /// Reads a number without a point; returns `error` for any other text.
    pub fn parse_integer(text: &'a str, error: MetricError) -> Result<Self, MetricError> {
        if text.as_bytes().contains(&b'.') {
            return Err(error);
        }
        Self::parse(text, error)
    }

    /// Reads a number without a minus sign; returns `error` for any other text.
    pub fn parse_unsigned(text: &'a str, error: MetricError) -> Result<Self, MetricError> {
        match Self::parse(text, error)? {
            number if number.is_negative() => Err(error),
            number => Ok(number),
        }
    }

    /// True if the number has a minus sign.
    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-')
    }

    /// The digits, with the minus sign if the number has one.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// One number, or several separated by `:`, as DogStatsD's clients pack them into one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers<'a> {
    text: &'a str,
    count: u32,
}

impl<'a> From<Number<'a>> for Numbers<'a> {
    fn from(number: Number<'a>) -> Self {
        Self { text: number.as_str(), count: 1 }
    }
}

impl<'a> Numbers<'a> {
    /// Reads packed numbers, each of which must pass `check` and have no plus sign.
    pub fn packed(
        text: &'a str,
        check: impl Fn(&'a str) -> Result<Number<'a>, MetricError>,
    ) -> Result<Self, MetricError> {
        let mut count = 0;
        for number in text.split(':') {
            // The text is sent as it is, so it may not contain a plus sign, which `check` strips.
            if check(number)?.as_str() != number {
                return Err(MetricError::Value);
            }
            count += 1;
        }
        Ok(Self { text, count })
    }

    /// The numbers, separated by `:`.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The count of numbers.
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BAD: MetricError = MetricError::Value;

    fn parse(text: &str) -> Result<Number<'_>, MetricError> {
        Number::parse(text, BAD)
    }

    #[test]
    fn numbers_are_plain_finite_decimals() {
        for good in ["0", "1", "42", "-7", "1.5", "-0.25", "007", "123456789012345678901234567890"] {
            let number = parse(good).expect(good);
            assert_eq!(number.as_str(), good);
            assert_eq!(number.is_negative(), good.starts_with('-'));
        }
        assert_eq!(parse("+5").map(|n| n.as_str()), Ok("5"));
        let huge = "9".repeat(400);
        let bad = [
            "", "+", "-", "+-1", ".", "1.", ".5", "1e3", "0x10", "NaN", "inf", "1e999", "--1", "1 ", " 1", "1,5", "٣",
            "1.2.3", "1.+2", "1_0", "1|c", "1\n", &huge,
        ];
        for bad in bad {
            assert_eq!(parse(bad), Err(BAD), "{bad}");
        }
    }

    #[test]
    fn a_scanned_number_is_the_parsed_one() {
        assert_eq!(Number::scan("1|c"), Some((Number("1"), "c")));
        assert_eq!(Number::scan("12.50|ms|@0.5"), Some((Number("12.50"), "ms|@0.5")));
        for closer in ["", "1", "|c", "-1|c", "+1|c", ".5|c", "5.|c", "1.2.3|c", "1:2|c", "1e3|c", ".|c"] {
            assert_eq!(Number::scan(closer), None, "{closer:?}");
        }
        assert_eq!(Number::scan(&format!("{}|c", "9".repeat(309))), None);
    }

    #[test]
    fn integers_and_unsigned_numbers_are_narrower() {
        assert!(Number::parse_integer("-5", BAD).is_ok());
        assert_eq!(Number::parse_integer("1.5", BAD), Err(BAD));
        assert!(Number::parse_unsigned("12.345", BAD).is_ok());
        assert_eq!(Number::parse_unsigned("-1", BAD), Err(BAD));
    }

    #[test]
    fn packed_numbers_are_all_sound_or_none_is_taken() {
        let packed = Numbers::packed("1:2.5:-3", parse).expect("three numbers");
        assert_eq!((packed.as_str(), packed.count()), ("1:2.5:-3", 3));
        for bad in ["", "1:", ":1", "1::2", "1:x", "1:+2"] {
            assert_eq!(Numbers::packed(bad, parse), Err(BAD), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_number_reads_as_the_same_finite_double(text in "[+-]?[0-9.eE]{0,12}") {
            if let Ok(number) = parse(&text) {
                prop_assert_eq!(number.as_str().parse::<f64>().ok(), text.parse::<f64>().ok());
                prop_assert!(number.as_str().parse::<f64>().is_ok_and(f64::is_finite));
            }
        }
    }
}
