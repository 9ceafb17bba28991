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
fn an_interval_is_aggregated_as_in_statsd() {
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
            "counters": {
                "hits": {"value": 5.0, "rate": 2.5, "total": 5.0},
                "hits;env=prod": {"value": 1.0, "rate": 0.5, "total": 1.0},
            },
            "gauges": {"below": -5.0, "level": 12.0},
            "timers": {"load": {"total": 4.0, "fresh": true, "count": 4.0, "lower": 10.0, "upper": 30.0, "mean": 20.0, "median": 20.0,
                "upper_90": 30.0, "mean_90": 20.0}},
            "sets": {"users": {"value": 2, "total": 2}},
            "lines": 14,
            "badLines": 0,
        })
    );
}

#[test]
fn the_next_interval_keeps_names_gauges_and_totals() {
    let mut aggregator = taken(&["hits:1|c", "hits:3|c|@0.5", "level:10|g", "load:30|ms|@0.5", "users:a|s"]);
    let timer = flush(&mut aggregator)["timers"]["load"].clone();
    aggregator.begin();
    // An interval without a flush: no page watches.
    aggregator.begin();
    let mut next = flush(&mut aggregator);
    assert_eq!(next["counters"]["hits"], json!({"value": 0.0, "rate": 0.0, "total": 7.0}));
    assert_eq!(next["gauges"]["level"], json!(10.0));
    assert_eq!(next["sets"]["users"], json!({"value": 0, "total": 1}));
    // The summary of the last interval with values, marked as not fresh.
    assert_eq!(next["timers"]["load"]["fresh"], json!(false));
    next["timers"]["load"]["fresh"] = json!(true);
    assert_eq!(next["timers"]["load"], timer);
    for line in ["hits:1|c", "load:10|ms", "users:a|s", "users:b|s"] {
        aggregator.take(line);
    }
    let last = flush(&mut aggregator);
    assert_eq!(last["counters"]["hits"], json!({"value": 1.0, "rate": 0.5, "total": 8.0}));
    assert_eq!(last["sets"]["users"], json!({"value": 2, "total": 2}));
    let load = &last["timers"]["load"];
    assert_eq!((&load["total"], &load["count"], &load["mean"]), (&json!(3.0), &json!(1.0), &json!(10.0)));
    assert_eq!(last["lines"], json!(9));
}

#[test]
fn totals_of_sets_have_a_common_bound() {
    let mut aggregator = Aggregator::default();
    for interval in 0..3 {
        for i in 0..MAX_MEMBERS / 2 {
            aggregator.take(&format!("s{}:{interval} {i}|s", i % 2));
        }
        let flushed = flush(&mut aggregator);
        assert_eq!(flushed["sets"]["s0"]["value"], json!(MAX_MEMBERS / 4));
        aggregator.begin();
    }
    let flushed = flush(&mut aggregator);
    assert_eq!(flushed["sets"]["s0"]["total"], json!(MAX_MEMBERS / 2));
    assert_eq!(flushed["sets"]["s1"]["total"], json!(MAX_MEMBERS / 2));
    assert_eq!(flushed["badLines"], json!(0));
}

#[test]
fn packed_values_and_types_of_other_dialects_are_read() {
    let mut aggregator = taken(&["hits:1:2|c|@0.5", "level:3:-1|g", "size:10:30|h", "time:4|d"]);
    let flushed = flush(&mut aggregator);
    assert_eq!(flushed["counters"]["hits"]["value"], json!(6.0));
    assert_eq!(flushed["gauges"]["level"], json!(2.0));
    assert_eq!(flushed["timers"]["size"]["mean"], json!(20.0));
    assert_eq!(flushed["timers"]["time"]["count"], json!(1.0));
    assert_eq!(flushed["badLines"], json!(0));
}

#[test]
fn percentiles_match_statsd() {
    let lines: Vec<String> = (1..=10).map(|i| format!("t:{i}|ms")).collect();
    let mut aggregator = taken(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let timer = &flush(&mut aggregator)["timers"]["t"];
    assert_eq!((&timer["upper_90"], &timer["mean_90"], &timer["median"]), (&json!(9.0), &json!(5.0), &json!(5.5)));
}

#[test]
fn bad_lines_are_counted_and_floods_are_bounded() {
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
    assert_eq!(flushed["sets"]["s"]["value"], json!(MAX_VALUES / 2));
    assert_eq!(flushed["timers"]["t"]["count"], json!((MAX_VALUES / 2) as f64));
    assert_eq!(flushed["badLines"], json!(MAX_NAMES + 1 + MAX_VALUES / 2));
    aggregator.begin();
    aggregator.take("t:1|ms");
    assert_eq!(flush(&mut aggregator)["timers"]["t"]["count"], json!(1.0));
}
