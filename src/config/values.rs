//! Readers of the texts of flags, one for each type of value.

use std::time::Duration;

use crate::config::address;
use crate::config::flag::Kind;
use crate::config::host;
use crate::config::quantity::{Range, Unit};
use crate::config::suggestion::{nearest, question};
use crate::metric::Prefix;
use crate::statsd::dialect::{DIALECTS, Dialect};
use crate::telemetry::log::Format;
use crate::upstream::address::{Address, Route};

/// The longest timeout, in seconds: a day. A longer one is a mistake in the unit.
const TIMEOUT_MAX: u64 = 86_400;

/// Other names of daemons, with the dialect of each (see `docs/dialects.md`).
const DIALECT_SYNONYMS: [(&str, &str); 11] = [
    ("etsy", "statsd"),
    ("graphite", "statsd"),
    ("dogstatsd", "datadog"),
    ("dd", "datadog"),
    ("influx", "influxdb"),
    ("prometheus", "influxdb"),
    ("statsd_exporter", "influxdb"),
    ("statsd-exporter", "influxdb"),
    ("collectd", "plain"),
    ("statsite", "plain"),
    ("netdata", "plain"),
];

/// The error for a text that is not a value of its flag.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct BadValue {
    /// The rule for values of the flag, and what to write instead.
    pub rule: String,
    /// The part of the text that may be shown; `None` if all of it may.
    pub shown: Option<String>,
}

impl From<String> for BadValue {
    fn from(rule: String) -> Self {
        Self { rule, shown: None }
    }
}

/// Reads the text of a flag as a `V`.
pub(crate) enum Reader<V> {
    /// Any value except a number.
    Text {
        /// How the flag takes its value.
        kind: Kind,
        /// Checks the text.
        parse: fn(&str) -> Result<V, BadValue>,
    },
    /// A number in a range.
    Number {
        /// The placeholder in `--help`.
        word: &'static str,
        /// The allowed numbers.
        range: Range,
        /// Converts a number of the range to its type.
        convert: fn(u64) -> V,
    },
}

impl<V> Reader<V> {
    /// How the flag takes its value.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Text { kind, .. } => *kind,
            Self::Number { word, .. } => Kind::Value(word),
        }
    }

    /// The range of a number; `None` for any other value.
    pub(crate) const fn range(&self) -> Option<Range> {
        match self {
            Self::Text { .. } => None,
            Self::Number { range, .. } => Some(*range),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// Returns [`BadValue`] if the text has another type or is out of range.
    pub(crate) fn parse(&self, text: &str) -> Result<V, BadValue> {
        match self {
            Self::Text { parse, .. } => parse(text),
            Self::Number { range, convert, .. } => Ok(convert(range.parse(text)?)),
        }
    }
}

/// True or false, in the spellings of Go.
pub(crate) const SWITCH: Reader<bool> = Reader::Text { kind: Kind::Switch, parse: switch };

/// Whole seconds; 0 disables the timeout.
pub(crate) const TIMEOUT: Reader<Option<Duration>> = Reader::Number {
    word: "SECONDS",
    range: Range { unit: Unit::Seconds, least: 0, most: TIMEOUT_MAX },
    convert: |seconds| (seconds > 0).then(|| Duration::from_secs(seconds)),
};

/// The host to listen on; empty for all addresses.
pub(crate) const LISTEN_HOST: Reader<String> = Reader::Text {
    kind: Kind::Value("HOST"),
    parse: |text| if text.is_empty() { Ok(String::new()) } else { read_host("http", text) },
};

/// The host of StatsD.
pub(crate) const STATSD_HOST: Reader<String> =
    Reader::Text { kind: Kind::Value("HOST"), parse: |text| read_host("statsd", text) };

/// The addresses of several daemons.
pub(crate) const STATSD_ADDRESSES: Reader<Vec<Address>> =
    Reader::Text { kind: Kind::List("URL"), parse: address::parse_list };

/// Which of several daemons a metric goes to.
pub(crate) const ROUTE: Reader<Route> = Reader::Text { kind: Kind::Value("ROUTE"), parse: route };

/// The path prefix of all endpoints, without its final slash: `/` becomes empty.
pub(crate) const BASE_PATH: Reader<String> = Reader::Text { kind: Kind::Value("PATH"), parse: base_path };

/// The name of a dialect.
pub(crate) const DIALECT: Reader<&'static Dialect> = Reader::Text { kind: Kind::Value("NAME"), parse: read_dialect };

/// The prefix of all metric names.
pub(crate) const PREFIX: Reader<Prefix> = Reader::Text {
    kind: Kind::Value("PREFIX"),
    parse: |text| text.parse().map_err(|_| "must not hold control characters, ':' or '|'".to_owned().into()),
};

/// The format of log lines.
pub(crate) const LOG_FORMAT: Reader<Format> = Reader::Text { kind: Kind::Value("FORMAT"), parse: log_format };

/// A port from `least` up.
pub(crate) const fn port(least: u16) -> Reader<u16> {
    let range = Range { unit: Unit::Port, least: least as u64, most: u16::MAX as u64 };
    Reader::Number { word: "PORT", range, convert: |port| port as u16 }
}

/// A number of bytes from `least` to `most`, both included.
pub(crate) const fn bytes(least: u32, most: u32) -> Reader<usize> {
    Reader::Number {
        word: "BYTES",
        range: Range { unit: Unit::Bytes, least: least as u64, most: most as u64 },
        convert: |bytes| bytes as usize,
    }
}

/// One to `most` connections or threads.
pub(crate) const fn count(unit: Unit, most: u32) -> Reader<usize> {
    let range = Range { unit, least: 1, most: most as u64 };
    Reader::Number { word: "COUNT", range, convert: |count| count as usize }
}

/// Any text, which `Check::rules` checks together with other flags. `word` is its placeholder in `--help`.
pub(crate) const fn text(word: &'static str) -> Reader<String> {
    Reader::Text { kind: Kind::Value(word), parse: |text| Ok(text.to_owned()) }
}

/// A list of texts, separated by commas; otherwise as [`text`]. Empty items are dropped.
pub(crate) const fn list(word: &'static str) -> Reader<Vec<String>> {
    Reader::Text {
        kind: Kind::List(word),
        parse: |text| Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()),
    }
}

