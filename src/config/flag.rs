//! What a flag is: the row that the command line, `--help` and the documents read, and the type of its value.

use std::ops::Deref;

use crate::config::Config;
use crate::config::quantity::Range;
use crate::config::values::Reader;

/// The beginning of the name of every environment twin.
pub(crate) const ENV_PREFIX: &str = "STATSD_HTTP_PROXY_";

/// How a flag takes its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// True when present; a value only as `--flag=false`.
    Switch,
    /// A value follows; the word is its placeholder in `--help`.
    Value(&'static str),
    /// As `Value`, but the flag may be given several times: its values are joined with commas. One value may be such a
    /// list too, and so may that of the environment.
    List(&'static str),
}

/// The heading under which `--help` shows a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Listening and its limits.
    Http,
    /// Certificates.
    Tls,
    /// StatsD's address, and the lines for it.
    Statsd,
    /// Who may send.
    Access,
    /// Everything about running it.
    Operation,
    /// Accepted so that old start scripts work.
    Compatibility,
}

/// One flag, as the command line, `--help` and the documents have it.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// How it takes its value.
    pub kind: Kind,
    /// The value when it is not given; empty for unset.
    pub default: &'static str,
    /// Its heading.
    pub group: Group,
    /// One sentence, without a final full stop.
    pub help: &'static str,
    /// The values that it takes, if it is a number.
    pub range: Option<Range>,
    /// True if an empty value is a value; else it counts as unset.
    pub takes_empty: bool,
}

impl Flag {
    /// The name of its environment twin.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// A flag with the type of its value, how its text is read, and the setting that it fills.
pub(crate) struct Typed<V> {
    /// The row.
    pub flag: Flag,
    /// Reads the text.
    pub reader: Reader<V>,
    /// Puts the value into the settings of the module that it is for.
    pub fill: fn(&mut Config, V),
}

impl<V> Typed<V> {
    /// A flag, in the order in which a row of the table reads.
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

    /// The same flag, with an empty value as a value.
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

/// For a flag that fills no setting by itself: it is read together with others, or acted upon before.
pub(crate) fn by_rule<V>(_: &mut Config, _: V) {}
