//! What StatsD makes of the lines of a flush interval: counters with rates, gauges, timers with percentiles, sets.
//!
//! After etsy's StatsD (`stats.js`, `lib/process_metrics.js`). Everything is bounded, since anybody may send: what goes
//! past a bound is counted as a bad line.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde::Serialize;

/// Names kept of a kind: more than a page can show.
const MAX_NAMES: usize = 1000;

/// Bytes of a name with its tags: all names are in every flush.
const MAX_NAME: usize = 512;

/// Values of all timers and members of all sets in one interval.
const MAX_VALUES: usize = 100_000;

/// The percentile that is reported, in per cent: StatsD's `percentThreshold`.
const PERCENT: f64 = 90.0;

/// The metrics of an interval, and what outlasts it.
#[derive(Debug, Default)]
pub struct Aggregator {
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
    timers: BTreeMap<String, Timings>,
    /// Hashes of the members, since those may be long.
    sets: BTreeMap<String, BTreeSet<u64>>,
    hasher: RandomState,
    /// Values and members in this interval.
    values: usize,
    bad_lines: u64,
}

#[derive(Debug, Default)]
struct Timings {
    values: Vec<f64>,
    /// How many there were before sampling.
    count: f64,
}

/// A flush.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flush<'a> {
    /// When, in milliseconds since 1970.
    pub time: u64,
    counters: BTreeMap<&'a str, Counter>,
    gauges: BTreeMap<&'a str, f64>,
    timers: BTreeMap<&'a str, Timer>,
    sets: BTreeMap<&'a str, usize>,
    bad_lines: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Counter {
    value: f64,
    /// For a second.
    rate: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Timer {
    count: f64,
    lower: f64,
    upper: f64,
    mean: f64,
    median: f64,
    upper_90: f64,
    mean_90: f64,
}

impl Aggregator {
    /// Takes one line. What StatsD would call a bad one is counted, and left.
    pub fn take(&mut self, line: &str) {
        if self.read(line).is_none() {
            self.bad_lines += 1;
        }
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (line, tags) = line.split_once("|#").unwrap_or((line, ""));
        let (name, rest) = line.split_once(':')?;
        let mut key = name.to_owned();
        for tag in tags.split(',').filter(|tag| !tag.is_empty()) {
            key.push(';');
            key.push_str(&tag.replacen(':', "=", 1));
        }
        let mut fields = rest.split('|');
        let (value, kind) = (fields.next()?, fields.next()?);
        let rate = match fields.next() {
            Some(rate) => rate.strip_prefix('@')?.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0)?,
            None => 1.0,
        };
        if kind == "s" {
            let member = self.hasher.hash_one(value);
            let members = entry(&mut self.sets, &key)?;
            if !members.contains(&member) {
                count(&mut self.values)?;
                members.insert(member);
            }
            return Some(());
        }
        // Several values of a line are packed with colons, where the dialect has that.
        let values: Option<Vec<(&str, f64)>> = value
            .split(':')
            .map(|value| Some((value, value.parse().ok().filter(|number: &f64| number.is_finite())?)))
            .collect();
        for (value, number) in values? {
            self.add(&key, kind, value, number, rate)?;
        }
        Some(())
    }

    fn add(&mut self, key: &str, kind: &str, value: &str, number: f64, rate: f64) -> Option<()> {
        match kind {
            "g" => {
                let gauge = entry(&mut self.gauges, key)?;
                // A sign makes it a shift, unless the gauge is 0.
                let shift = value.starts_with(['+', '-']) && *gauge != 0.0;
                *gauge = if shift { *gauge + number } else { number };
            }
            // Histograms and distributions are of other daemons, and drawn as timers.
            "ms" | "h" | "d" => {
                let timings = entry(&mut self.timers, key)?;
                if kind == "ms" && number < 0.0 {
                    return None;
                }
                count(&mut self.values)?;
                timings.values.push(number);
                timings.count += 1.0 / rate;
            }
            _ => *entry(&mut self.counters, key)? += number / rate,
        }
        Some(())
    }

    /// What the interval came to.
    pub fn flush(&mut self, time: u64, interval: Duration) -> Flush<'_> {
        for timings in self.timers.values_mut() {
            timings.values.sort_by(f64::total_cmp);
        }
        Flush {
            time,
            counters: self
                .counters
                .iter()
                .map(|(name, value)| (&**name, Counter { value: *value, rate: *value / interval.as_secs_f64() }))
                .collect(),
            gauges: self.gauges.iter().map(|(name, value)| (&**name, *value)).collect(),
            timers: self.timers.iter().filter_map(|(name, timings)| Some((&**name, timings.summary()?))).collect(),
            sets: self.sets.iter().map(|(name, members)| (&**name, members.len())).collect(),
            bad_lines: self.bad_lines,
        }
    }

    /// Begins the next interval. Names and gauges stay, as with StatsD.
    pub fn begin(&mut self) {
        self.counters.values_mut().for_each(|value| *value = 0.0);
        self.timers.values_mut().for_each(|timings| *timings = Timings::default());
        self.sets.values_mut().for_each(BTreeSet::clear);
        self.values = 0;
    }
}

/// The entry of `key`, if there is one or room for it.
fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> Option<&'m mut V> {
    if key.len() > MAX_NAME || map.len() >= MAX_NAMES && !map.contains_key(key) {
        return None;
    }
    Some(map.entry(key.to_owned()).or_default())
}

