//! Valid metrics: name, value, sample rate, tags.
//!
//! Nothing in this module knows HTTP or sockets. A value of one of these types is proof that its text can be written
//! into a StatsD line without ending, splitting or reinterpreting the line.

mod byte_classes;
mod decimal;
mod name;
mod number;
mod rate;
mod sanitiser;
mod sink;
mod tags;

use thiserror::Error;

pub(crate) use decimal::{without_exponent, write_without_exponent};
pub(crate) use name::{Member, Name, Prefix};
pub(crate) use number::{Number, Numbers};
pub(crate) use rate::Rate;
pub(crate) use sink::{Accepted, Sink};
pub(crate) use tags::{MAX_TAGS, Tag, Tags, TagsWriter, clean, is_clean};

/// The longest line that is sent, in bytes: the receive buffer of a DogStatsD agent, the smallest among the daemons
/// that accept more than one Ethernet frame. A longer line would arrive cut, as another metric.
pub const MAX_LINE: usize = 8192;

/// The reason why a metric, or a part of it, cannot be sent. Clients see these texts. They are the reference's where it
/// has one.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum MetricError {
    /// The name is empty, contains a control character, `:` or `|`, cannot be stored by a daemon, or is one of a
    /// daemon's own.
    #[error("Invalid key specified")]
    Name,
    /// The value of a count, a histogram or a distribution.
    #[error("Invalid value specified")]
    Value,
    /// The sample rate.
    #[error("Invalid sample rate specified")]
    Rate,
    /// The value of a gauge.
    #[error("Invalid gauge value specified")]
    Gauge,
    /// The shift of a gauge.
    #[error("Invalid gauge shift specified")]
    Shift,
    /// The duration is missing, negative or not a number.
    #[error("Invalid time specified")]
    Time,
    /// The member of a set.
    #[error("Invalid set value specified")]
    Set,
    /// The tags cannot be separated, or are too many.
    #[error("Invalid tags specified")]
    Tags,
    /// The metric type is unknown.
    #[error("Invalid type specified")]
    Kind,
    /// The line does not follow StatsD's grammar.
    #[error("Invalid line specified")]
    Line,
    /// The element is not a JSON object.
    #[error("Invalid JSON object specified")]
    Object,
    /// The line has more packed values than may be sent as separate lines.
    #[error("Too many values in one line")]
    TooManyValues,
    /// The values of the line, divided by its rate, exceed the samples of a batch.
    #[error("Too many samples in one batch")]
    TooManySamples,
    /// The lines of the batch exceed its total of bytes.
    #[error("Too many bytes of lines in one batch")]
    TooManyBytes,
    /// This metric was not read, because too many of the batch had been rejected.
    #[error("Too many rejected metrics in one batch")]
    TooManyRejected,
    /// The daemon of this dialect does not support shifts.
    #[error("Gauge shift not supported by this server")]
    ShiftUnsupported,
    /// The line is longer than any daemon receives in full.
    #[error("Metric longer than {} bytes", MAX_LINE)]
    TooLong,
}

/// The kinds of metrics, of StatsD and of DogStatsD.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The number of times that something happened.
    Count,
    /// A level that stays until it is set again.
    Gauge,
    /// A duration in milliseconds.
    Timing,
    /// Distinct members: a member counts once, however often it is sent.
    Set,
    /// DogStatsD: a value whose distribution the agent computes.
    Histogram,
    /// DogStatsD: a value whose distribution Datadog computes.
    Distribution,
}

impl Kind {
    /// The type field of a StatsD line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "c",
            Self::Gauge => "g",
            Self::Timing => "ms",
            Self::Set => "s",
            Self::Histogram => "h",
            Self::Distribution => "d",
        }
    }

    /// Reads the type field of a StatsD line.
    pub fn from_type(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"c" => Self::Count,
            b"g" => Self::Gauge,
            b"ms" => Self::Timing,
            b"s" => Self::Set,
            b"h" => Self::Histogram,
            b"d" => Self::Distribution,
            _ => return None,
        })
    }

    /// Reads the word or the letters that JSON clients write.
    pub fn from_name(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"count" | b"counter" => Self::Count,
            b"gauge" => Self::Gauge,
            b"timing" | b"timer" => Self::Timing,
            b"set" => Self::Set,
            b"histogram" => Self::Histogram,
            b"distribution" => Self::Distribution,
            letters => return Self::from_type(letters),
        })
    }
}

/// The value of a metric, with its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count, a timing, or a value of a histogram or distribution: the kinds that a client or this server may sample.
    /// Several values if the daemon accepts them in one line.
    Sampled(Kind, Numbers<'a>, Rate),
    /// Sets a gauge.
    Gauge(Number<'a>),
    /// Moves a gauge up or down.
    GaugeShift(Number<'a>),
    /// Adds a member to a set.
    Set(Member<'a>),
}

impl Value<'_> {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sampled(kind, ..) => *kind,
            Self::Gauge(_) | Self::GaugeShift(_) => Kind::Gauge,
            Self::Set(_) => Kind::Set,
        }
    }

    /// The sample rate; [`Rate::ALL`] for kinds that are not sampled.
    pub fn rate(&self) -> Rate {
        match self {
            Self::Sampled(_, _, rate) => *rate,
            Self::Gauge(_) | Self::GaugeShift(_) | Self::Set(_) => Rate::ALL,
        }
    }

    /// The number of measurements.
    pub fn count(&self) -> u32 {
        match self {
            Self::Sampled(_, values, _) => values.count(),
            Self::Gauge(_) | Self::GaugeShift(_) | Self::Set(_) => 1,
        }
    }
}

/// One measurement, or several that were packed into one line, ready to be written as a StatsD line.
///
/// A metric is immutable, so the text of [`Metric::plain_line`] always equals the other fields. A sink that changes a
/// metric constructs a new one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Metric<'a> {
    name: Name<'a>,
    value: Value<'a>,
    tags: Tags<'a>,
    plain_line: Option<&'a str>,
}

impl<'a> Metric<'a> {
    /// Builds a metric of its parts.
    pub(crate) fn new(name: Name<'a>, value: Value<'a>, tags: Tags<'a>) -> Self {
        Self { name, value, tags, plain_line: None }
    }

    /// Builds a metric without tags or rate that was read from `line`, which is exactly `name:value|type`.
    pub(crate) fn from_plain_line(line: &'a str, name: Name<'a>, value: Value<'a>) -> Self {
        Self { name, value, tags: Tags::NONE, plain_line: Some(line) }
    }

    /// The name, without the prefix.
    pub(crate) fn name(&self) -> Name<'a> {
        self.name
    }

    /// The kind and the value.
    pub(crate) fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// The client's tags, without the server's own.
    pub(crate) fn tags(&self) -> Tags<'a> {
        self.tags
    }

    /// The client's text, if it is exactly `name:value|type`. Copying it replaces five copies of its parts.
    pub(crate) fn plain_line(&self) -> Option<&'a str> {
        self.plain_line
    }
}
