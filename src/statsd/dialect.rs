//! What the daemon behind understands: the dialects of StatsD, one row each.
//!
//! Read in the daemons' sources: etsy's StatsD 0.9 (`stats.js`), Telegraf (`plugins/inputs/statsd`), gostatsd
//! (`internal/lexer`), statsd_exporter (`pkg/line`), and Datadog's description of DogStatsD datagrams. `docs/dialects.md`
//! shows this table to people, and a test holds each of its cells.

use crate::metric::Kind;

/// Where and how tags are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TagStyle {
    /// In the name, before its colon; else at the end of the line.
    pub in_name: bool,
    /// Before the first tag.
    pub open: &'static str,
    /// Between key and value.
    pub pair: u8,
    /// After the last tag.
    pub close: &'static str,
    /// Whether a tag may do without a value. Where it may not, it gets the value `true`, as Telegraf reads it.
    pub bare: bool,
    /// Whether a value may hold colons.
    pub colons: bool,
}

/// One dialect.
#[derive(Debug)]
pub struct Dialect {
    /// Its name on the command line.
    pub name: &'static str,
    /// How tags are written.
    pub tags: TagStyle,
    /// Whether a sign makes a gauge's value a shift. A negative value then is sent as `0` and a shift; where there are no
    /// shifts, a negative value is sent as it is, and a shift is refused.
    pub shifts: bool,
    /// Whether a line may hold several values; else they are sent as a line each.
    pub packed: bool,
    /// What a histogram is sent as.
    pub histogram: Kind,
    /// What a distribution is sent as.
    pub distribution: Kind,
    /// Whether the daemon takes negative histograms and distributions. Nobody takes negative timings.
    pub negative_histograms: bool,
    /// Bytes that a name may not hold, since the daemon would take what follows for tags.
    pub reserved: &'static [u8],
}

/// What a tag without a value is given, where it needs one.
pub const PRESENT: &str = "true";

const DOGSTATSD_TAGS: TagStyle =
    TagStyle { in_name: false, open: "|#", pair: b':', close: "", bare: true, colons: true };

const fn in_name(open: &'static str, close: &'static str) -> TagStyle {
    TagStyle { in_name: true, open, pair: b'=', close, bare: false, colons: false }
}

/// etsy's StatsD, and all who read what it reads.
const STATSD: Dialect = Dialect {
    name: "statsd",
    // It makes `;k=v` of them at the end of the name, as Graphite wants it, where a tag needs a value.
    tags: TagStyle { bare: false, colons: false, ..DOGSTATSD_TAGS },
    shifts: true,
    packed: false,
    // It would count them.
    histogram: Kind::Timing,
    distribution: Kind::Timing,
    negative_histograms: false,
    reserved: b"",
};

/// The Datadog agent.
const DATADOG: Dialect = Dialect {
    name: "datadog",
    tags: DOGSTATSD_TAGS,
    shifts: false,
    packed: true,
    histogram: Kind::Histogram,
    distribution: Kind::Distribution,
    negative_histograms: true,
    reserved: b"",
};

/// atlassian's gostatsd: to it a histogram is a timer, and a distribution an error.
const GOSTATSD: Dialect = Dialect { name: "gostatsd", distribution: Kind::Histogram, ..DATADOG };

/// Telegraf with `datadog_extensions`; without its `datadog_distributions` it drops distributions silently.
const TELEGRAF: Dialect = Dialect {
    name: "telegraf",
    tags: DOGSTATSD_TAGS,
    shifts: true,
    packed: false,
    histogram: Kind::Histogram,
    distribution: Kind::Histogram,
    negative_histograms: false,
    reserved: b",",
};

/// Telegraf as it comes, and statsd_exporter. The latter reads all tags in names, whichever way they are written.
const INFLUXDB: Dialect = Dialect { name: "influxdb", tags: in_name(",", ""), reserved: b",#[]", ..TELEGRAF };

const LIBRATO: Dialect = Dialect { name: "librato", tags: in_name("#", ""), ..INFLUXDB };

const SIGNALFX: Dialect = Dialect { name: "signalfx", tags: in_name("[", "]"), ..INFLUXDB };

/// All dialects; the first is the default.
pub const DIALECTS: [&Dialect; 7] = [&STATSD, &DATADOG, &TELEGRAF, &INFLUXDB, &LIBRATO, &SIGNALFX, &GOSTATSD];

impl Dialect {
    /// Finds a dialect by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALECTS.into_iter().find(|dialect| dialect.name == name)
    }

    /// What a metric of `kind` is sent as.
    pub fn kind(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Histogram => self.histogram,
            Kind::Distribution => self.distribution,
            other => other,
        }
    }
}
