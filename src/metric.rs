//! A metric that is known to be sound: its name, its number, its sample rate.
//!
//! Nothing in this room knows HTTP or sockets. A value of one of these types is proof that the text it holds
//! can stand in a StatsD line without ending it, splitting it, or changing its meaning.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Names that StatsD (etsy, npm `statsd`) cannot store: it keeps metrics in plain JavaScript objects, so each of these
/// finds something inherited from `Object.prototype` where a number belongs, and the daemon crashes or miscounts.
const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The longest of [`INHERITED`], in bytes: a longer cleaned name cannot be one of them.
const INHERITED_MAX: usize = 20;

/// Decimal digits before the point above which a number may exceed an IEEE 754 double (about 1.8e308), which is what
/// StatsD keeps numbers in.
const FINITE_DIGITS: usize = 308;

/// Why a name, a number or a rate cannot be sent.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum MetricError {
    /// The name is empty, holds a control character, `:` or `|`, or is one that StatsD cannot store.
    #[error("not a metric name")]
    Name,
    /// The text is not a plain finite decimal.
    #[error("not a plain finite decimal number")]
    Number,
    /// The text is not a number from 0 to 1.
    #[error("not a sample rate from 0 to 1")]
    Rate,
}

/// What is put before every metric name: empty, or ending in exactly one dot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix with its final dot, or an empty string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = MetricError;

    /// Takes a prefix with or without its final dots, as the reference does.
    fn from_str(text: &str) -> Result<Self, MetricError> {
        let bare = text.trim_end_matches('.');
        if bare.is_empty() {
            return Ok(Self::default());
        }
        if !is_line_safe(bare) {
            return Err(MetricError::Name);
        }
        Ok(Self(format!("{bare}.")))
    }
}

/// A metric name, without its prefix, that a StatsD line can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// Checks `text` as the part of a name that follows `prefix`.
    ///
    /// Refuses what could end or forge a line (control characters, `:`, `|`), and, where no prefix stands before it,
    /// what StatsD cannot store (see [`INHERITED`]). Length is bounded where the line is built.
    pub fn parse(prefix: &Prefix, text: &'a str) -> Result<Self, MetricError> {
        if text.is_empty() || !is_line_safe(text) {
            return Err(MetricError::Name);
        }
        if prefix.0.is_empty() && is_inherited(text) {
            return Err(MetricError::Name);
        }
        Ok(Self(text))
    }

    /// The name as it will be sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Whether `text` can stand in a name without ending its line or its field.
fn is_line_safe(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_' || b == b'-')
        || !text.chars().any(|c| c.is_control() || c == ':' || c == '|')
}

/// Whether StatsD's sanitiser turns `name` into one of [`INHERITED`].
///
/// That sanitiser (`stats.js`) makes a run of white space one `_` and each `/` a `-`, then drops all but
/// `a-zA-Z0-9_.-`; it runs before the name is looked up, so `to%String` is as bad as `toString`.
fn is_inherited(name: &str) -> bool {
    // No inherited name has a dot, and no dot is ever dropped: most names leave here.
    if name.as_bytes().contains(&b'.') {
        return false;
    }
    let mut clean = [0u8; INHERITED_MAX];
    let mut len = 0;
    let mut in_space = false;
    for c in name.chars() {
        // U+FEFF is white space to JavaScript's `\s`, though not to Unicode.
        let space = c.is_whitespace() || c == '\u{feff}';
        let kept = match c {
            _ if space && in_space => continue,
            _ if space => b'_',
            '/' => b'-',
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c as u8,
            _ => {
                in_space = false;
                continue;
            }
        };
        in_space = space;
        if len == INHERITED_MAX {
            return false;
        }
        clean[len] = kept;
        len += 1;
    }
    INHERITED.iter().any(|bad| bad.as_bytes() == &clean[..len])
}

/// A plain finite decimal, kept as the digits that came: no float round trip, no exponent, no `+`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Number<'a> {
    negative: bool,
    digits: &'a str,
}

impl<'a> Number<'a> {
    /// The number 1, which counts, gauges and sets default to.
    pub const ONE: Number<'static> = Number { negative: false, digits: "1" };