/// Counts one more value, if there is room for it.
fn count(values: &mut usize) -> Option<()> {
    *values = Some(*values + 1).filter(|values| *values <= MAX_VALUES)?;
    Some(())
}

impl Timings {
    /// Of sorted values; `None` of none.
    fn summary(&self) -> Option<Timer> {
        let values = &self.values;
        let (lower, upper) = (*values.first()?, *values.last()?);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        // StatsD rounds, so that of a single value it is that one.
        let within = ((PERCENT / 100.0 * values.len() as f64).round() as usize).max(1);
        let (upper_90, mean_90) = (values[within - 1], mean(&values[..within]));
        Some(Timer { count: self.count, lower, upper, mean: mean(values), median, upper_90, mean_90 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SECOND: Duration = Duration::from_secs(1);

    fn flush(aggregator: &mut Aggregator) -> Value {
        serde_json::to_value(aggregator.flush(7, SECOND * 2)).expect("JSON")
    }

    fn taken(lines: &[&str]) -> Aggregator {
        let mut aggregator = Aggregator::default();
        lines.iter().for_each(|line| aggregator.take(line));
        aggregator
    }

    #[test]
    fn an_interval_comes_to_what_statsd_makes_of_it() {
        let mut aggregator = taken(&[
            "hits:1|c",
            "hits:2|c|@0.5",
            "hits:1|c|#env:prod",
            "level:10|g",
            "level:+3|g",
            "level:-1|g",
            "below:0|g",
            "below:-5|g",
            "load:30|ms",
            "load:10|ms|@0.5",
            "load:20|ms",
            "users:a|s",
            "users:b|s",
            "users:a|s",
        ]);
        assert_eq!(
            flush(&mut aggregator),
            json!({
                "time": 7,
                "counters": {"hits": {"value": 5.0, "rate": 2.5}, "hits;env=prod": {"value": 1.0, "rate": 0.5}},
                "gauges": {"below": -5.0, "level": 12.0},
                "timers": {"load": {"count": 4.0, "lower": 10.0, "upper": 30.0, "mean": 20.0, "median": 20.0,
                    "upper_90": 30.0, "mean_90": 20.0}},
                "sets": {"users": 2},
                "badLines": 0,
            })
        );
    }

    #[test]
    fn the_next_interval_keeps_names_and_gauges() {
        let mut aggregator = taken(&["hits:1|c", "level:10|g", "load:30|ms", "users:a|s"]);
        aggregator.begin();
        let next = flush(&mut aggregator);
        assert_eq!(next["counters"]["hits"]["value"], json!(0.0));
        assert_eq!(next["gauges"]["level"], json!(10.0));
        assert_eq!((&next["timers"], &next["sets"]), (&json!({}), &json!({"users": 0})));
    }

    #[test]
    fn packed_values_and_types_of_other_daemons_are_read() {
        let mut aggregator = taken(&["hits:1:2|c|@0.5", "level:3:-1|g", "size:10:30|h", "time:4|d"]);
        let flushed = flush(&mut aggregator);
        assert_eq!(flushed["counters"]["hits"]["value"], json!(6.0));
        assert_eq!(flushed["gauges"]["level"], json!(2.0));
        assert_eq!(flushed["timers"]["size"]["mean"], json!(20.0));
        assert_eq!(flushed["timers"]["time"]["count"], json!(1.0));
        assert_eq!(flushed["badLines"], json!(0));
    }

    #[test]
    fn percentiles_are_those_of_statsd() {
        let lines: Vec<String> = (1..=10).map(|i| format!("t:{i}|ms")).collect();
        let mut aggregator = taken(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let timer = &flush(&mut aggregator)["timers"]["t"];
        assert_eq!((&timer["upper_90"], &timer["mean_90"], &timer["median"]), (&json!(9.0), &json!(5.0), &json!(5.5)));
    }

    #[test]
    fn bad_lines_are_counted_and_floods_bounded() {
        let mut aggregator = taken(&["x", "x:1", "x:y|c", "x:1|c|@0", "x:1|c|0.5", "x:-1|ms", "x:inf|g"]);
        assert_eq!(flush(&mut aggregator)["badLines"], json!(7));
        let mut aggregator = Aggregator::default();
        for i in 0..2 * MAX_NAMES {
            aggregator.take(&format!("n{i}:1|c"));
        }
        aggregator.take(&format!("{}:1|g", "n".repeat(MAX_NAME + 1)));
        for i in 0..MAX_VALUES {
            aggregator.take(&format!("s:{}|s", i % (MAX_VALUES / 2)));
            aggregator.take("t:1|ms");
        }
        let flushed = flush(&mut aggregator);
        assert_eq!(flushed["gauges"], json!({}));
        assert_eq!(flushed["counters"].as_object().map(|names| names.len()), Some(MAX_NAMES));
        assert_eq!(flushed["sets"]["s"], json!(MAX_VALUES / 2));
        assert_eq!(flushed["timers"]["t"]["count"], json!((MAX_VALUES / 2) as f64));
        assert_eq!(flushed["badLines"], json!(MAX_NAMES + 1 + MAX_VALUES / 2));
        aggregator.begin();
        aggregator.take("t:1|ms");
        assert_eq!(flush(&mut aggregator)["timers"]["t"]["count"], json!(1.0));
    }
}
