//! How this server writes lines: its prefix, its dialect, its own tags.

use thiserror::Error;

use crate::metric::{Kind, MetricError, Name, Number, Prefix, Rate, Tag, Value, clean, is_clean};
use crate::statsd::constant_tags::{ConstantTags, MAX_CONSTANT_TAGS};
use crate::statsd::dialect::{DIALECTS, Dialect};

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
pub struct Encoding {
    prefix: Prefix,
    dialect: &'static Dialect,
    tags: ConstantTags,
    /// Whether metrics are read by what several dialects have in common, and written in each.
    is_mixed: bool,
}

impl Default for Encoding {
    fn default() -> Self {
        Self::new(Prefix::default(), DIALECTS[0])
    }
}

impl Encoding {
    /// A style without tags of its own.
    pub fn new(prefix: Prefix, dialect: &'static Dialect) -> Self {
        Self { prefix, dialect, tags: ConstantTags::default(), is_mixed: false }
    }

    /// The encoding by which metrics are read that `writers` write, which differ in their dialects alone; `None` without any.
    /// To be called once for each process: what several dialects have in common stays for ever.
    pub(crate) fn common(writers: &mut [Self]) -> Option<Self> {
        let first = writers.first()?.clone();
        if writers.iter().all(|writer| std::ptr::eq(writer.dialect, first.dialect)) {
            return Some(first);
        }
        let dialect = writers.iter().fold(*first.dialect, |common, writer| common.common(writer.dialect));
        for writer in writers {
            writer.is_mixed = true;
        }
        Some(Self { dialect: Box::leak(Box::new(dialect)), is_mixed: true, ..first })
    }

    /// Whether tags can be written before it is known to which daemon they go.
    pub(crate) fn writes_tags_early(&self) -> bool {
        !self.is_mixed
    }

    /// What a metric of `kind` is written as. Where there is one dialect, its reader has chosen the kind.
    #[inline]
    pub(crate) fn written_kind(&self, kind: Kind) -> Kind {
        if self.is_mixed { self.dialect.kind(kind) } else { kind }
    }

    /// Adds a tag to all lines: `key=value`, or `key:value`. A dialect without tags drops it, once it is found to be sound.
    pub fn add_tag(&mut self, tag: &str) -> Result<(), StyleError> {
        let style = self.dialect.tags.as_ref();
        let (key, value) = tag.split_once(['=', ':']).ok_or(StyleError::Pair)?;
        if key.is_empty() || value.is_empty() {
            return Err(StyleError::Pair);
        }
        if !is_clean(key, false) || !is_clean(value, style.is_some_and(|style| style.colons)) {
            return Err(StyleError::Character);
        }
        if self.tags.contains(key.as_bytes()) {
            return Err(StyleError::Twice);
        }
        if self.tags.count() == MAX_CONSTANT_TAGS {
            return Err(StyleError::TooMany);
        }
        let written = style.map(|style| format!("{key}{}{value}", char::from(style.pair)));
        self.tags.push(key, written.as_deref());
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
        self.tags.written()
    }

    /// Whether a client's tag is to be written: not if the server has one with its key, as it would be written. That is
    /// worked out in `scratch`.
    pub fn takes(&self, tag: &Tag<'_>, scratch: &mut Vec<u8>) -> bool {
        if self.tags.count() == 0 {
            return true;
        }
        scratch.clear();
        clean(scratch, tag.key, false);
        !self.tags.contains(scratch)
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

    /// The rate to sample with where a client leaves that to this server: no line has less than the daemon can bear.
    pub fn sampling_rate(&self, kind: Kind, rate: Rate) -> Rate {
        rate.raised(self.dialect.least_rate(kind))
    }

    /// Checks the rate of a line of `kind`, as it is sent: the client has sampled.
    pub fn applied_rate(&self, kind: Kind, rate: Rate) -> Result<Rate, MetricError> {
        rate.applied(self.dialect.least_rate(kind))
    }

    /// A gauge's shift, if the daemon has such a thing.
    pub fn shift<'a>(&self, shift: Number<'a>) -> Result<Value<'a>, MetricError> {
        if self.dialect.shifts { Ok(Value::GaugeShift(shift)) } else { Err(MetricError::ShiftUnsupported) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(dialect: &str) -> Encoding {
        Encoding::new(Prefix::default(), Dialect::find(dialect).expect("a dialect"))
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
