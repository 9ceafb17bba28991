//! Bodies that are designed to be expensive: the output is bounded, and the proxy still serves requests.

use std::collections::BTreeMap;

use crate::shapes::{Shape, random, worst};
use crate::support::client::post;
use crate::support::coding::gzip;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::request::{batch, request};

/// Small, so that twice the limit fits into every receive buffer.
const BATCH: usize = 32 * 1024;
const SINGLE: usize = 16 * 1024;

/// Posts `shapes`. Those with the same flags share a proxy.
fn assert_bounded(shapes: Vec<Shape>) {
    let mut by_flags: BTreeMap<Vec<String>, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        by_flags.entry(shape.flags()).or_default().push(shape);
    }
    for (mut flags, shapes) in by_flags {
        let receiver = Receiver::new();
        flags.extend([format!("--http-max-batch-size={BATCH}"), format!("--http-max-body-size={SINGLE}")]);
        let proxy = Proxy::start(&receiver, &flags.iter().map(String::as_str).collect::<Vec<_>>());
        for shape in shapes {
            let answer = crate::support::client::exchange(proxy.address, shape.request());
            assert!([200, 400, 413].contains(&answer.status), "{}: {answer:?}", shape.name);
            proxy.expect(post("/count/last", ""), 200);
            let (mut bytes, mut ended) = (0, false);
            while !ended {
                let datagram = receiver.next();
                // The marker may be in the last datagram.
                ended = datagram
                    .lines()
                    .last()
                    .is_some_and(|line| line.trim_start_matches("web.site.").starts_with("last"));
                bytes += datagram.len();
            }
            let marker = 600;
            assert!(bytes <= 2 * BATCH + marker, "{}: {bytes} bytes", shape.name);
            assert!(answer.status == 200 || bytes <= marker, "{}: a refusal sent {bytes} bytes", shape.name);
        }
    }
}

#[test]
fn no_worst_body_sends_more_than_twice_its_limit() {
    assert_bounded(worst(BATCH, SINGLE));
}

#[test]
fn no_random_body_sends_more_than_twice_its_limit() {
    assert_bounded((1000..1150).map(|seed| random(seed, BATCH)).collect());
}

#[test]
fn a_body_of_a_few_kilobytes_sends_no_more_than_its_limit_allows() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-max-batch-size=65536"]);
    // A kilobyte of gzip: lines with thirty values and a name of a kilobyte and a half.
    let line = format!("{}:{}|ms\n", "n.".repeat(750), vec!["1"; 30].join(":"));
    let body = gzip(line.repeat(40));
    assert!(body.len() < 1024, "{}", body.len());
    let answer = proxy.expect(request("POST", "/batch", &["Content-Encoding: gzip"], body), 200);
    assert!(answer.body.contains("Too many bytes of lines in one batch"), "{}", answer.body);
    proxy.expect(post("/count/last", ""), 200);
    let sent = receiver.until("last:1|c");
    let bytes: usize = sent.iter().map(|line| line.len() + 1).sum();
    assert!((2 * 65_536 - 2 * 8192..=2 * 65_536).contains(&bytes), "{bytes}");
}