    /// Reads `[+-]digits[.digits]`, with a digit on both sides of the point, within the range of a double.
    pub fn parse(text: &'a str) -> Result<Self, MetricError> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let whole_len = digits.bytes().take_while(u8::is_ascii_digit).count();
        let rest = &digits.as_bytes()[whole_len..];
        let fraction_sound = match rest {
            [] => true,
            [b'.', fraction @ ..] => !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if whole_len == 0 || !fraction_sound {
            return Err(MetricError::Number);
        }
        if whole_len > FINITE_DIGITS && !digits.parse().is_ok_and(f64::is_finite) {
            return Err(MetricError::Number);
        }
        Ok(Self { negative, digits })
    }

    /// Reads a number without a point.
    pub fn parse_integer(text: &'a str) -> Result<Self, MetricError> {
        if text.as_bytes().contains(&b'.') {
            return Err(MetricError::Number);
        }
        Self::parse(text)
    }

    /// Reads a number that has no minus sign.
    pub fn parse_unsigned(text: &'a str) -> Result<Self, MetricError> {
        match Self::parse(text)? {
            Self { negative: true, .. } => Err(MetricError::Number),
            number => Ok(number),
        }
    }

    /// Whether a minus sign stands before the digits.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The digits without any sign.
    pub fn digits(&self) -> &'a str {
        self.digits
    }
}

/// The share of requests, from 0 to 1, that is sent on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// Everything is sent, and the line bears no rate.
    pub const ALL: Rate = Rate(1.0);

    /// Reads a number from 0 to 1. An exponent is welcome: rates are rewritten before they are sent.
    pub fn parse(text: &str) -> Result<Self, MetricError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        match text.parse::<f64>() {
            Ok(rate) if plain && (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(MetricError::Rate),
        }
    }

    /// Whether the line must say that it was sampled.
    pub fn is_sampled(&self) -> bool {
        self.0 < 1.0
    }

    /// Whether a request that drew `lot`, evenly spread over `0.0..1.0`, is among those sent on.
    pub fn keeps(&self, lot: f64) -> bool {
        lot < self.0
    }
}

