//! A metric that is known to be sound: its name, its value, its sample rate, its tags.
//!
//! Nothing in this module knows HTTP or sockets. A value of one of these types is proof that the text it holds
//! can stand in a StatsD line without ending it, splitting it, or changing its meaning.

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
/// that take more than one Ethernet frame. Anything longer would arrive cut, as another metric.
pub const MAX_LINE: usize = 8192;

/// Why a metric, or a part of it, cannot be sent. The texts are those that clients see, and the reference's where it has
/// one.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum MetricError {
    /// The name is empty, holds a control character, `:` or `|`, or is one that a daemon cannot store or has itself.
    #[error("Invalid key specified")]
    Name,
    /// A count, or a histogram's or distribution's value.
    #[error("Invalid value specified")]
    Value,
    /// A rate.
    #[error("Invalid sample rate specified")]
    Rate,
    /// A gauge's value.
    #[error("Invalid gauge value specified")]
    Gauge,
    /// A gauge's shift.
    #[error("Invalid gauge shift specified")]
    Shift,
    /// A duration: missing, negative or no number.
    #[error("Invalid time specified")]
    Time,
    /// A set's member.
    #[error("Invalid set value specified")]
    Set,
    /// Tags that cannot be told apart, or too many.
    #[error("Invalid tags specified")]
    Tags,
    /// A kind of metric that is not known.
    #[error("Invalid type specified")]
    Kind,
    /// No line of StatsD's grammar.
    #[error("Invalid line specified")]
    Line,
    /// No JSON object.
    #[error("Invalid JSON object specified")]
    Object,
    /// More packed values than may be sent as lines of their own.
    #[error("Too many values in one line")]
    TooManyValues,
    /// The values of a line, multiplied by its rate, are more than a batch may stand for.
    #[error("Too many samples in one batch")]
    TooManySamples,
    /// The lines of a batch would be longer together than one batch may make them.
    #[error("Too many bytes of lines in one batch")]
    TooManyBytes,
    /// So many metrics of a batch were rejected that this one was not looked at.
    #[error("Too many rejected metrics in one batch")]
    TooManyRejected,
    /// The daemon of this dialect has no shifts.
    #[error("Gauge shift not supported by this server")]
    ShiftUnsupported,
    /// The line would be longer than any daemon takes whole.
    #[error("Metric longer than {} bytes", MAX_LINE)]
    TooLong,
}

/// The kinds of metrics, of StatsD and of DogStatsD.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Something that happened, so many times.
    Count,
    /// A level.
    Gauge,
    /// A duration in milliseconds.
    Timing,
    /// Something that is counted once, however often it comes.
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

    /// Reads the word or the letter that JSON clients write.
    pub fn from_name(text: &str) -> Option<Self> {
        Some(match text {
            "count" | "counter" => Self::Count,
            "gauge" => Self::Gauge,
            "timing" | "timer" => Self::Timing,
            "set" => Self::Set,
            "histogram" => Self::Histogram,
            "distribution" => Self::Distribution,
            letters => return Self::from_type(letters.as_bytes()),
        })
    }
}

/// What is measured, with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count, a timing, a histogram's or a distribution's value: what a client or a server may have sampled. Several,
    /// if the daemon takes them in one line.
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

    /// The share of such metrics that is sent on.
    pub fn rate(&self) -> Rate {
        match self {
            Self::Sampled(_, _, rate) => *rate,
            Self::Gauge(_) | Self::GaugeShift(_) | Self::Set(_) => Rate::ALL,
        }
    }

    /// How many measurements it is.
    pub fn count(&self) -> u32 {
        match self {
            Self::Sampled(_, values, _) => values.count(),
            Self::Gauge(_) | Self::GaugeShift(_) | Self::Set(_) => 1,
        }
    }
}

/// One measurement, or several that were packed into one line, ready to be written as a StatsD line.
///
/// It cannot be changed, only made anew: so the text of [`Metric::plain_line`] always is that of the other fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Metric<'a> {
    name: Name<'a>,
    value: Value<'a>,
    tags: Tags<'a>,
    plain_line: Option<&'a str>,
}

impl<'a> Metric<'a> {
    /// A metric of these parts.
    pub(crate) fn new(name: Name<'a>, value: Value<'a>, tags: Tags<'a>) -> Self {
        Self { name, value, tags, plain_line: None }
    }

    /// A metric without tags that was read from `line`, in which its name, its value and its type stand as they are, with
    /// one colon and one bar between them.
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

    /// The client's tags; the server's own are not among them.
    pub(crate) fn tags(&self) -> Tags<'a> {
        self.tags
    }

    /// All of it in one piece, for a writer that would write just these bytes: one copy in place of five.
    pub(crate) fn plain_line(&self) -> Option<&'a str> {
        self.plain_line
    }
}
