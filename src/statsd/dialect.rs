//! The dialects of StatsD, one row for each kind of daemon.
//!
//! Read in the daemons' sources: etsy's StatsD 0.9 (`stats.js`), Telegraf (`plugins/inputs/statsd`), gostatsd
//! (`internal/lexer`, `metric_map.go`), statsd_exporter (`pkg/line`), the Datadog agent (`pkg/metrics`,
//! `pkg/util/quantile`) with Datadog's description of DogStatsD datagrams, collectd (`src/statsd.c`), statsite
//! (`src/conn_handler.c`, `src/timer.c`) and netdata (`statsd.plugin`). `docs/dialects.md` shows this table to people,
//! and a test holds each of its cells.

use crate::metric::{Kind, Rate};

/// The least rate by which a daemon divides: that of a counter, and of a timing where the daemon keeps a count beside
/// the value. A client that sends fewer than one of a million has made a mistake, or wants a counter to overflow.
const LEAST_DIVISOR: Rate = Rate::one_of(1_000_000);

/// The least rate of a timing where the daemon stores the value `1 / rate` times. A line of a lower rate would block
/// the daemon for as long as a whole batch does, and one of a billionth would crash it.
const LEAST_MULTIPLIED: Rate = Rate::one_of(1000);

/// The syntax of tags in a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TagStyle {
    /// True if tags follow the name, before its colon; otherwise they end the line.
    pub in_name: bool,
    /// The text before the first tag.
    pub open: &'static str,
    /// The byte between key and value.
    pub pair: u8,
    /// The text after the last tag.
    pub close: &'static str,
    /// True if a tag may lack a value. Otherwise it gets the value `true`, as Telegraf reads it.
    pub bare: bool,
    /// True if a value may contain colons.
    pub colons: bool,
}

/// One dialect.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Its name on the command line.
    pub name: &'static str,
    /// The syntax of tags. `None` drops all tags, the server's own included.
    pub tags: Option<TagStyle>,
    /// True if a signed gauge is a shift. A negative value is then sent as `0` and a shift. Otherwise a negative value
    /// is sent unchanged, and a shift is refused.
    pub shifts: bool,
    /// True if a line may contain several values; otherwise each is sent as a line.
    pub packed: bool,
    /// The kind in which a histogram is sent.
    pub histogram: Kind,
    /// The kind in which a distribution is sent.
    pub distribution: Kind,
    /// True if the daemon accepts negative histograms and distributions. No daemon accepts negative timings.
    pub negative_histograms: bool,
    /// True if a daemon of this dialect adds the value of a sampled timing, histogram or distribution `1 / rate` times,
    /// one by one.
    pub multiplies: bool,
    /// Bytes that a name may not contain, because the daemon would read the text after them as tags.
    pub reserved: &'static [u8],
}

/// The value of a tag without one, where the daemon needs a value.
pub const PRESENT: &str = "true";

const DOGSTATSD_TAGS: TagStyle =
    TagStyle { in_name: false, open: "|#", pair: b':', close: "", bare: true, colons: true };

const fn in_name(open: &'static str, close: &'static str) -> TagStyle {
    TagStyle { in_name: true, open, pair: b'=', close, bare: false, colons: false }
}

/// etsy's StatsD, and the daemons that read the same lines.
const STATSD: Dialect = Dialect {
    name: "statsd",
    // StatsD converts tags to `;k=v` at the end of the name for Graphite, which requires values.
    tags: Some(TagStyle { bare: false, colons: false, ..DOGSTATSD_TAGS }),
    shifts: true,
    packed: false,
    // StatsD would count them.
    histogram: Kind::Timing,
    distribution: Kind::Timing,
    negative_histograms: false,
    // StatsD only counts (`timer_counters`), but statsd_exporter reads this dialect too: `multiplyEvents` in
    // `pkg/line/line.go`.
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
    // A distribution, and a histogram that is copied to one, gets a bin for each 65,535 samples (`appendSafe` in
    // `pkg/util/quantile/bin.go`). All bins are made before those beyond the limit are dropped.
    multiplies: true,
    reserved: b"",
};

/// atlassian's gostatsd, which reads a histogram as a timer, and a distribution as an error. It keeps a count beside
/// the values (`SampledCount` in `metric_map.go`).
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

/// Telegraf by default, and statsd_exporter. The latter reads tags in names in every syntax.
const INFLUXDB: Dialect = Dialect { name: "influxdb", tags: Some(in_name(",", "")), reserved: b",#[]", ..TELEGRAF };

const LIBRATO: Dialect = Dialect { name: "librato", tags: Some(in_name("#", "")), ..INFLUXDB };

const SIGNALFX: Dialect = Dialect { name: "signalfx", tags: Some(in_name("[", "]")), ..INFLUXDB };

/// collectd and statsite, which drop a line with tags, and netdata, which ignores tags. All of them that support
/// histograms read them as timings. netdata stores the value of a timing `1 / rate` times, at most 100
/// (`statsd_process_histogram_or_timer` in `statsd.c`); the others divide.
const PLAIN: Dialect = Dialect { name: "plain", tags: None, ..STATSD };

/// All dialects; the first is the default.
pub const DIALECTS: [&Dialect; 8] = [&STATSD, &DATADOG, &TELEGRAF, &INFLUXDB, &LIBRATO, &SIGNALFX, &GOSTATSD, &PLAIN];

impl Dialect {
    /// Finds a dialect by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALECTS.into_iter().find(|dialect| dialect.name == name)
    }

    /// The dialect of a metric that must be valid in both dialects. A kind that they send in different kinds stays as it is until
    /// it is written.
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

    /// The kind in which a metric of `kind` is sent.
    pub fn kind(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Histogram => self.histogram,
            Kind::Distribution => self.distribution,
            other => other,
        }
    }

    /// The least rate of a line of `kind`, the kind as sent.
    pub fn least_rate(&self, kind: Kind) -> Rate {
        if self.multiplied(kind) { LEAST_MULTIPLIED } else { LEAST_DIVISOR }
    }

    /// True if the daemon stores a sampled value of `kind`, the kind as sent, many times.
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