#[test]
fn too_many_empty_blocks_are_refused() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    for shape in worst(256 * 1024, SINGLE).into_iter().filter(|shape| shape.name.starts_with("empty blocks")) {
        let answer = proxy.expect(shape.request(), 413);
        assert_eq!(answer.body, "Request body too large\n", "{}", shape.name);
    }
    // Hundreds of blocks are allowed: a client that flushes after each line makes two per line.
    for shape in worst(1400, SINGLE).into_iter().filter(|shape| shape.name.starts_with("empty blocks")) {
        proxy.expect(shape.request(), 200);
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_batch_with_many_rejections_keeps_its_accepted_metrics() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    for bad in ["bad\n", "1\n", "a:1|c|@0\n"] {
        let answer = proxy.expect(batch(format!("first:1|c\n{}after:1|c\n", bad.repeat(1000))), 200);
        assert!(answer.body.starts_with(r#"{"accepted":1,"rejected":[{"index":1,"#), "{}", answer.body);
        proxy.assert_sent(&receiver, &["first:1|c"]);
    }
}

#[test]
fn no_line_makes_a_daemon_multiply_without_limit() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let refused = r#"{"accepted":0,"rejected":[{"index":0,"error":"Invalid sample rate specified"}]}"#;
    for line in ["t:1|ms|@0.000000001", "t:1|h|@1e-9", "t:1:2|d|@0.0001", "t:1|ms@0.0009", "c:1|c|@0.0000001"] {
        assert_eq!(proxy.expect(batch(line), 400).body, refused, "{line}");
    }
    // 1,000 packed values at the minimum rate: a million samples in two kilobytes.
    let packed = format!("t:{}|ms|@0.001", vec!["1"; 1000].join(":"));
    let answer = proxy.expect(batch(&packed), 200);
    assert!(answer.body.contains("Too many samples in one batch"), "{}", answer.body);
    proxy.expect(post("/count/last", ""), 200);
    let sent = receiver.until("last:1|c");
    assert!(sent.len() * 1000 <= 100 * packed.len(), "{}", sent.len());
    assert!(sent.iter().all(|line| line == "t:1|ms|@0.001"));
}

#[test]
fn a_client_cannot_change_the_daemons_own_counters() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let refused = r#"{"accepted":0,"rejected":[{"index":0,"error":"Invalid key specified"}]}"#;
    for name in ["statsd.bad_lines_seen", "stat%sd.packets_received", "statsd."] {
        assert_eq!(proxy.expect(batch(format!("{name}:1|c")), 400).body, refused, "{name}");
        assert_eq!(proxy.expect(batch(format!(r#"[{{"metric":"{name}","type":"c"}}]"#)), 400).body, refused, "{name}");
        let path = format!("/count/{}", name.replace('%', "%25"));
        assert_eq!(proxy.expect(post(&path, ""), 400).body, "Invalid key specified\n", "{name}");
    }
    proxy.expect(post("/count/statsd", ""), 200);
    proxy.assert_sent(&receiver, &["statsd:1|c"]);
    let proxy = Proxy::start(&receiver, &["--metric-prefix=web"]);
    proxy.expect(post("/count/statsd.x", ""), 200);
    assert_eq!(receiver.next(), "web.statsd.x:1|c");
}

#[test]
fn numbers_in_lines_may_have_exponents() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let lines = "g:1e-07|g\nt:2.5e+2|ms|@1e-03\nc:1E3|c\np:1e1:2|ms\ng:-1e-2|g\nm:1e5|s\n";
    assert_eq!(proxy.expect(batch(lines), 200).body, r#"{"accepted":7,"rejected":[]}"#);
    let expected = ["g:0.0000001|g", "t:250|ms|@0.001", "c:1000|c", "p:10|ms", "p:2|ms", "g:-0.01|g", "m:1e5|s"];
    proxy.assert_sent(&receiver, &expected);
    let json = r#"[{"metric":"g","type":"g","value":1e-07},{"metric":"t","type":"ms","value":2.5E+2}]"#;
    proxy.expect(batch(json), 200);
    proxy.assert_sent(&receiver, &["g:0.0000001|g", "t:250|ms"]);
}

#[test]
fn the_newline_at_the_end_of_a_form_is_ignored() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    for body in ["value=7\n", "value=7\r\n", "value=7"] {
        proxy.expect(post("/count/a", body), 200);
        proxy.expect(request("POST", "/set/s", &[], body), 200);
        proxy.expect(request("POST", "/gauge/g", &["Content-Type: text/plain"], body), 200);
        proxy.assert_sent(&receiver, &["a:7|c", "s:7|s", "g:7|g"]);
        let part = format!("--X\r\nContent-Disposition: form-data; name=\"time\"\r\n\r\n{}\r\n--X--\r\n", &body[6..]);
        proxy.expect(request("POST", "/timing/t", &["Content-Type: multipart/form-data; boundary=X"], part), 200);
        proxy.assert_sent(&receiver, &["t:7|ms"]);
    }
    for body in ["value=7\n\n", "value=7%0A", "value=7\n&x=1"] {
        assert_eq!(proxy.expect(post("/count/a", body), 400).body, "Invalid value specified\n", "{body:?}");
    }
    proxy.assert_sent(&receiver, &[]);
}
