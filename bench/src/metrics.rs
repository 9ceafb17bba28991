//! The metrics of batches, and their formats.

/// Metrics in a measured batch.
pub const PAGE: usize = 100;

/// Parts of a site, used in names.
const AREAS: [&str; 8] = ["catalogue", "checkout", "account", "search", "landing", "payment", "support", "newsletter"];

/// Metrics of one type: each of these names in each of the first `areas`.
struct Family {
    kind: Kind,
    names: &'static [&'static str],
    areas: usize,
    /// Maximum number of digits of the values.
    digits: u32,
}

/// 40 counts, 40 timings, 10 gauges and 10 sets.
const FAMILIES: [Family; 4] = [
    Family { kind: Kind::Count, names: &["clicks", "views", "errors", "submits", "impressions"], areas: 8, digits: 2 },
    Family { kind: Kind::Timing, names: &["load", "render", "fetch", "parse", "first_paint"], areas: 8, digits: 4 },
    Family { kind: Kind::Gauge, names: &["queue_length", "open_sessions"], areas: 5, digits: 5 },
    Family { kind: Kind::Set, names: &["visitors", "returning_users"], areas: 5, digits: 6 },
];

/// The type of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Count,
    Timing,
    Gauge,
    Set,
}

impl Kind {
    /// The type field of a StatsD line.
    fn field(self) -> &'static str {
        match self {
            Self::Count => "c",
            Self::Timing => "ms",
            Self::Gauge => "g",
            Self::Set => "s",
        }
    }

    /// The `type` of a JSON object.
    fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Timing => "timing",
            Self::Gauge => "gauge",
            Self::Set => "set",
        }
    }
}

/// A metric without tags and rate.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The name, without characters that JSON escapes.
    name: String,
    kind: Kind,
    value: u32,
}

impl Metric {
    /// The shortest metric: a batch can contain more of it than of any other.
    pub fn shortest() -> Self {
        Self { name: "a".to_owned(), kind: Kind::Count, value: 1 }
    }

    /// The line, without a final newline. The proxy sends this line for every format.
    pub fn line(&self) -> String {
        format!("{}:{}|{}", self.name, self.value, self.kind.field())
    }

    /// The object, in the format of `JSON.stringify`.
    pub fn json(&self) -> String {
        format!(r#"{{"metric":"{}","type":"{}","value":{}}}"#, self.name, self.kind.word(), self.value)
    }
}

/// The [`PAGE`] metrics that a page of a shop may send when it is left.
pub fn page() -> Vec<Metric> {
    let mut sorted = Vec::with_capacity(PAGE);
    for family in &FAMILIES {
        for area in &AREAS[..family.areas] {
            for name in family.names {
                let value = value(sorted.len() as u32, family.digits);
                sorted.push(Metric { name: format!("web.{area}.{name}"), kind: family.kind, value });
            }
        }
    }
    // Mixed as in reality: a run of one type would be easier for the proxy. 37 and 100 have no common divisor, so each
    // metric is used once.
    (0..sorted.len()).map(|index| sorted[index * 37 % sorted.len()].clone()).collect()
}

/// A number of 1 to `digits` digits, which depends on the index of the metric.
fn value(place: u32, digits: u32) -> u32 {
    let least = 10_u32.pow(place % digits);
    // A prime, so that numbers do not repeat with the same period as the digits.
    least + place * 7_919 % (9 * least)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_page_is_what_it_is_said_to_be() {
        let page = page();
        let of = |kind| page.iter().filter(|metric| metric.kind == kind).count();
        assert_eq!([Kind::Count, Kind::Timing, Kind::Gauge, Kind::Set].map(of), [40, 40, 10, 10]);
        assert_eq!(page.len(), PAGE);
        assert_eq!(page.iter().map(|metric| metric.name.as_str()).collect::<HashSet<_>>().len(), PAGE);
        for Metric { name, value, .. } in &page {
            assert!((15..=30).contains(&name.len()), "{name}");
            assert!((1..=6).contains(&value.to_string().len()), "{name}: {value}");
        }
    }

    #[test]
    fn values_have_all_lengths() {
        let lengths: HashSet<_> = (0..6).map(|place| value(place, 6).to_string().len()).collect();
        assert_eq!(lengths, HashSet::from([1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_metric_is_written_as_it_is_sent() {
        let metric = Metric { name: "web.page.load".to_owned(), kind: Kind::Timing, value: 123 };
        assert_eq!(metric.line(), "web.page.load:123|ms");
        assert_eq!(metric.json(), r#"{"metric":"web.page.load","type":"timing","value":123}"#);
        assert_eq!(Metric::shortest().line(), "a:1|c");
    }
}
