//! What the daemon behind understands: the dialects of StatsD, one row each.
//!
//! Read in the daemons' sources: etsy's StatsD 0.9 (`stats.js`), Telegraf (`plugins/inputs/statsd`), gostatsd
//! (`internal/lexer`, `metric_map.go`), statsd_exporter (`pkg/line`), the Datadog agent (`pkg/metrics`, `pkg/util/quantile`)
//! with Datadog's description of DogStatsD datagrams, collectd (`src/statsd.c`), statsite (`src/conn_handler.c`,
//! `src/timer.c`) and netdata (`statsd.plugin`). `docs/dialects.md` shows this table to people, and a test holds each of its
//! cells.

use crate::metric::{Kind, Rate};

/// The least rate of a line that the daemon divides by: a counter's, and a timing's where the daemon keeps a count beside
/// the value. A client that sends fewer than one of a million has made a mistake, or wants a counter to overflow.
const LEAST_DIVISOR: Rate = Rate::one_of(1_000_000);

/// The least rate of a timing where the daemon keeps the value `1 / rate` times. One line of less would hold up the daemon
/// for as long as a whole batch does, and of one in a billion end it.
const LEAST_MULTIPLIED: Rate = Rate::one_of(1000);

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
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Its name on the command line.
    pub name: &'static str,
    /// How tags are written; without a style they are dropped, those of the server too.
    pub tags: Option<TagStyle>,
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
    /// Whether a daemon of this dialect takes a sampled timing, histogram or distribution for `1 / rate` of them, one after
    /// the other.
    pub multiplies: bool,
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
    tags: Some(TagStyle { bare: false, colons: false, ..DOGSTATSD_TAGS }),
    shifts: true,
    packed: false,
    // It would count them.
    histogram: Kind::Timing,
    distribution: Kind::Timing,
    negative_histograms: false,
    // It only counts (`timer_counters`), but statsd_exporter reads this dialect too: `multiplyEvents` in `pkg/line/line.go`.
    multiplies: true,
    reserved: b"",
};

/// The Datadog agent.
const DATADOG: Dialect = Dialect {
    name: "datadog",
    tags: Some(DOGSTATSD_TAGS),
    shifts: false,
    packed: true,
    histogram: Kind::Histogram,
    distribution: Kind::Distribution,
    negative_histograms: true,
    // A distribution, and a histogram that is copied to one, gets a bin for each 65,535 (`appendSafe` in
    // `pkg/util/quantile/bin.go`), all of which are made before those past the limit are dropped.
    multiplies: true,
    reserved: b"",
};

/// atlassian's gostatsd: to it a histogram is a timer, and a distribution an error. It keeps a count beside the values
/// (`SampledCount` in `metric_map.go`).
const GOSTATSD: Dialect = Dialect { name: "gostatsd", distribution: Kind::Histogram, multiplies: false, ..DATADOG };

/// Telegraf with `datadog_extensions`; without its `datadog_distributions` it drops distributions silently.
const TELEGRAF: Dialect = Dialect {
    name: "telegraf",
    tags: Some(DOGSTATSD_TAGS),
    shifts: true,
    packed: false,
    histogram: Kind::Histogram,
    distribution: Kind::Histogram,
    negative_histograms: false,
    // `aggregate` in `statsd.go` adds the value `int(1.0 / samplerate)` times.
    multiplies: true,
    reserved: b",",
};

/// Telegraf as it comes, and statsd_exporter. The latter reads all tags in names, whichever way they are written.
const INFLUXDB: Dialect = Dialect { name: "influxdb", tags: Some(in_name(",", "")), reserved: b",#[]", ..TELEGRAF };

const LIBRATO: Dialect = Dialect { name: "librato", tags: Some(in_name("#", "")), ..INFLUXDB };

const SIGNALFX: Dialect = Dialect { name: "signalfx", tags: Some(in_name("[", "]")), ..INFLUXDB };

/// collectd and statsite, which drop a line that has tags, and netdata, which does not look at them. A histogram is a
/// timing to all of them, if they know it. netdata keeps the value of a timing `1 / rate` times, though at most 100
/// (`statsd_process_histogram_or_timer` in `statsd.c`); the others divide.
const PLAIN: Dialect = Dialect { name: "plain", tags: None, ..STATSD };

/// All dialects; the first is the default.
pub const DIALECTS: [&Dialect; 8] = [&STATSD, &DATADOG, &TELEGRAF, &INFLUXDB, &LIBRATO, &SIGNALFX, &GOSTATSD, &PLAIN];

impl Dialect {
    /// Finds a dialect by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALECTS.into_iter().find(|dialect| dialect.name == name)
    }

    /// What daemons of both dialects take: a metric that is read by it is sound for each. A kind that they have different names
    /// for stays as it is until it is written.
    pub(crate) fn common(self, other: &Self) -> Self {
        let same = |one: Kind, two: Kind, neither: Kind| if one == two { one } else { neither };
        Self {
            name: self.name,
            tags: self.tags.or(other.tags),
            shifts: self.shifts && other.shifts,
            packed: self.packed && other.packed,
            histogram: same(self.histogram, other.histogram, Kind::Histogram),
            distribution: same(self.distribution, other.distribution, Kind::Distribution),
            negative_histograms: self.negative_histograms && other.negative_histograms,
            multiplies: self.multiplies || other.multiplies,
            // Of two sets the larger one holds the other, as a test shows.
            reserved: if self.reserved.len() < other.reserved.len() { other.reserved } else { self.reserved },
        }
    }

    /// What a metric of `kind` is sent as.
    pub fn kind(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Histogram => self.histogram,
            Kind::Distribution => self.distribution,
            other => other,
        }
    }

    /// The least rate of a line of `kind`, as it is sent.
    pub fn least_rate(&self, kind: Kind) -> Rate {
        if self.multiplied(kind) { LEAST_MULTIPLIED } else { LEAST_DIVISOR }
    }

    /// Whether the daemon takes one sampled line of `kind`, as it is sent, for many.
    pub fn multiplied(&self, kind: Kind) -> bool {
        self.multiplies && matches!(kind, Kind::Timing | Kind::Histogram | Kind::Distribution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_dialects_have_in_common_is_sound_for_both() {
        for one in DIALECTS {
            for two in DIALECTS {
                let common = one.common(two);
                for dialect in [one, two] {
                    assert!(dialect.reserved.iter().all(|byte| common.reserved.contains(byte)));
                    assert!(dialect.shifts || !common.shifts);
                    assert!(dialect.packed || !common.packed);
                    assert!(dialect.negative_histograms || !common.negative_histograms);
                    for kind in [Kind::Count, Kind::Gauge, Kind::Timing, Kind::Set, Kind::Histogram, Kind::Distribution]
                    {
                        // The writer makes of it what the dialect alone would have made.
                        assert_eq!(dialect.kind(common.kind(kind)), dialect.kind(kind), "{} {}", one.name, two.name);
                        assert!(common.multiplied(common.kind(kind)) || !dialect.multiplied(dialect.kind(kind)));
                    }
                }
            }
        }
    }
}
