//! The encoding of lines: prefix, dialect, and the server's own tags.

use thiserror::Error;

use crate::metric::{Kind, MetricError, Name, Number, Prefix, Rate, Tag, Value, clean, is_clean};
use crate::statsd::constant_tags::{ConstantTags, MAX_CONSTANT_TAGS};
use crate::statsd::dialect::{DIALECTS, Dialect};

/// The reason why a tag of the server's own cannot be written.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum OwnTagError {
    /// The value is missing.
    #[error("must be key=value")]
    Pair,
    /// A character would be cleaned away.
    #[error("must be made of letters, digits and _ - . / in this dialect")]
    Character,
    /// The key exists already.
    #[error("is given twice")]
    Twice,
    /// There are [`MAX_CONSTANT_TAGS`] already.
    #[error("is one tag too many: {MAX_CONSTANT_TAGS} are allowed")]
    TooMany,
}

/// The properties that all lines of a server share.
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
    /// An encoding without own tags.
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

    /// Adds a tag, `key=value` or `key:value`, to all lines. A dialect without tags drops a valid tag.
    pub fn add_tag(&mut self, tag: &str) -> Result<(), OwnTagError> {
        let tag_style = self.dialect.tags.as_ref();
        let (key, value) = tag.split_once(['=', ':']).ok_or(OwnTagError::Pair)?;
        if key.is_empty() || value.is_empty() {
            return Err(OwnTagError::Pair);
        }
        if !is_clean(key, false) || !is_clean(value, tag_style.is_some_and(|tags| tags.colons)) {
            return Err(OwnTagError::Character);
        }
        if self.tags.contains(key.as_bytes()) {
            return Err(OwnTagError::Twice);
        }
        if self.tags.count() == MAX_CONSTANT_TAGS {
            return Err(OwnTagError::TooMany);
        }
        let written = tag_style.map(|tags| format!("{key}{}{value}", char::from(tags.pair)));
        self.tags.push(key, written.as_deref());
        Ok(())
    }

    /// The text before every name.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The dialect.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// The server's own tags as encoded in a line, without the opening and closing text.
    pub fn tags(&self) -> &str {
        self.tags.written()
    }

    /// True if a client's tag is written: the server has no tag whose key equals the cleaned key, for which `scratch`
    /// is used.
    pub fn takes(&self, tag: &Tag<'_>, scratch: &mut Vec<u8>) -> bool {
        if self.tags.count() == 0 {
            return true;
        }
        scratch.clear();
        clean(scratch, tag.key, false);
        !self.tags.contains(scratch)
    }

    /// Checks a name, also against the reserved bytes of the dialect.
    pub fn name<'a>(&self, text: &'a str) -> Result<Name<'a>, MetricError> {
        let reserved = self.dialect.reserved;
        if !reserved.is_empty() && text.bytes().any(|b| reserved.contains(&b)) {
            return Err(MetricError::Name);
        }
        Name::parse(&self.prefix, text)
    }

    /// Checks a number that is sent as `kind`: a count, a timing, or a value of a histogram or distribution.
    pub fn number<'a>(&self, kind: Kind, text: &'a str) -> Result<Number<'a>, MetricError> {
        match kind {
            Kind::Timing => Number::parse_unsigned(text, MetricError::Time),
            Kind::Histogram | Kind::Distribution if !self.dialect.negative_histograms => {
                Number::parse_unsigned(text, MetricError::Value)
            }
            _ => Number::parse(text, MetricError::Value),
        }
    }

    /// The rate for this server to apply: no line has a lower rate than the daemon can handle.
    pub fn sampling_rate(&self, kind: Kind, rate: Rate) -> Rate {
        rate.raised(self.dialect.least_rate(kind))
    }

    /// Checks the rate that a client has applied to a line of `kind`, the kind as sent.
    pub fn applied_rate(&self, kind: Kind, rate: Rate) -> Result<Rate, MetricError> {
        rate.applied(self.dialect.least_rate(kind))
    }

    /// The shift of a gauge, if the daemon supports shifts.
    pub fn shift<'a>(&self, shift: Number<'a>) -> Result<Value<'a>, MetricError> {
        if self.dialect.shifts { Ok(Value::GaugeShift(shift)) } else { Err(MetricError::ShiftUnsupported) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(dialect: &str) -> Encoding {
        Encoding::new(Prefix::default(), Dialect::find(dialect).expect("a dialect"))
    }

    #[test]
    fn own_tags_are_sound_and_single() {
        let mut encoding = encoding("statsd");
        assert_eq!(encoding.add_tag("env=prod"), Ok(()));
        assert_eq!(encoding.add_tag("dc:eu-1"), Ok(()));
        assert_eq!(encoding.tags(), "env:prod,dc:eu-1");
        for (bad, error) in [
            ("env", OwnTagError::Pair),
            ("env=", OwnTagError::Pair),
            ("=prod", OwnTagError::Pair),
            ("a=b c", OwnTagError::Character),
            ("a=b:c", OwnTagError::Character),
            ("a|b=c", OwnTagError::Character),
            ("env=test", OwnTagError::Twice),
        ] {
            assert_eq!(encoding.add_tag(bad), Err(error), "{bad}");
        }
        for i in 2..MAX_CONSTANT_TAGS {
            assert_eq!(encoding.add_tag(&format!("k{i}=v")), Ok(()));
        }
        assert_eq!(encoding.add_tag("more=v"), Err(OwnTagError::TooMany));
    }

    #[test]
    fn names_cannot_carry_tags() {
        for (dialect, bad) in [
            ("influxdb", "a,env=prod"),
            ("telegraf", "a,env=prod"),
            ("librato", "a#env=prod"),
            ("signalfx", "a[env=prod]"),
        ] {
            assert_eq!(encoding(dialect).name(bad), Err(MetricError::Name), "{dialect} {bad}");
            assert!(encoding("statsd").name(bad).is_ok(), "{bad}");
        }
    }
}
