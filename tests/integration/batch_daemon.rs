//! Batches end to end: the totals in the real StatsD equal the sent metrics, for every client and format.

mod client;
mod metrics;

use serde_json::{Value, json};

use crate::support::client::{Client, post};
use crate::support::coding::gzip;
use crate::support::proxy::{Proxy, command};
use crate::support::request::{batch, request, typed_batch};
use crate::support::statsd::StatsD;

use metrics::{Metric, all, expected};

fn start(statsd: &StatsD, flags: &[&str]) -> Proxy {
    let port = format!("--statsd-port={}", statsd.port);
    let mut all = vec![port.as_str(), "--http-threads=1"];
    all.extend(flags);
    Proxy::start_with(&mut command(&all))
}

/// The metrics in StatsD, without its own counters, and with sorted lists.
fn totals(statsd: StatsD) -> Value {
    let mut held = statsd.end();
    assert_eq!(held["counters"]["statsd.bad_lines_seen"], json!(0));
    let counters = held["counters"].as_object_mut().expect("an object");
    counters.retain(|name, _| !name.starts_with("statsd.") && name != "sync");
    sort(&mut held);
    held
}

/// Sorts the lists of timers and sets, and converts all numbers to floats.
fn sort(held: &mut Value) {
    for kind in ["timers", "sets"] {
        for list in held[kind].as_object_mut().expect("an object").values_mut() {
            let list = list.as_array_mut().expect("a list");
            list.sort_by_key(|value| value.to_string());
        }
    }
    floats(held);
}

fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(list) => list.iter_mut().for_each(floats),
        Value::Object(object) => object.values_mut().for_each(floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Metrics between two waits for StatsD. Their small datagrams fit into the smallest default receive buffer.
const AHEAD: usize = 100;

/// Sends requests that must all be accepted, and compares the metrics in StatsD with the expected ones.
fn totals_are_right(requests: impl Fn(&[Metric]) -> Vec<Vec<u8>>) {
    let Some(statsd) = StatsD::start() else { return };
    let proxy = start(&statsd, &[]);
    let metrics = all();
    assert_eq!(metrics.len(), 1000);
    let mut client = Client::connect(proxy.address);
    for (i, some) in requests(&metrics).chunks(AHEAD).enumerate() {
        for request in some {
            let answer = client.send(request).answer();
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.is_empty() || answer.body.ends_with(r#""rejected":[]}"#), "{answer:?}");
        }
        assert_eq!(client.send(post("/count/sync", "value=1")).answer().status, 200);
        statsd.ask_until("counters", |counters| counters["sync"] == json!(i + 1));
    }
    assert_eq!(totals(statsd), expected(&metrics));
}

fn joined(metrics: &[Metric], text: impl Fn(&Metric) -> String, separator: &str) -> String {
    metrics.iter().map(text).collect::<Vec<_>>().join(separator)
}

fn lines(metrics: &[Metric]) -> String {
    joined(metrics, Metric::line, "\n")
}

fn array(metrics: &[Metric]) -> String {
    format!("[{}]", joined(metrics, Metric::object, ","))
}

fn ndjson(metrics: &[Metric]) -> String {
    joined(metrics, Metric::object, "\n")
}

fn compressed(content_type: &str, body: String) -> Vec<u8> {
    let headers = [&format!("Content-Type: {content_type}"), "Content-Encoding: gzip"];
    request("POST", "/batch", &headers, gzip(body))
}

#[test]
fn totals_of_lines_are_exact() {
    totals_are_right(|metrics| vec![batch(lines(metrics))]);
}

#[test]
fn totals_of_a_json_array_are_exact() {
    totals_are_right(|metrics| vec![typed_batch("application/json", array(metrics))]);
}

#[test]
fn totals_of_ndjson_are_exact() {
    totals_are_right(|metrics| vec![typed_batch("application/x-ndjson", ndjson(metrics))]);
}

#[test]
fn totals_of_compressed_lines_are_exact() {
    totals_are_right(|metrics| vec![compressed("text/plain", lines(metrics))]);
}

#[test]
fn totals_of_a_compressed_json_array_are_exact() {
    totals_are_right(|metrics| vec![compressed("application/json", array(metrics))]);
}

#[test]
fn totals_of_compressed_ndjson_are_exact() {
    totals_are_right(|metrics| vec![compressed("application/x-ndjson", ndjson(metrics))]);
}

#[test]
fn totals_of_single_metrics_are_exact() {
    totals_are_right(|metrics| metrics.iter().map(Metric::request).collect());
}

#[test]
fn statsd_scales_values_that_a_client_sampled() {
    let Some(statsd) = StatsD::start() else { return };
    let proxy = start(&statsd, &[]);
    proxy.expect(batch("hits:1|c|@0.5\n".repeat(100) + "hits:3|c|@0.25|#k:v\nlast:1|c"), 200);
    statsd.ask_until("counters", |counters| counters["last"] == json!(1));
    assert_eq!(totals(statsd)["counters"], json!({"hits": 200.0, "hits;k=v": 12.0, "last": 1.0}));
}

#[test]
fn statsd_survives_batches_of_the_names_that_crash_it() {
    let Some(mut statsd) = StatsD::start() else { return };
    let proxy = start(&statsd, &[]);
    for name in ["constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "to%String"] {
        for kind in ["c", "g", "ms", "s"] {
            proxy.expect(batch(format!("{name}:1|{kind}")), 400);
            proxy.expect(batch(format!(r#"[{{"metric":"{name}","type":"{kind}","value":1}}]"#)), 400);
        }
        proxy.expect(batch(format!("users:{name}|s")), 400);
    }
    proxy.expect(batch("last:1|c"), 200);
    statsd.ask_until("counters", |counters| counters["last"] == json!(1));
    assert!(statsd.is_running());
    assert_eq!(totals(statsd), json!({"counters": {"last": 1.0}, "gauges": {}, "timers": {}, "sets": {}}));
}
