//! The type of a flag: the row that the command line, `--help` and the documents read, and the type of its value.

use std::ops::Deref;

use crate::config::Config;
use crate::config::quantity::Range;
use crate::config::values::Reader;

/// The prefix of the environment variables of flags.
pub(crate) const ENV_PREFIX: &str = "STATSD_HTTP_PROXY_";

/// How a flag takes its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// True when present; a value only as `--flag=false`.
    Switch,
    /// A value follows. The text is its placeholder in `--help`.
    Value(&'static str),
    /// As `Value`, but the flag may be repeated: its values are joined with commas. A single value, of the flag or of
    /// its environment variable, may also hold several items with commas.
    List(&'static str),
}

/// The heading under which `--help` shows a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// The listener and its limits.
    Http,
    /// Certificates.
    Tls,
    /// The address of StatsD, and the format of its lines.
    Statsd,
    /// Tokens.
    Access,
    /// Logs, the demo, `--help` and `--version`.
    Operation,
    /// Flags of the reference, accepted so that old start scripts work.
    Compatibility,
}

/// One flag, for the command line, `--help` and the documents.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// How the flag takes its value.
    pub kind: Kind,
    /// The value if the flag is not given; empty means unset.
    pub default: &'static str,
    /// The heading in `--help`.
    pub group: Group,
    /// The help: one sentence, without a final full stop.
    pub help: &'static str,
    /// The range of a number; `None` for any other value.
    pub range: Option<Range>,
    /// True if an empty value has a meaning. Otherwise it counts as unset.
    pub takes_empty: bool,
}

impl Flag {
    /// The name of the environment variable that sets the flag.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// A flag with the type of its value: its row, the reader of its text, and the setting that it fills.
pub(crate) struct Typed<V> {
    /// The row.
    pub flag: Flag,
    /// Reads the text.
    pub reader: Reader<V>,
    /// Stores the value in the settings of its module.
    pub fill: fn(&mut Config, V),
}

impl<V> Typed<V> {
    /// Makes a flag. The arguments are in the order of a row of the table.
    pub(crate) const fn new(
        name: &'static str,
        default: &'static str,
        group: Group,
        reader: Reader<V>,
        help: &'static str,
        fill: fn(&mut Config, V),
    ) -> Self {
        let (kind, range) = (reader.kind(), reader.range());
        Self { flag: Flag { name, kind, default, group, help, range, takes_empty: false }, reader, fill }
    }

    /// Returns the same flag, for which an empty value has a meaning.
    pub(crate) const fn or_empty(mut self) -> Self {
        self.flag.takes_empty = true;
        self
    }
}

impl<V> Deref for Typed<V> {
    type Target = Flag;

    fn deref(&self) -> &Flag {
        &self.flag
    }
}

/// Fills nothing. For flags that `Check::rules` reads together with others, and for those that end the process at once.
pub(crate) fn by_rule<V>(_: &mut Config, _: V) {}
