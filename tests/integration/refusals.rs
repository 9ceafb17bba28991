//! The log lines about refused requests, and about each request with `--verbose`.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::Command;

use rustix::process::Signal;

use crate::support::client::{Client, exchange, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::request::{batch, json};
use crate::support::token::{SECRET, token};

/// Refusals of every kind that needs no waiting, with their reasons in the log.
fn refused(token: &str) -> Vec<(Vec<u8>, u16, &'static str)> {
    let with = |request: Vec<u8>| -> Vec<u8> {
        let text = String::from_utf8(request).expect("text");
        text.replacen("\r\n", &format!("\r\nX-JWT-Token: {token}\r\n"), 1).into_bytes()
    };
    let long = "x".repeat(9000);
    vec![
        (post("/no/such/path", "").into_bytes(), 404, "not_found"),
        (b"DELETE /count/a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 405, "method_not_allowed"),
        (post("/count/a", "").into_bytes(), 401, "no_token"),
        (post("/count/a?token=forged.secret.thing", "").into_bytes(), 403, "bad_token"),
        (b"GET /heartbeat HTTP/1.1\r\n\r\n".to_vec(), 400, "bad_head"),
        (b"GET /heartbeat HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".to_vec(), 400, "bad_head"),
        (format!("GET /heartbeat HTTP/1.1\r\nHost: a\r\nX: {long}{long}\r\n\r\n").into_bytes(), 431, "head_too_large"),
        (
            with(b"POST /count/a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n".to_vec()),
            413,
            "body_too_large",
        ),
        (
            with(b"POST /count/a HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx".to_vec()),
            415,
            "unsupported_body",
        ),
        (
            with(b"POST /count/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
            400,
            "broken_body",
        ),
        (with(json("/count/a", "{\"value\":")), 400, "broken_body"),
        (with(post("/count/a", "value=x").into_bytes()), 400, "bad_metric"),
        (with(batch("nonsense")), 400, "bad_metric"),
    ]
}

/// The sum of all refusals in the log, by reason.
fn told(log: &[String]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in log {
        let Some((before, after)) = line.split_once(" requests refused: ") else { continue };
        let total: u64 = before.split_whitespace().last().and_then(|word| word.parse().ok()).expect("a total");
        let (reasons, most) = after.split_once("; most from ").expect("an address");
        assert_eq!(most, format!("127.0.0.1: {total}"), "{line}");
        let pairs = reasons.split(", ").map(|pair| pair.split_once(' ').expect("a count and a name"));
        let pairs: Vec<(u64, &str)> = pairs.map(|(count, name)| (count.parse().expect("a count"), name)).collect();
        assert!(pairs.is_sorted_by(|(a, _), (b, _)| a >= b), "the most frequent first: {line}");
        assert_eq!(pairs.iter().map(|(count, _)| count).sum::<u64>(), total, "{line}");
        for (count, name) in pairs {
            *sums.entry(name.to_owned()).or_default() += count;
        }
    }
    sums
}

#[test]
fn refusals_are_summed_up() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--jwt-secret", SECRET]);
    let mut expected = BTreeMap::new();
    let cases = refused(&token());
    for (request, status, name) in cases.iter().chain(&cases) {
        proxy.expect(request, *status);
        *expected.entry((*name).to_owned()).or_default() += 1;
    }
    proxy.wait_for_log("requests refused: ");
    // The last refusals are logged at the end.
    for _ in 0..500 {
        proxy.expect(post("/count/a", ""), 401);
    }
    *expected.entry("no_token".to_owned()).or_default() += 500;
    // A worker adds its refusals ten times a second.
    let all = format!(" {} requests refused", expected.values().sum::<u64>());
    loop {
        proxy.signal(Signal::USR1);
        if proxy.wait_for_log("SIGUSR1: ").contains(&all) {
            break;
        }
    }
    assert_eq!(proxy.stop().code(), Some(0));
    assert_eq!(told(&proxy.seen), expected);
    assert!(proxy.seen.iter().filter(|line| line.contains("requests refused: ")).count() >= 2, "{:?}", proxy.seen);
}

#[test]
fn without_a_refusal_there_is_no_line() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    proxy.expect(post("/count/a", ""), 200);
    assert_eq!(proxy.stop().code(), Some(0));
    assert!(!proxy.seen.iter().any(|line| line.contains("requests refused:")), "{:?}", proxy.seen);
}

#[test]
fn a_request_line_has_peer_bytes_time_and_reason() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--verbose", "--log-format=json", "--jwt-secret", SECRET]);
    let mut expected = Vec::new();
    for (request, status, reason) in refused(&token()) {
        let mut client = Client::connect(proxy.address);
        assert_eq!(client.send(request).answer().status, status);
        expected.push((client.stream().local_addr().expect("an address").to_string(), u64::from(status), reason));
    }
    let mut client = Client::connect(proxy.address);
    let peer = client.stream().local_addr().expect("an address").to_string();
    let request = post("/count/a", "value=12").replacen("\r\n", &format!("\r\nX-JWT-Token: {}\r\n", token()), 1);
    assert_eq!(client.send(request).answer().status, 200);
    assert_eq!(proxy.stop().code(), Some(0));
    let lines = proxy.seen.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let lines: Vec<serde_json::Value> = lines.filter(|line| line["message"] == "request").collect();
    for (peer, status, reason) in expected {
        let line = lines.iter().find(|line| line["peer"] == peer.as_str()).unwrap_or_else(|| panic!("none of {peer}"));
        assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(status), Some(reason)), "{line}");
    }
    let good = lines.iter().find(|line| line["peer"] == peer.as_str()).expect("the good one");
    assert_eq!((good["status"].as_u64(), good["bytes"].as_u64()), (Some(200), Some("value=12".len() as u64)));
    assert!(good["microseconds"].is_u64() && good.get("reason").is_none(), "{good}");
    assert!(!proxy.seen.iter().any(|line| line.contains("forged") || line.contains("token=")), "a query was logged");
}