/// Reads the spellings that Go's `strconv.ParseBool` accepts.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn switch(text: &str) -> Result<bool, BadValue> {
    parse_switch(text).ok_or_else(|| {
        let meant = question(&nearest(text, &["true", "false"]), "");
        format!("must be true or false{meant}").into()
    })
}

/// Reads the host of one side, `http` or `statsd`.
fn read_host(side: &str, text: &str) -> Result<String, BadValue> {
    host::parse(text).map(str::to_owned).map_err(|error| BadValue {
        rule: error.advice(side),
        // The part before an `@` may be a password.
        shown: text.rsplit('@').next().map(str::to_owned),
    })
}

fn base_path(text: &str) -> Result<String, BadValue> {
    let path = text.trim_matches('/');
    let sound = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    match path {
        "" => Ok(String::new()),
        path if path.split('/').all(sound) => Ok(format!("/{path}")),
        _ => Err("must be a path like /some/path, of letters, digits and - . _ ~".to_owned().into()),
    }
}

/// Reads the name of a dialect.
pub(crate) fn read_dialect(text: &str) -> Result<&'static Dialect, BadValue> {
    Dialect::find(text).ok_or_else(|| {
        let names = DIALECTS.map(|dialect| dialect.name);
        let other = DIALECT_SYNONYMS.iter().find(|(other, _)| text.eq_ignore_ascii_case(other));
        let meant = other.map_or_else(|| nearest(text, &names), |(_, name)| vec![*name]);
        one_of(&names, &meant).into()
    })
}

fn route(text: &str) -> Result<Route, BadValue> {
    match text {
        "shard" => Ok(Route::Shard),
        "mirror" => Ok(Route::Mirror),
        other => {
            let names = ["shard", "mirror"];
            Err(one_of(&names, &nearest(other, &names)).into())
        }
    }
}

fn log_format(text: &str) -> Result<Format, BadValue> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => {
            let names = ["text", "json"];
            Err(one_of(&names, &nearest(other, &names)).into())
        }
    }
}

/// The rule of an enumeration, with a suggestion if a name is similar.
fn one_of(names: &[&str], meant: &[&str]) -> String {
    let quoted: Vec<String> = meant.iter().map(|name| format!("{name:?}")).collect();
    format!("must be one of {}{}", names.join(", "), question(&quoted, ""))
}
