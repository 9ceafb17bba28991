//! Names, prefixes and members of sets: text that is sent unchanged.

use std::str::FromStr;

use super::byte_classes::ByteClasses;
use super::sanitiser::{OWN_BEGINS, ends_a_daemon, is_daemons_own, is_kept_without_a_name, read_by_statsd};
use crate::metric::{MAX_LINE, MetricError, Number};

/// Names that StatsD (etsy, npm `statsd`) cannot store. It keeps metrics in plain JavaScript objects, where each of
/// these names finds a property of `Object.prototype` in place of a number, and the daemon crashes or miscounts.
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

/// The beginning of a DogStatsD event: daemons that support events do not read such a line as a metric. Telegraf skips
/// white space before it.
const EVENT: &str = "_e{";

/// The length of the longest of [`INHERITED`], in bytes: a longer sanitised name cannot be one of them.
const INHERITED_MAX: usize = 20;

/// The text before every metric name: empty, or ending in exactly one dot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix with its final dot, or an empty string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if every name with this prefix begins as those of a daemon's own metrics.
    pub fn is_daemons_own(&self) -> bool {
        is_daemons_own(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = MetricError;

    /// Accepts a prefix with or without final dots, as the reference does.
    fn from_str(text: &str) -> Result<Self, MetricError> {
        let bare = text.trim_end_matches('.');
        if bare.is_empty() {
            return Ok(Self::default());
        }
        if !ByteClasses::of(bare).is_line_safe(bare) {
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
    /// Refuses characters that could end or forge a line (control characters, `:`, `|`) and names that crash a daemon
    /// (see [`ends_a_daemon`]). Without a prefix it also refuses names that StatsD cannot store (see [`INHERITED`]),
    /// and names that a daemon reads as an event, as a metric of its own or as no name (see [`is_daemons_own`] and
    /// [`is_kept_without_a_name`]). The writer of the line bounds its length.
    pub fn parse(prefix: &Prefix, text: &'a str) -> Result<Self, MetricError> {
        if text.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let classes = ByteClasses::of(text);
        let sound = match classes.is_plain() {
            true => !text.is_empty() && (!prefix.0.is_empty() || is_free_if_plain(text, classes)),
            false => {
                classes.is_line_safe(text) && !ends_a_daemon(text) && (!prefix.0.is_empty() || is_free(text, classes))
            }
        };
        if sound { Ok(Self(text)) } else { Err(MetricError::Name) }
    }

    /// Splits `line` at its first colon into a name and the rest, in one pass. `None` if the name is not obviously
    /// valid; [`Name::parse`] decides then.
    pub fn scan(prefix: &Prefix, line: &'a str) -> Option<(Self, &'a str)> {
        let mut classes = ByteClasses::EMPTY;
        let colon = line.bytes().position(|byte| {
            classes.add(byte);
            !classes.is_plain()
        })?;
        let (name, rest) = line.split_at(colon);
        let rest = rest.strip_prefix(':')?;
        let sound = (1..=MAX_LINE).contains(&colon);
        let plain = !prefix.0.is_empty() || (classes.has_dot() && !line.starts_with(OWN_BEGINS));
        (sound && plain).then_some((Self(name), rest))
    }

    /// The name, as it is sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// A member of a set that a StatsD line can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member<'a>(&'a str);

impl<'a> Member<'a> {
    /// The number 1, the default of sets.
    pub const ONE: Member<'static> = Member("1");

    /// Checks any text against the rules of names, since StatsD keeps members in an object too.
    pub fn parse(text: &'a str) -> Result<Self, MetricError> {
        let classes = ByteClasses::of(text);
        let sound = !text.is_empty() && classes.is_line_safe(text);
        // Most members are digits alone, and no inherited name has a digit.
        if sound && (classes.is_numeric() || classes.has_dot() || !is_inherited(text)) {
            Ok(Self(text))
        } else {
            Err(MetricError::Set)
        }
    }

    /// Reads an integer, which is sent without a plus sign.
    pub fn parse_integer(text: &'a str) -> Result<Self, MetricError> {
        Number::parse_integer(text, MetricError::Set)?;
        Ok(Self(text.strip_prefix('+').unwrap_or(text)))
    }

    /// Takes a number as a member.
    pub fn from_number(number: Number<'a>) -> Self {
        Self(number.as_str())
    }

    /// The member, as it is sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// True if a daemon can store `name` without a prefix. `name` has only letters, digits, `_`, `-` and dots.
fn is_free_if_plain(name: &str, classes: ByteClasses) -> bool {
    // StatsD does not change such a name, and no inherited name has a dot.
    (classes.has_dot() || !INHERITED.contains(&name)) && !(name.starts_with(OWN_BEGINS) && is_daemons_own(name))
}

/// True if a daemon can store `name` without a prefix.
fn is_free(name: &str, classes: ByteClasses) -> bool {
    let is_event = name.trim_start().starts_with(EVENT);
    // StatsD never drops a dot.
    let is_inherited = !classes.has_dot() && is_inherited(name);
    !is_event && !is_inherited && !is_daemons_own(name) && !is_kept_without_a_name(name)
}

/// True if StatsD's sanitiser turns `name` into one of [`INHERITED`].
fn is_inherited(name: &str) -> bool {
    let mut clean = [0u8; INHERITED_MAX];
    let mut len = 0;
    for c in read_by_statsd(name) {
        if len == INHERITED_MAX {
            return false;
        }
        // The sanitiser keeps only ASCII.
        clean[len] = c as u8;
        len += 1;
    }
    INHERITED.iter().any(|bad| bad.as_bytes() == &clean[..len])
}

#[cfg(test)]
mod tests;