impl fmt::Display for Rate {
    /// The shortest plain decimal that reads back the same: StatsD takes the `1` of `1e-05` for the rate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What is measured, with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Adds to a counter.
    Count(Number<'a>, Rate),
    /// Sets a gauge.
    Gauge(Number<'a>),
    /// Moves a gauge up or down.
    GaugeShift(Number<'a>),
    /// A duration in milliseconds.
    Timing(Number<'a>, Rate),
    /// Adds a member to a set.
    Set(Number<'a>),
}

impl Value<'_> {
    /// The share of such requests that is sent on.
    pub fn rate(&self) -> Rate {
        match self {
            Self::Count(_, rate) | Self::Timing(_, rate) => *rate,
            Self::Gauge(_) | Self::GaugeShift(_) | Self::Set(_) => Rate::ALL,
        }
    }
}

/// One measurement, ready to be written as a StatsD line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric<'a> {
    /// The name, without the prefix.
    pub name: Name<'a>,
    /// The kind and the value.
    pub value: Value<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Result<Name<'_>, MetricError> {
        Name::parse(&Prefix::default(), text)
    }

    #[test]
    fn names_that_could_forge_a_line_are_refused() {
        for bad in ["", "a\nb", "a\rb", "a\0", "a:b", "a|b", "a\u{7f}", "a\u{85}b"] {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_and_odd_names_pass_unchanged() {
        for good in ["a.b.c", "a%d", "with space", "a/b", "ключ", "a@b", "a#b", "constructors", "a.toString"] {
            assert_eq!(name(good).map(|n| n.as_str()), Ok(good));
        }
    }

    #[test]
    fn inherited_names_are_refused_however_they_are_spelled() {
        for bad in INHERITED {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
        }
        for bad in ["to%String", "const(ructor", " _proto_ ", "\u{feff}_proto__", "valueOf!", "\t_proto__"] {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
        }
        assert!(INHERITED.iter().all(|bad| bad.len() <= INHERITED_MAX));
    }

    #[test]
    fn a_prefix_makes_an_inherited_name_harmless() {
        let prefix: Prefix = "web".parse().expect("a sound prefix");
        assert_eq!(Name::parse(&prefix, "constructor").map(|n| n.as_str()), Ok("constructor"));
    }

    #[test]
    fn prefixes_end_in_one_dot() {
        let read = |text: &str| text.parse::<Prefix>().map(|p| p.as_str().to_owned());
        assert_eq!(read("a.b").as_deref(), Ok("a.b."));
        assert_eq!(read("a.b.").as_deref(), Ok("a.b."));
        assert_eq!(read("").as_deref(), Ok(""));
        assert_eq!(read(".").as_deref(), Ok(""));
        assert_eq!(read("a:b"), Err(MetricError::Name));
        assert_eq!(read("a\nb"), Err(MetricError::Name));
    }

    #[test]
    fn numbers_are_plain_finite_decimals() {
        for good in ["0", "1", "42", "-7", "1.5", "-0.25", "007", "123456789012345678901234567890"] {
            let number = Number::parse(good).expect(good);
            let sign = if number.is_negative() { "-" } else { "" };
            assert_eq!(format!("{sign}{}", number.digits()), good);
        }
        assert_eq!(Number::parse("+5").map(|n| (n.is_negative(), n.digits())), Ok((false, "5")));
        let huge = "9".repeat(400);
        let bad = [
            "", "+", "-", ".", "1.", ".5", "1e3", "0x10", "NaN", "inf", "1e999", "--1", "1 ", " 1", "1,5", "٣",
            "1.2.3", "1.+2", "1_0", "1|c", "1\n", &huge,
        ];
        for bad in bad {
            assert_eq!(Number::parse(bad), Err(MetricError::Number), "{bad}");
        }
    }

    #[test]
    fn integers_and_unsigned_numbers_are_narrower() {
        assert!(Number::parse_integer("-5").is_ok());
        assert_eq!(Number::parse_integer("1.5"), Err(MetricError::Number));
        assert!(Number::parse_unsigned("12.345").is_ok());
        assert_eq!(Number::parse_unsigned("-1"), Err(MetricError::Number));
    }

    #[test]
    fn rates_are_rewritten_without_exponent() {
        let read = |text: &str| Rate::parse(text).map(|rate| rate.to_string());
        assert_eq!(read("0.5").as_deref(), Ok("0.5"));
        assert_eq!(read("0.50").as_deref(), Ok("0.5"));
        assert_eq!(read("1e-05").as_deref(), Ok("0.00001"));
        assert_eq!(read(".25").as_deref(), Ok("0.25"));
        assert!(!Rate::parse("1").expect("a rate").is_sampled());
        for bad in ["", "2", "1.5", "-1", "NaN", "inf", "Infinity", "x", "1e999", "0x1", "1 "] {
            assert_eq!(read(bad), Err(MetricError::Rate), "{bad}");
        }
    }

    #[test]
    fn a_rate_keeps_its_share_of_the_lots() {
        let rate = Rate::parse("0.25").expect("a rate");
        let kept = (0..1000).filter(|i| rate.keeps(f64::from(*i) / 1000.0)).count();
        assert_eq!(kept, 250);
        assert!(Rate::ALL.keeps(0.999_999));
        assert!(!Rate::parse("0").expect("a rate").keeps(0.0));
    }

    proptest! {
        #[test]
        fn an_accepted_name_never_holds_what_ends_a_field(text in any::<String>()) {
            if let Ok(name) = name(&text) {
                prop_assert!(!name.as_str().contains(['\n', '\r', '\0', ':', '|']));
                prop_assert!(!name.as_str().is_empty());
            }
        }

        #[test]
        fn an_accepted_number_reads_as_the_same_finite_double(text in "[+-]?[0-9.eE]{0,12}") {
            if let Ok(number) = Number::parse(&text) {
                let sent = format!("{}{}", if number.is_negative() { "-" } else { "" }, number.digits());
                prop_assert_eq!(sent.parse::<f64>().ok(), text.parse::<f64>().ok());
                prop_assert!(sent.parse::<f64>().is_ok_and(f64::is_finite));
            }
        }

        #[test]
        fn a_written_rate_reads_back_the_same(rate in 0.0f64..=1.0) {
            let read = Rate::parse(&format!("{rate:e}")).expect("a rate in range");
            let written = read.to_string();
            prop_assert!(written.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            prop_assert_eq!(written.parse::<f64>().ok(), Some(rate));
        }
    }
}
