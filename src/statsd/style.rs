//! How this server writes lines: its prefix, its dialect, its own tags.

use thiserror::Error;

use crate::metric::{Kind, MetricError, Name, Number, Prefix, Tag, Value, is_clean};
use crate::statsd::dialect::{DIALECTS, Dialect};

/// The server's own tags, at most: each is compared with each of a client's.
pub const MAX_CONSTANT_TAGS: usize = 32;

/// Why a tag of the server's own cannot be written.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum StyleError {
    /// There is no value.
    #[error("must be key=value")]
    Pair,
    /// A character that would have to be cleaned away.
    #[error("must be made of letters, digits and _ - . / in this dialect")]
    Character,
    /// The key is there already.
    #[error("is given twice")]
    Twice,
    /// More than [`MAX_CONSTANT_TAGS`].
    #[error("is one tag too many: {MAX_CONSTANT_TAGS} are allowed")]
    TooMany,
}

/// What is the same for every line of a server.
#[derive(Clone, Debug)]
pub struct Style {
    prefix: Prefix,
    dialect: &'static Dialect,
    keys: Vec<String>,
    /// The server's own tags, written.
    tags: String,
}

impl Default for Style {
    fn default() -> Self {
        Self::new(Prefix::default(), DIALECTS[0])
    }
}

impl Style {
    /// A style without tags of its own.
    pub fn new(prefix: Prefix, dialect: &'static Dialect) -> Self {
        Self { prefix, dialect, keys: Vec::new(), tags: String::new() }
    }

    /// Adds a tag to all lines: `key=value`, or `key:value`.
    pub fn add_tag(&mut self, tag: &str) -> Result<(), StyleError> {
        let style = &self.dialect.tags;
        let (key, value) = tag.split_once(['=', ':']).ok_or(StyleError::Pair)?;
        if key.is_empty() || value.is_empty() {
            return Err(StyleError::Pair);
        }
        if !is_clean(key, false) || !is_clean(value, style.colons) {
            return Err(StyleError::Character);
        }
        if self.owns(key) {
            return Err(StyleError::Twice);
        }
        if self.keys.len() == MAX_CONSTANT_TAGS {
            return Err(StyleError::TooMany);
        }
        if !self.tags.is_empty() {
            self.tags.push(',');
        }
        self.tags.push_str(key);
        self.tags.push(char::from(style.pair));
        self.tags.push_str(value);
        self.keys.push(key.to_owned());
        Ok(())
    }

    /// What stands before every name.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The dialect.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// The server's own tags as they stand in a line, without what opens and closes them.
    pub fn tags(&self) -> &str {
        &self.tags
    }

    /// Whether `key` is one of the server's own tags, which no client may set.
    pub fn owns(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own == key)
    }

    /// Whether a client's tag is to be written.
    pub fn takes(&self, tag: &Tag<'_>) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let mut key = Vec::new();
        crate::metric::clean(&mut key, tag.key, false);
        !self.keys.iter().any(|own| own.as_bytes() == key)
    }

    /// Checks a name, for what would forge a line of this dialect too.
    pub fn name<'a>(&self, text: &'a str) -> Result<Name<'a>, MetricError> {
        let reserved = self.dialect.reserved;
        if !reserved.is_empty() && text.bytes().any(|b| reserved.contains(&b)) {
            return Err(MetricError::Name);
        }
        Name::parse(&self.prefix, text)
    }

    /// Checks a number of what is sent as `kind`: a count, a timing, a histogram's or a distribution's value.
    pub fn number<'a>(&self, kind: Kind, text: &'a str) -> Result<Number<'a>, MetricError> {
        match kind {
            Kind::Timing => Number::parse_unsigned(text, MetricError::Time),
            Kind::Histogram | Kind::Distribution if !self.dialect.negative_histograms => {
                Number::parse_unsigned(text, MetricError::Value)
            }
            _ => Number::parse(text, MetricError::Value),
        }
    }

    /// A gauge's shift, if the daemon has such a thing.
    pub fn shift<'a>(&self, shift: Number<'a>) -> Result<Value<'a>, MetricError> {
        if self.dialect.shifts { Ok(Value::GaugeShift(shift)) } else { Err(MetricError::ShiftUnsupported) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(dialect: &str) -> Style {
        Style::new(Prefix::default(), Dialect::find(dialect).expect("a dialect"))
    }

    #[test]
    fn own_tags_are_sound_and_single() {
        let mut style = style("statsd");
        assert_eq!(style.add_tag("env=prod"), Ok(()));
        assert_eq!(style.add_tag("dc:eu-1"), Ok(()));
        assert_eq!(style.tags(), "env:prod,dc:eu-1");
        for (bad, error) in [
            ("env", StyleError::Pair),
            ("env=", StyleError::Pair),
            ("=prod", StyleError::Pair),
            ("a=b c", StyleError::Character),
            ("a=b:c", StyleError::Character),
            ("a|b=c", StyleError::Character),
            ("env=test", StyleError::Twice),
        ] {
            assert_eq!(style.add_tag(bad), Err(error), "{bad}");
        }
        for i in 2..MAX_CONSTANT_TAGS {
            assert_eq!(style.add_tag(&format!("k{i}=v")), Ok(()));
        }
        assert_eq!(style.add_tag("more=v"), Err(StyleError::TooMany));
    }

    #[test]
    fn names_cannot_carry_tags() {
        for (dialect, bad) in [
            ("influxdb", "a,env=prod"),
            ("telegraf", "a,env=prod"),
            ("librato", "a#env=prod"),
            ("signalfx", "a[env=prod]"),
        ] {
            assert_eq!(style(dialect).name(bad), Err(MetricError::Name), "{dialect} {bad}");
            assert!(style("statsd").name(bad).is_ok(), "{bad}");
        }
    }
}
