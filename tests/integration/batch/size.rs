//! Batches of thousands of metrics, up to the limit and above it, and other requests to the same worker meanwhile.

use std::time::Duration;

use socket2::SockRef;

use crate::support::client::{Client, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::request::{batch, chunked, typed_batch};

use super::{all_accepted, start};

const MIB: usize = 1024 * 1024;

/// Lines of exactly `len` bytes with their newlines. Most of each line is a container's id, which the proxy drops, so
/// that the rest of a batch of any size fits into every receive buffer.
fn padded_lines(count: usize, len: usize) -> String {
    let line = |i: usize| {
        let line = format!("n.{i}:1|c|c:");
        let pad = "x".repeat(len - 1 - line.len());
        line + &pad + "\n"
    };
    (0..count).map(line).collect()
}

/// The same as objects, with a separator.
fn padded_objects(count: usize, len: usize, separator: &str) -> String {
    let object = |i: usize| {
        let object = format!(r#"{{"metric":"n.{i}","type":"c","pad":""#);
        let pad = "x".repeat(len - separator.len() - 2 - object.len());
        object + &pad + "\"}"
    };
    (0..count).map(object).collect::<Vec<_>>().join(separator)
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("n.{i}:1|c")).collect()
}

fn assert_sent(proxy: &Proxy, receiver: &Receiver, expected: &[String]) {
    proxy.assert_sent(receiver, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Exactly a mebibyte in each format: 1,024 metrics of a kibibyte.
fn mebibytes() -> [Vec<u8>; 3] {
    let lines = padded_lines(1024, 1024);
    // Two brackets, and no comma after the last element: one byte of padding must be removed.
    let array = format!("[{}]", padded_objects(1024, 1024, ","));
    let array = array.replacen("\"pad\":\"x", "\"pad\":\"", 1);
    let ndjson = padded_objects(1024, 1024, "\n") + "\n";
    let bodies = [lines, array, ndjson].map(String::into_bytes);
    assert_eq!(bodies.each_ref().map(Vec::len), [MIB; 3]);
    bodies
}

#[test]
fn five_thousand_metrics_are_sent_in_order() {
    let (receiver, proxy) = start(&[]);
    let lines: String = numbered(5000).join("\n");
    let objects: Vec<String> = (0..5000).map(|i| format!(r#"{{"metric":"n.{i}","type":"c"}}"#)).collect();
    for request in [batch(lines), batch(format!("[{}]", objects.join(","))), batch(objects.join("\n"))] {
        assert_eq!(proxy.expect(request, 200).body, all_accepted(5000));
        assert_sent(&proxy, &receiver, &numbered(5000));
    }
}

#[test]
fn a_batch_of_exactly_a_mebibyte_is_accepted() {
    let (receiver, proxy) = start(&[]);
    for body in mebibytes() {
        for request in [batch(&body), chunked("POST", "/batch", &[], &body, 10_000)] {
            assert_eq!(proxy.expect(request, 200).body, all_accepted(1024));
            assert_sent(&proxy, &receiver, &numbered(1024));
        }
    }
}

#[test]
fn a_batch_one_byte_over_a_mebibyte_is_refused() {
    let (receiver, proxy) = start(&[]);
    for mut body in mebibytes() {
        body.push(b'\n');
        for request in [batch(&body), chunked("POST", "/batch", &[], &body, 10_000)] {
            let answer = proxy.expect(request, 413);
            assert_eq!(answer.body, "Request body too large\n");
            assert!(answer.closes());
        }
    }
    // No byte of the body is sent: the answer must not wait for it.
    proxy.expect("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n", 413);
    assert_sent(&proxy, &receiver, &[]);
}

#[test]
fn batches_and_single_metrics_have_separate_limits() {
    let form = |len: usize| post("/count/a", &format!("value=3&pad={}", "x".repeat(len - "value=3&pad=".len())));
    let lines = |len: usize| batch(format!("a:3|c{}", "\n".repeat(len - "a:3|c".len())));
    for (flags, single, many) in [
        (&["--http-max-body-size=100", "--http-max-batch-size=200"][..], 100, 200),
        (&["--http-max-body-size=200", "--http-max-batch-size=100"], 200, 100),
        (&["--http-max-body-size=100"], 100, MIB),
        (&["--http-max-batch-size=100"], 65_536, 100),
    ] {
        let (receiver, proxy) = start(flags);
        proxy.expect(form(single), 200);
        proxy.expect(form(single + 1), 413);
        proxy.expect(lines(many), 200);
        proxy.expect(lines(many + 1), 413);
        proxy.assert_sent(&receiver, &["a:3|c"; 2]);
    }
}

#[test]
fn packed_values_of_a_long_name_expand_to_64_kib_at_most() {
    let name = "k".repeat(4000);
    let line = format!("{name}:{}|c", vec!["1"; 2000].join(":"));
    for (flags, accepted) in [(&[][..], 16), (&["--metric-prefix=ten.bytes", "--statsd-tag=k=vvvvvvvvv"], 16)] {
        let (receiver, proxy) = start(flags);
        let told: Vec<String> = (accepted..accepted + 20)
            .map(|i| format!(r#"{{"index":{i},"error":"Too many values in one line"}}"#))
            .collect();
        let report = format!(r#"{{"accepted":{accepted},"rejected":[{}]}}"#, told.join(","));
        assert_eq!(proxy.expect(batch(&line), 200).body, report);
        proxy.expect(post("/count/last", ""), 200);
        let mut sent = Vec::new();
        while !sent.last().is_some_and(|line: &String| line.contains("last:1|c")) {
            sent.extend(receiver.next().lines().map(str::to_owned));
        }
        sent.pop();
        assert_eq!(sent.len(), accepted);
        assert!(sent.iter().all(|line| line.contains(&name)));
        assert!(sent.iter().map(String::len).sum::<usize>() <= 64 * 1024);
    }
}

#[test]
fn each_line_has_its_own_limit_for_packed_values() {
    let (receiver, proxy) = start(&[]);
    let line = format!("{}:{}|c", "k".repeat(4000), vec!["1"; 17].join(":"));
    let answer = proxy.expect(batch(format!("{line}\nn.0:1|c\n{line}\nn.1:1|c")), 200);
    let report = r#"{"accepted":34,"rejected":[{"index":16,"error":"Too many values in one line"},{"index":34,"error":"Too many values in one line"}]}"#;
    assert_eq!(answer.body, report);
    proxy.expect(post("/count/last", ""), 200);
    let short: Vec<String> = receiver.until("last:1|c").into_iter().filter(|line| line.len() < 4000).collect();
    assert_eq!(short, numbered(2));
}

#[test]
fn a_batch_is_sent_completely_if_its_client_closes_at_once() {
    let (receiver, proxy) = start(&[]);
    for body in mebibytes() {
        for request in [batch(&body), chunked("POST", "/batch", &[], &body, 10_000)] {
            let mut client = Client::connect(proxy.address);
            client.send(request);
            drop(client);
            let mut expected = numbered(1024);
            let last = expected.pop().expect("there are some");
            assert_eq!(receiver.until(&last), expected);
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_batch_is_sent_completely_if_its_connection_is_reset_meanwhile() {
    for (body, _) in long_batches() {
        let (receiver, proxy) = start(&["--http-max-batch-size=16777216"]);
        let mut client = Client::connect(proxy.address);
        client.send(batch(body));
        assert_eq!(receiver.next(), "first:1|c");
        SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).expect("TCP can be reset");
        drop(client);
        assert_eq!(receiver.until("last:1|c"), [] as [&str; 0]);
        proxy.assert_sent(&receiver, &[]);
    }
}

#[test]
fn a_connection_stays_open_after_batches_of_all_sizes() {
    let (receiver, proxy) = start(&[]);
    let mut client = Client::connect(proxy.address);
    let [lines, array, ndjson] = mebibytes();
    for body in [b"".as_slice(), b"a:1|c", &lines, b"bad", &array, b"[1", &ndjson] {
        let answer = client.send(batch(body)).answer();
        assert!(matches!(answer.status, 200 | 400) && !answer.closes(), "{answer:?}");
        let answer = client.send(typed_batch("application/xml", "a:1|c")).answer();
        assert_eq!((answer.status, answer.closes()), (415, false));
    }
    let pipelined = [batch("b:1|c\nb:2|c"), post("/gauge/g", "value=3").into_bytes(), batch("[1"), batch("c:4|c")];
    client.send(pipelined.concat());
    assert_eq!([0; 4].map(|_| client.answer().status), [200, 200, 400, 200]);
    let numbers = numbered(1024);
    let mut expected: Vec<&str> = vec!["a:1|c"];
    (0..3).for_each(|_| expected.extend(numbers.iter().map(String::as_str)));
    expected.extend(["b:1|c", "b:2|c", "g:3|g", "c:4|c"]);
    proxy.assert_sent(&receiver, &expected);
}

/// Batches in each format that take some time, with a metric at each end, and the number of their metrics. The part
/// between costs time, and sends nothing that could overflow the receive buffer.
fn long_batches() -> [(String, usize); 3] {
    let objects = MIB / 16;
    let lines = format!("first:1|c\n{}last:1|c", "\n".repeat(4 * MIB));
    let [first, last] = ["first", "last"].map(|name| format!(r#"{{"metric":"{name}","type":"c"}}"#));
    let unsent = r#"{"metric":"x","type":"c","sampleRate":0}"#;
    let array = format!("[{first},{}{last}]", format!("{unsent},").repeat(objects));
    let ndjson = format!("{first}\n{}{last}", format!("{unsent}\n").repeat(objects));
    [(lines, 2), (array, objects + 2), (ndjson, objects + 2)]
}

#[test]
fn other_requests_do_not_wait_for_a_long_batch() {
    for (body, metrics) in long_batches() {
        let (receiver, proxy) = start(&["--http-max-batch-size=16777216"]);
        let mut other = Client::connect(proxy.address);
        let mut slow = Client::connect(proxy.address);
        slow.send(batch(body));
        assert_eq!(receiver.next(), "first:1|c", "what is taken leaves while the rest is read");
        assert_eq!(other.send(post("/count/other", "")).answer().status, 200);
        assert_eq!(receiver.until("last:1|c"), ["other:1|c"]);
        assert_eq!(slow.answer().body, all_accepted(metrics));
    }
}
