//! Names, and the members of sets: text that goes into a line as it came.

use std::str::FromStr;

use crate::metric::{MAX_LINE, MetricError, Number};

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
        if text.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        if text.is_empty() || !is_line_safe(text) || (prefix.0.is_empty() && is_inherited(text)) {
            return Err(MetricError::Name);
        }
        Ok(Self(text))
    }

    /// The name as it will be sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// A member of a set, that a StatsD line can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member<'a>(&'a str);

impl<'a> Member<'a> {
    /// The number 1, which sets default to.
    pub const ONE: Member<'static> = Member("1");

    /// Checks any text: what is refused is what names may not hold either. StatsD keeps members in an object too.
    pub fn parse(text: &'a str) -> Result<Self, MetricError> {
        if text.is_empty() || !is_line_safe(text) || is_inherited(text) {
            return Err(MetricError::Set);
        }
        Ok(Self(text))
    }

    /// Reads a whole number, which leaves without a plus sign.
    pub fn parse_integer(text: &'a str) -> Result<Self, MetricError> {
        Number::parse_integer(text, MetricError::Set)?;
        Ok(Self(text.strip_prefix('+').unwrap_or(text)))
    }

    /// The member as it will be sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Whether a byte is one of which nearly all names are made, and never in need of a closer look.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether `text` can stand in a name without ending its line or its field.
pub fn is_line_safe(text: &str) -> bool {
    text.bytes().all(is_plain) || !text.chars().any(|c| c.is_control() || c == ':' || c == '|')
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
    fn members_of_sets_are_any_safe_text() {
        for good in ["a", "user 42", "кот", "1.5", "-3", "a,b"] {
            assert_eq!(Member::parse(good).map(|m| m.as_str()), Ok(good));
        }
        for bad in ["", "a:b", "a|b", "a\nb", "constructor", "__proto__"] {
            assert_eq!(Member::parse(bad), Err(MetricError::Set), "{bad:?}");
        }
        assert_eq!(Member::parse_integer("-5").map(|m| m.as_str()), Ok("-5"));
        assert_eq!(Member::parse_integer("+5").map(|m| m.as_str()), Ok("5"));
        assert_eq!(Member::parse_integer("1.5"), Err(MetricError::Set));
    }

    proptest! {
        #[test]
        fn an_accepted_name_never_holds_what_ends_a_field(text in any::<String>()) {
            if let Ok(name) = name(&text) {
                prop_assert!(!name.as_str().contains(['\n', '\r', '\0', ':', '|']));
                prop_assert!(!name.as_str().is_empty());
            }
        }
    }
}
