//! npm's `statsd-client`, which sends its lines as batches to a URL.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::client::post;
use crate::support::statsd::{StatsD, path};
use crate::support::token::{SECRET, token as good_token};

use super::{sort, start, totals};

/// Runs the client with `url`, and returns the metrics that StatsD must then have.
fn send(url: &str, token: &str) -> Value {
    let output = Command::new("node").arg(path("client.js")).args([url, token]).output().expect("node starts");
    assert!(output.status.success(), "{output:?}");
    let mut expected = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    sort(&mut expected);
    expected
}

/// Runs the client with a proxy with these flags, and returns the actual and the expected metrics of StatsD.
fn play(flags: &[&str], token: &str, path: &str, status: u16) -> Option<(Value, Value)> {
    let statsd = StatsD::start()?;
    let flags: Vec<&str> = flags.iter().copied().chain(["--verbose"]).collect();
    let mut proxy = start(&statsd, &flags);
    let expected = send(&format!("http://{}{path}", proxy.address), token);
    // The client ends after its last answer, so this metric follows all others.
    let last = post(&path.replace("/batch", "/count/sync"), "value=1");
    proxy.expect(last.replacen("\r\n", &format!("\r\nX-JWT-Token: {}\r\n", good_token()), 1), 200);
    statsd.ask_until("counters", |counters| counters["sync"] == json!(1));
    assert!(proxy.stop().success());
    let requests: Vec<&String> = proxy.seen.iter().filter(|line| line.contains("method=PUT")).collect();
    assert!(requests.len() >= 5, "the client had enough for several requests: {requests:?}");
    assert!(requests.iter().all(|line| line.contains(&format!("status={status}"))), "{requests:?}");
    Some((totals(statsd), expected))
}

#[test]
fn statsd_has_the_metrics_of_its_client_over_http() {
    let Some((held, expected)) = play(&[], "", "/batch", 200) else { return };
    assert_eq!(held, expected);
}

#[test]
fn statsd_has_the_metrics_of_its_client_with_a_token() {
    let Some((held, expected)) = play(&["--jwt-secret", SECRET], &good_token(), "/batch", 200) else { return };
    assert_eq!(held, expected);
}

#[test]
fn statsd_has_the_metrics_of_its_client_below_a_base_path() {
    let Some((held, expected)) = play(&["--http-base-path=/v1/in"], "", "/v1/in/batch", 200) else { return };
    assert_eq!(held, expected);
}

#[test]
fn statsd_gets_nothing_from_a_client_without_a_token() {
    let Some((held, _)) = play(&["--jwt-secret", SECRET], "", "/batch", 401) else { return };
    assert_eq!(held, json!({"counters": {}, "gauges": {}, "timers": {}, "sets": {}}));
}