#[test]
fn the_body_of_a_refused_request_is_discarded_and_its_bytes_are_logged() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--verbose", "--log-format=json"]);
    let mut client = Client::connect(proxy.address);
    for _ in 0..2 {
        let answer = client.send(post("/nope", "value=12")).answer();
        assert_eq!((answer.status, answer.closes()), (404, false));
    }
    assert_eq!(proxy.stop().code(), Some(0));
    let refused: Vec<&String> = proxy.seen.iter().filter(|line| line.contains("\"status\":404")).collect();
    assert_eq!(refused.len(), 2);
    for line in refused {
        assert!(line.contains("\"bytes\":8"), "{line}");
    }
}

/// Terminal escapes, line breaks, and characters that reorder or hide text.
#[test]
fn a_path_cannot_forge_a_log_line() {
    let bad =
        ["\u{202e}", "\u{2066}", "\u{200b}", "\u{85}", "\u{9b}31m", "\u{2028}", "\u{feff}", "\u{e0041}", "\u{7f}"];
    for format in ["text", "json"] {
        let receiver = Receiver::new();
        let mut proxy = Proxy::start(&receiver, &["--verbose", &format!("--log-format={format}")]);
        for character in bad {
            let mut client = Client::connect(proxy.address);
            client.send(post(&format!("/nothing/{character}x?token=hidden{character}"), "")).answer();
            client.send(post(&format!("/count/{character}x"), "value=bad"));
        }
        for escaped in ["%1B%5B31m", "%0A2026-01-01T00:00:00Z%20ERROR%20forged", "%E2%80%AE"] {
            proxy.expect(post(&format!("/nothing/{escaped}"), ""), 404);
        }
        assert_eq!(proxy.stop().code(), Some(0));
        assert!(proxy.seen.iter().filter(|line| line.contains("request")).count() >= bad.len(), "{:?}", proxy.seen);
        for line in &proxy.seen {
            assert!(line.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{format}: {line:?}");
            assert!(!line.contains("hidden"), "{line}");
            if format == "json" {
                serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            }
        }
    }
}

#[test]
fn a_refusal_counts_even_if_the_client_does_not_wait_for_it() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    for _ in 0..50 {
        let mut client = Client::connect(proxy.address);
        client.send(post("/nothing", "")).finish();
        let mut byte = [0];
        let _ = (&mut client.stream()).read(&mut byte);
    }
    assert_eq!(exchange(proxy.address, post("/nothing", "")).status, 404);
    assert_eq!(proxy.stop().code(), Some(0));
    assert_eq!(told(&proxy.seen), BTreeMap::from([("not_found".to_owned(), 51)]));
}

/// On a dual-stack socket, the log shows the IPv4 address of an IPv4 peer.
#[test]
fn peers_of_both_families_are_logged() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--http-host=", "--verbose"]);
    let port = proxy.address.port();
    for _ in 0..3 {
        assert_eq!(exchange(([127, 0, 0, 1], port).into(), post("/nothing", "")).status, 404);
    }
    proxy.wait_for_log("peer=127.0.0.1:");
    if proxy.address.is_ipv6() {
        assert_eq!(exchange(([0, 0, 0, 0, 0, 0, 0, 1], port).into(), post("/nothing", "")).status, 404);
        proxy.wait_for_log("peer=[::1]:");
    }
    assert_eq!(proxy.stop().code(), Some(0));
    assert!(proxy.seen.iter().any(|line| line.ends_with("; most from 127.0.0.1: 3")), "{:?}", proxy.seen);
}

#[test]
fn refusals_over_http2_have_their_peer_and_reason() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let cert = format!("--tls-cert={}", file("cert.pem", made.cert.pem()));
    let key = format!("--tls-key={}", file("key.pem", made.signing_key.serialize_pem()));
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--verbose", "--jwt-secret", SECRET, &cert, &key]);
    let url = format!("https://{}/nothing?token=hidden", proxy.address);
    let shown = "%{http_version} %{http_code}";
    let output = Command::new("curl").args(["-sk", "--http2", "-w", shown, "-o", "/dev/null", &url]).output();
    let output = output.expect("curl is there");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 404");
    let line = proxy.wait_for_log("status=404");
    for part in ["method=GET path=\"/nothing\" ", " peer=127.0.0.1:", " bytes=0 ", " reason=\"not_found\""] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(proxy.stop().code(), Some(0));
    assert_eq!(told(&proxy.seen), BTreeMap::from([("not_found".to_owned(), 1)]));
}

#[test]
fn a_client_that_leaves_within_a_body_is_not_a_refusal() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--verbose"]);
    for rest in ["Content-Length: 10\r\n\r\nvalue", "Transfer-Encoding: chunked\r\n\r\n5\r\nval"] {
        let mut client = Client::connect(proxy.address);
        client.send(format!("POST /count/left HTTP/1.1\r\nHost: localhost\r\n{rest}")).finish();
        proxy.wait_for_log("reason=\"client_left\"");
    }
    proxy.assert_sent(&receiver, &[]);
    assert!(proxy.stop().success());
    assert!(proxy.seen.iter().all(|line| !line.contains("requests refused")), "{:?}", proxy.seen);
}
