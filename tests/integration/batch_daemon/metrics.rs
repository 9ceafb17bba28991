//! A thousand metrics of all types, their text in each format, and their totals.

use serde_json::{Value, json};

use crate::support::client::post;
use crate::support::request::json as json_request;

/// The effect of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Count,
    Gauge,
    Shift,
    Timing,
    Set,
}

/// A metric, with its value as decimal text.
#[derive(Clone, Debug)]
pub struct Metric {
    kind: Kind,
    name: String,
    value: String,
    tag: Option<(&'static str, String)>,
}

/// A thousand metrics. Their order matters: gauges are set, shifted and set again.
pub fn all() -> Vec<Metric> {
    let metric = |i: i64| {
        let (kind, name, value) = match i % 8 {
            0 => (Kind::Count, "hits".to_owned(), format!("{}.{}", i % 7, i % 90)),
            1 => (Kind::Count, format!("minus.{}", i % 5), format!("-{}", i % 11)),
            2 => (Kind::Gauge, format!("level.{}", i % 5), format!("{}.5", i % 13)),
            3 => (Kind::Shift, format!("level.{}", i % 3), format!("{}", i % 6 - 3)),
            4 => (Kind::Gauge, format!("level.{}", i % 4), format!("-{}.25", 1 + i % 9)),
            5 => (Kind::Timing, "load".to_owned(), format!("{}.125", i)),
            6 => (Kind::Set, "users".to_owned(), format!("{}", i % 77)),
            _ => (Kind::Count, "one".to_owned(), "1".to_owned()),
        };
        let tag = (i % 3 == 0).then(|| ("shard", format!("s{}", i % 4)));
        Metric { kind, name, value, tag }
    };
    (0..1000).map(metric).collect()
}

impl Metric {
    /// The lines for StatsD: a sign makes a gauge's value a shift, so a negative gauge is set to 0 first.
    pub fn line(&self) -> String {
        let Self { kind, name, value, tag } = self;
        let tags = tag.as_ref().map(|(key, value)| format!("|#{key}:{value}")).unwrap_or_default();
        match kind {
            Kind::Count => format!("{name}:{value}|c{tags}"),
            Kind::Gauge if value.starts_with('-') => format!("{name}:0|g{tags}\n{name}:{value}|g{tags}"),
            Kind::Gauge => format!("{name}:{value}|g{tags}"),
            Kind::Shift if value.starts_with('-') => format!("{name}:{value}|g{tags}"),
            Kind::Shift => format!("{name}:+{value}|g{tags}"),
            Kind::Timing => format!("{name}:{value}|ms{tags}"),
            Kind::Set => format!("{name}:{value}|s{tags}"),
        }
    }

    /// The element of a JSON batch.
    pub fn object(&self) -> String {
        let kind = match self.kind {
            Kind::Count => "count",
            Kind::Gauge | Kind::Shift => "gauge",
            Kind::Timing => "timing",
            Kind::Set => "set",
        };
        format!(r#"{{"metric":"{}","type":"{kind}",{}}}"#, self.name, self.members())
    }

    /// A request for this metric alone: a form, or JSON if it has tags.
    pub fn request(&self) -> Vec<u8> {
        let resource = match self.kind {
            Kind::Count => "count",
            Kind::Gauge | Kind::Shift => "gauge",
            Kind::Timing => "timing",
            Kind::Set => "set",
        };
        let path = format!("/{resource}/{}", self.name);
        match self.tag {
            Some(_) => json_request(&path, &format!("{{{}}}", self.members())),
            None => post(&path, &format!("{}={}", self.parameter(), self.value)).into_bytes(),
        }
    }

    fn parameter(&self) -> &'static str {
        match self.kind {
            Kind::Shift => "shift",
            Kind::Timing => "time",
            Kind::Count | Kind::Gauge | Kind::Set => "value",
        }
    }

    fn members(&self) -> String {
        let tags = self.tag.as_ref().map(|(key, value)| format!(r#","tags":{{"{key}":"{value}"}}"#));
        format!(r#""{}":{}{}"#, self.parameter(), self.value, tags.unwrap_or_default())
    }
}

/// The metrics that StatsD must then have, in the form of [`super::totals`].
pub fn expected(metrics: &[Metric]) -> Value {
    let mut held = json!({"counters": {}, "gauges": {}, "timers": {}, "sets": {}});
    for Metric { kind, name, value, tag } in metrics {
        // StatsD appends tags to the name.
        let key = tag.as_ref().map_or(name.clone(), |(tag, value)| format!("{name};{tag}={value}"));
        let number: f64 = value.parse().expect("a decimal");
        match kind {
            Kind::Count => held["counters"][&key] = json!(held["counters"][&key].as_f64().unwrap_or(0.0) + number),
            Kind::Gauge => held["gauges"][&key] = json!(number),
            Kind::Shift => held["gauges"][&key] = json!(held["gauges"][&key].as_f64().unwrap_or(0.0) + number),
            Kind::Timing => push(&mut held["timers"][&key], json!(number)),
            Kind::Set if held["sets"][&key].as_array().is_some_and(|set| set.contains(&json!(value))) => {}
            Kind::Set => push(&mut held["sets"][&key], json!(value)),
        }
    }
    super::sort(&mut held);
    held
}

fn push(list: &mut Value, value: Value) {
    match list {
        Value::Array(list) => list.push(value),
        other => *other = json!([value]),
    }
}
