//! End to end, with the real StatsD daemon: its metrics equal the sent ones.

use serde_json::json;

use crate::support::client::{Client, post};
use crate::support::proxy::{Proxy, command};
use crate::support::statsd::StatsD;

fn start(statsd: &StatsD) -> Proxy {
    let port = format!("--statsd-port={}", statsd.port);
    Proxy::start_with(&mut command(&[&port, "--http-threads=1", "--metric-prefix=web"]))
}

#[test]
fn statsd_has_all_sent_metrics() {
    let Some(statsd) = StatsD::start() else { return };
    let proxy = start(&statsd);
    let mut client = Client::connect(proxy.address);
    let mut expected = 0.0;
    for i in 0..1000 {
        let value = f64::from(i % 7) + 0.25;
        expected += value;
        assert_eq!(client.send(post("/count/hits", &format!("value={value}"))).answer().status, 200);
    }
    for (path, body) in [
        ("/count/minus", "value=-3"),
        ("/gauge/absolute", "value=42"),
        ("/gauge/shifted", "value=10"),
        ("/gauge/shifted", "shift=5"),
        ("/gauge/shifted", "shift=-1"),
        ("/gauge/plus", "value=%2B7"),
        ("/gauge/plus", "value=%2B7"),
        ("/gauge/negative", "value=100"),
        ("/gauge/negative", "value=-5"),
        ("/timing/load", "time=12.345"),
        ("/timing/load", "time=7"),
        ("/set/users", "value=1"),
        ("/count/with%20space", "value=1"),
        ("/count/%25", "value=1"),
        ("/count/last", "value=1"),
    ] {
        assert_eq!(client.send(post(path, body)).answer().status, 200, "{path} {body}");
    }
    let counters = statsd.ask_until("counters", |counters| counters["web.last"] == json!(1));
    assert_eq!(counters["web.hits"].as_f64(), Some(expected));
    assert_eq!(counters["web.minus"], json!(-3));
    assert_eq!(counters["web.with_space"], json!(1));
    assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
    assert_eq!(counters["statsd.metrics_received"], json!(1000 + 15 + 1), "one line more for the negative gauge");
    let gauges = statsd.ask("gauges");
    for (name, value) in [("absolute", 42), ("shifted", 14), ("plus", 7), ("negative", -5)] {
        assert_eq!(gauges[format!("web.{name}")], json!(value), "{name}");
    }
    assert_eq!(statsd.ask("timers")["web.load"], json!([12.345, 7]));
}

#[test]
fn statsd_scales_values_that_the_proxy_sampled() {
    let Some(statsd) = StatsD::start() else { return };
    let proxy = start(&statsd);
    let mut client = Client::connect(proxy.address);
    for _ in 0..2000 {
        assert_eq!(client.send(post("/count/sampled", "sampleRate=0.5")).answer().status, 200);
    }
    assert_eq!(client.send(post("/count/last", "")).answer().status, 200);
    let counters = statsd.ask_until("counters", |counters| counters["web.last"] == json!(1));
    let total = counters["web.sampled"].as_f64().expect("a number");
    // Each line counts twice, so totals are even; the range is ten standard deviations around 2000.
    assert!((1550.0..=2450.0).contains(&total) && total % 2.0 == 0.0, "{total}");
}

#[test]
fn statsd_survives_the_names_that_crash_it() {
    let Some(mut statsd) = StatsD::start() else { return };
    let port = format!("--statsd-port={}", statsd.port);
    let proxy = Proxy::start_with(&mut command(&[&port, "--http-threads=1"]));
    for key in ["constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "%20_proto_%20", "to%25String"] {
        for (resource, parameter) in [("count", "value"), ("gauge", "value"), ("timing", "time"), ("set", "value")] {
            proxy.expect(post(&format!("/{resource}/{key}"), &format!("{parameter}=1")), 400);
        }
    }
    proxy.expect(post("/count/last", ""), 200);
    statsd.ask_until("counters", |counters| counters["last"] == json!(1));
    assert!(statsd.is_running());
}
