//! Aggregates the lines of a flush interval as StatsD does: counters with rates, gauges, timers with percentiles, sets.
//! Totals since the start are kept too, so that a page that is opened later includes earlier metrics.
//!
//! The rules are those of etsy's StatsD (`stats.js`, `lib/process_metrics.js`). All state is bounded, because any
//! client may send: a line that would exceed a bound counts as a bad line.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde::Serialize;

/// Names of each kind: more than a page can show.
const MAX_NAMES: usize = 1000;

/// Bytes of a name with its tags. Every flush contains all names.
const MAX_NAME: usize = 512;

/// Values of all timers and members of all sets in one interval.
const MAX_VALUES: usize = 100_000;

/// Distinct members of all sets since the start. Further members count in their interval, but not in the total.
const MAX_MEMBERS: usize = 100_000;

/// The percentile that is reported, in per cent: StatsD's `percentThreshold`.
const PERCENT: f64 = 90.0;

/// The metrics of an interval, and the totals since the start.
#[derive(Debug, Default)]
pub(crate) struct Aggregator {
    counters: BTreeMap<String, Count>,
    gauges: BTreeMap<String, f64>,
    timers: BTreeMap<String, Timings>,
    sets: BTreeMap<String, Members>,
    hasher: RandomState,
    /// Values and members in this interval.
    values: usize,
    /// Members of all sets since the start.
    members: usize,
    lines: u64,
    bad_lines: u64,
}

#[derive(Debug, Default)]
struct Count {
    value: f64,
    /// Since the start, including `value`.
    total: f64,
}

#[derive(Debug, Default)]
struct Timings {
    values: Vec<f64>,
    /// Number of values before sampling.
    count: f64,
    /// Number of values since the start, including `count`.
    total: f64,
    /// The summary of the last interval that had values.
    last: Option<Summary>,
}

/// The members of a set, as hashes, because members may be long.
#[derive(Debug, Default)]
struct Members {
    now: BTreeSet<u64>,
    /// Since the start, including `now`, up to the bound.
    all: BTreeSet<u64>,
}

/// The event of a flush.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flush<'a> {
    /// Time of the flush, in milliseconds since 1970.
    pub time: u64,
    counters: BTreeMap<&'a str, Counter>,
    gauges: BTreeMap<&'a str, f64>,
    timers: BTreeMap<&'a str, Timer>,
    sets: BTreeMap<&'a str, Set>,
    /// Since the start.
    lines: u64,
    /// Since the start.
    bad_lines: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Counter {
    value: f64,
    /// Per second.
    rate: f64,
    /// Since the start.
    total: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Set {
    value: usize,
    /// Since the start.
    total: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Timer {
    /// Since the start.
    total: f64,
    /// True if `summary` is of this interval; false if it is of an earlier one.
    fresh: bool,
    #[serde(flatten)]
    summary: Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Summary {
    count: f64,
    lower: f64,
    upper: f64,
    mean: f64,
    median: f64,
    upper_90: f64,
    mean_90: f64,
}

impl Aggregator {
    /// Adds one line. A line that StatsD calls bad is counted and ignored.
    pub(crate) fn take(&mut self, line: &str) {
        self.lines += 1;
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
            if !members.now.contains(&member) {
                count(&mut self.values)?;
                members.now.insert(member);
                if self.members < MAX_MEMBERS && members.all.insert(member) {
                    self.members += 1;
                }
            }
            return Some(());
        }
        // In some dialects a line packs several values, separated by colons.
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
                // A value with a sign is a shift, unless the gauge is 0.
                let shift = value.starts_with(['+', '-']) && *gauge != 0.0;
                *gauge = if shift { *gauge + number } else { number };
            }
            // Histograms and distributions exist in other dialects; the page shows them as timers.
            "ms" | "h" | "d" => {
                let timings = entry(&mut self.timers, key)?;
                if kind == "ms" && number < 0.0 {
                    return None;
                }
                count(&mut self.values)?;
                timings.values.push(number);
                timings.count += 1.0 / rate;
                timings.total += 1.0 / rate;
            }
            _ => {
                let counter = entry(&mut self.counters, key)?;
                counter.value += number / rate;
                counter.total += number / rate;
            }
        }
        Some(())
    }

    /// The metrics of the interval.
    pub(crate) fn flush(&mut self, time: u64, interval: Duration) -> Flush<'_> {
        self.timers.values_mut().for_each(Timings::settle);
        let seconds = interval.as_secs_f64();
        let counter = |Count { value, total }: &Count| Counter { value: *value, rate: *value / seconds, total: *total };
        Flush {
            time,
            counters: self.counters.iter().map(|(name, count)| (&**name, counter(count))).collect(),
            gauges: self.gauges.iter().map(|(name, value)| (&**name, *value)).collect(),
            timers: self.timers.iter().filter_map(|(name, timings)| Some((&**name, timings.timer()?))).collect(),
            sets: self.sets.iter().map(|(name, members)| (&**name, members.set())).collect(),
            lines: self.lines,
            bad_lines: self.bad_lines,
        }
    }

    /// Begins the next interval. Names and gauges are kept, as in StatsD, and so are totals.
    pub(crate) fn begin(&mut self) {
        self.counters.values_mut().for_each(|count| count.value = 0.0);
        self.timers.values_mut().for_each(Timings::begin);
        self.sets.values_mut().for_each(|members| members.now.clear());
        self.values = 0;
    }
}

/// The entry of `key`, which is created if the bounds allow it.
fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> Option<&'m mut V> {
    if key.len() > MAX_NAME || map.len() >= MAX_NAMES && !map.contains_key(key) {
        return None;
    }
    Some(map.entry(key.to_owned()).or_default())
}

/// Counts one more value, if the bound allows it.
fn count(values: &mut usize) -> Option<()> {
    *values = Some(*values + 1).filter(|values| *values <= MAX_VALUES)?;
    Some(())
}

impl Members {
    fn set(&self) -> Set {
        Set { value: self.now.len(), total: self.all.len() }
    }
}

impl Timings {
    /// `None` if there was never a value.
    fn timer(&self) -> Option<Timer> {
        Some(Timer { total: self.total, fresh: !self.values.is_empty(), summary: self.last? })
    }

    /// Computes the summary of the interval.
    fn settle(&mut self) {
        self.values.sort_by(f64::total_cmp);
        self.last = self.summary().or(self.last);
    }

    fn begin(&mut self) {
        self.settle();
        // A new vector releases the memory of an interval with many values.
        self.values = Vec::new();
        self.count = 0.0;
    }

    /// `values` must be sorted; `None` if empty.
    fn summary(&self) -> Option<Summary> {
        let values = &self.values;
        let (lower, upper) = (*values.first()?, *values.last()?);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        // StatsD rounds the index, so the percentile of a single value is that value.
        let within = ((PERCENT / 100.0 * values.len() as f64).round() as usize).max(1);
        let (upper_90, mean_90) = (values[within - 1], mean(&values[..within]));
        Some(Summary { count: self.count, lower, upper, mean: mean(values), median, upper_90, mean_90 })
    }
}

#[cfg(test)]
mod tests;
