//! Names, and the members of sets: text that goes into a line as it came.

use std::str::FromStr;

use super::sanitiser::{OWN_BEGINS, ends_a_daemon, is_daemons_own, is_kept_without_a_name, read_by_statsd};
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

/// How an event of DogStatsD begins: to daemons that know them, such a line is no metric. Telegraf looks for it behind
/// white space too.
const EVENT: &str = "_e{";

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

    /// True if every name behind it begins as those of a daemon's own metrics.
    pub fn is_daemons_own(&self) -> bool {
        is_daemons_own(&self.0)
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
        if !MadeOf::text(bare).is_line_safe(bare) {
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
    /// Refuses what could end or forge a line (control characters, `:`, `|`) and what ends a daemon (see
    /// [`ends_a_daemon`]); and, where no prefix stands before it, what StatsD cannot store (see [`INHERITED`]), what a
    /// daemon takes for an event, for a metric of its own or for none (see [`is_daemons_own`] and
    /// [`is_kept_without_a_name`]). Length is bounded where the line is built.
    pub fn parse(prefix: &Prefix, text: &'a str) -> Result<Self, MetricError> {
        if text.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let made_of = MadeOf::text(text);
        let sound = match made_of.is_plain() {
            true => !text.is_empty() && (!prefix.0.is_empty() || is_free_if_plain(text, made_of)),
            false => {
                made_of.is_line_safe(text) && !ends_a_daemon(text) && (!prefix.0.is_empty() || is_free(text, made_of))
            }
        };
        if sound { Ok(Self(text)) } else { Err(MetricError::Name) }
    }

    /// Reads the name before the first colon of `line`, and what follows it, in one pass. `None` if the name needs a closer
    /// look, for which there is [`Name::parse`].
    pub fn scan(prefix: &Prefix, line: &'a str) -> Option<(Self, &'a str)> {
        let mut made_of = MadeOf(0);
        let colon = line.bytes().position(|byte| {
            made_of.0 |= MadeOf::OF_BYTE[usize::from(byte)];
            made_of.0 & MadeOf::ODD != 0
        })?;
        let (name, rest) = line.split_at(colon);
        let rest = rest.strip_prefix(':')?;
        let sound = (1..=MAX_LINE).contains(&colon);
        let plain = !prefix.0.is_empty() || (made_of.has_dot() && !line.starts_with(OWN_BEGINS));
        (sound && plain).then_some((Self(name), rest))
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
        let made_of = MadeOf::text(text);
        let sound = !text.is_empty() && made_of.is_line_safe(text);
        // What is all digits, as most members are, has no letter of an inherited name.
        if sound && (made_of.is_numeric() || made_of.has_dot() || !is_inherited(text)) {
            Ok(Self(text))
        } else {
            Err(MetricError::Set)
        }
    }

    /// Reads a whole number, which leaves without a plus sign.
    pub fn parse_integer(text: &'a str) -> Result<Self, MetricError> {
        Number::parse_integer(text, MetricError::Set)?;
        Ok(Self(text.strip_prefix('+').unwrap_or(text)))
    }

    /// A number is a member like any other.
    pub fn from_number(number: Number<'a>) -> Self {
        Self(number.as_str())
    }

    /// The member as it will be sent.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// What the bytes of a text are, all together: found in one pass without a branch for each, since every name and member
/// comes by here.
#[derive(Clone, Copy, Debug)]
struct MadeOf(u8);

impl MadeOf {
    const DIGIT: u8 = 1;
    const DOT: u8 = 2;
    /// A letter, `_` or `-`.
    const WORD: u8 = 4;
    /// Anything else.
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

    fn text(text: &str) -> Self {
        Self(text.bytes().fold(0, |all, byte| all | Self::OF_BYTE[usize::from(byte)]))
    }

    fn has_dot(self) -> bool {
        self.0 & Self::DOT != 0
    }

    /// True if StatsD's sanitiser leaves it as it is.
    fn is_plain(self) -> bool {
        self.0 & Self::ODD == 0
    }

    fn is_numeric(self) -> bool {
        self.0 & !(Self::DIGIT | Self::DOT) == 0
    }

    /// Whether `text`, which this is about, can stand in a line without ending its field or the line.
    fn is_line_safe(self, text: &str) -> bool {
        self.0 & Self::ODD == 0 || !text.chars().any(|c| c.is_control() || c == ':' || c == '|')
    }
}

/// Whether a daemon can store `name`, made of letters, digits, `_`, `-` and dots alone, without a prefix.
fn is_free_if_plain(name: &str, made_of: MadeOf) -> bool {
    // StatsD leaves it as it is, and no inherited name has a dot.
    (made_of.has_dot() || !INHERITED.contains(&name)) && !(name.starts_with(OWN_BEGINS) && is_daemons_own(name))
}

/// Whether a daemon can store `name`, without a prefix.
fn is_free(name: &str, made_of: MadeOf) -> bool {
    let is_event = name.trim_start().starts_with(EVENT);
    // StatsD never drops a dot.
    let is_inherited = !made_of.has_dot() && is_inherited(name);
    !is_event && !is_inherited && !is_daemons_own(name) && !is_kept_without_a_name(name)
}

/// Whether StatsD's sanitiser turns `name` into one of [`INHERITED`].
fn is_inherited(name: &str) -> bool {
    let mut clean = [0u8; INHERITED_MAX];
    let mut len = 0;
    for c in read_by_statsd(name) {
        if len == INHERITED_MAX {
            return false;
        }
        // What it keeps is ASCII.
        clean[len] = c as u8;
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
    fn no_name_begins_an_event() {
        for bad in ["_e{1,1}", "_e{-1,5}", "_e{a.b", " _e{1,1}", "\u{3000}_e{1,1}"] {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
        }
        assert!(name("_e").is_ok() && name("_errors{a}").is_ok());
        assert!(Name::parse(&"web".parse().expect("a sound prefix"), "_e{1,1}").is_ok());
    }

    #[test]
    fn no_name_begins_as_those_of_the_daemons_own_counters() {
        for bad in
            ["statsd.bad_lines_seen", "statsd.x", "statsd.", "stat%sd.x", "stats(d.x", "ключstatsd.x", "statsdé.x"]
                .into_iter()
                .chain(["stat\u{a0}sd.x", "\u{feff}statsd.x", "stat\u{2003}sd.x", "\u{3000}statsd.x", " statsd.x"])
                .chain(["statsd.exporter.x", "statsd_exporter_x", "statsd--exporter.x", "statsd[a=b]_exporter!x"])
        {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad:?}");
            assert_eq!(Name::scan(&Prefix::default(), &format!("{bad}:1|c")), None, "{bad:?}");
        }
        for good in
            ["statsd", "statsd2.x", "my.statsd.x", "Statsd.x", "statsd/x", "statsd-.x", "_statsd.x", "stat.sd.x"]
                .into_iter()
                .chain(["statsd_x", "statsd_exporter", "statsd-export.x", "a statsd.x"])
        {
            assert_eq!(name(good).map(|n| n.as_str()), Ok(good));
        }
        let prefix: Prefix = "web".parse().expect("a sound prefix");
        assert!(Name::parse(&prefix, "statsd.x").is_ok());
        assert!(Name::scan(&prefix, "statsd.x:1|c").is_some());
    }

    #[test]
    fn a_prefix_can_be_that_of_a_daemon_itself() {
        for (text, own) in [
            ("", false),
            ("web", false),
            ("my.statsd", false),
            ("statsd2", false),
            ("statsd", true),
            ("statsd.web.", true),
            ("stat sd", false),
            ("stat\u{a0}sd", true),
            ("statsd_exporter", true),
        ] {
            assert_eq!(text.parse::<Prefix>().expect("a sound prefix").is_daemons_own(), own, "{text:?}");
        }
    }

    #[test]
    fn no_name_ends_statsd_exporter_or_its_page_of_metrics() {
        let web: Prefix = "web".parse().expect("a sound prefix");
        for bad in ["]a[", "a][", "a]b.c[d=e]"] {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
            assert_eq!(Name::parse(&web, bad), Err(MetricError::Name), "{bad}");
        }
        for bad in ["#a", ",a=b", "[a=b]", "[]"] {
            assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
            assert!(Name::parse(&web, bad).is_ok(), "{bad}");
        }
        for good in ["[a]b", "a[b]", "a[b", "a]b", "a#b", "a,b=c", "[a]]"] {
            assert!(name(good).is_ok(), "{good}");
        }
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
    fn a_scanned_name_is_the_parsed_one() {
        let (web, none): (Prefix, _) = ("web".parse().expect("a sound prefix"), Prefix::default());
        assert_eq!(Name::scan(&none, "a.b:1|c"), Some((Name("a.b"), "1|c")));
        assert_eq!(Name::scan(&web, "ab:1:2"), Some((Name("ab"), "1:2")));
        let long = format!("{}:1|c", "a.".repeat(MAX_LINE));
        for closer in ["ab:1|c", "a b.c:1|c", "a.b", "a.b\n:1|c", "a.b|c:1", ":1|c", "", long.as_str()] {
            assert_eq!(Name::scan(&none, closer), None, "{closer:?}");
        }
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
