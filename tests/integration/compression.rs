//! Compressed bodies: the supported codings, and the answers to damaged bodies.

mod bomb;
mod broken;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::io::Write;

use crate::support::client::Client;
use crate::support::coding::{gzip, raw_deflate, zlib};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::request::{chunked, request};

fn start(flags: &[&str]) -> (Receiver, Proxy) {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, flags);
    (receiver, proxy)
}

fn coded(path: &str, coding: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", path, &[&format!("Content-Encoding: {coding}")], body)
}

/// A body in each coding, under each of its names.
fn codings(body: &str) -> [(&'static str, Vec<u8>); 8] {
    [
        ("gzip", gzip(body)),
        ("x-gzip", gzip(body)),
        ("GZip", gzip(body)),
        ("deflate", zlib(body)),
        ("Deflate", zlib(body)),
        ("deflate", raw_deflate(body)),
        ("identity", body.into()),
        (" gzip ", gzip(body)),
    ]
}

#[test]
fn a_batch_may_be_compressed_in_each_coding() {
    let (receiver, proxy) = start(&[]);
    let array = r#"[{"metric":"a","type":"c"},{"metric":"b","type":"g","value":2}]"#;
    let ndjson = "{\"metric\":\"a\",\"type\":\"c\"}\n{\"metric\":\"b\",\"type\":\"g\",\"value\":2}\n";
    for body in ["a:1|c\nb:2|g\n", array, ndjson] {
        for (coding, bytes) in codings(body) {
            let answer = proxy.expect(coded("/batch", coding, &bytes), 200);
            assert_eq!(answer.body, r#"{"accepted":2,"rejected":[]}"#, "{coding}");
            assert!(!answer.closes());
            proxy.assert_sent(&receiver, &["a:1|c", "b:2|g"]);
        }
    }
}

#[test]
fn a_single_metric_may_be_compressed_in_each_coding() {
    let (receiver, proxy) = start(&[]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let json = "Content-Type: application/json";
    let multipart = "Content-Type: multipart/form-data; boundary=XX";
    let parts = "--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42\r\n--XX--\r\n";
    for (content_type, body) in [(form, "value=42"), (json, r#"{"value":42}"#), (multipart, parts)] {
        for (coding, bytes) in codings(body) {
            let headers = [content_type, &format!("Content-Encoding: {coding}")];
            proxy.expect(request("POST", "/count/a", &headers, &bytes), 200);
            proxy.assert_sent(&receiver, &["a:42|c"]);
        }
    }
}

#[test]
fn zero_bytes_are_an_empty_body_in_every_coding() {
    let (receiver, proxy) = start(&[]);
    for (coding, empty) in codings("") {
        for body in [&b""[..], &empty] {
            assert_eq!(proxy.expect(coded("/batch", coding, body), 200).body, r#"{"accepted":0,"rejected":[]}"#);
            proxy.expect(coded("/count/a", coding, body), 200);
            proxy.assert_sent(&receiver, &["a:1|c"]);
        }
    }
}

#[test]
fn the_optional_fields_of_gzip_are_skipped() {
    let (receiver, proxy) = start(&[]);
    let builder = || GzBuilder::new().filename("metrics.txt").comment("of today").extra(vec![7; 1000]).mtime(1);
    for mut encoder in
        [builder().write(Vec::new(), Compression::best()), GzEncoder::new(Vec::new(), Compression::none())]
    {
        encoder.write_all(b"a:1|c").expect("a Vec takes it");
        let body = encoder.finish().expect("a Vec takes it");
        proxy.expect(coded("/batch", "gzip", &body), 200);
        proxy.expect(chunked("POST", "/batch", &["Content-Encoding: gzip"], &body, 1), 200);
        proxy.assert_sent(&receiver, &["a:1|c"; 2]);
    }
}

#[test]
fn compressed_bodies_may_arrive_byte_by_byte() {
    let (receiver, proxy) = start(&[]);
    let lines: Vec<String> = (0..200).map(|i| format!("n.{i}:{}|c", i * 7919)).collect();
    let expected: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (coding, body) in codings(&lines.join("\n")) {
        let header = format!("Content-Encoding: {coding}");
        for size in [1, 2, 7] {
            proxy.expect(chunked("POST", "/batch", &[&header], &body, size), 200);
            proxy.assert_sent(&receiver, &expected);
        }
    }
    // So may the whole request: the client has set `TCP_NODELAY`, so each byte is a packet.
    let body = gzip("a:1|c");
    let mut client = Client::connect(proxy.address);
    for byte in coded("/batch", "gzip", body) {
        client.send([byte]);
    }
    assert_eq!(client.answer().status, 200);
    proxy.assert_sent(&receiver, &["a:1|c"]);
}

#[test]
fn the_limit_applies_before_and_after_decompression() {
    let (receiver, proxy) = start(&["--http-max-batch-size=1000", "--http-max-body-size=500"]);
    let lines = |len: usize| format!("a:1|c{}", "\n".repeat(len - 5));
    let form = |len: usize| format!("value=1&x={}", "x".repeat(len - 10));
    for ((coding, exact), (_, more)) in codings(&lines(1000)).into_iter().zip(codings(&lines(1001))) {
        proxy.expect(coded("/batch", coding, exact), 200);
        let answer = proxy.expect(coded("/batch", coding, &more), 413);
        assert_eq!(answer.body, "Request body too large\n", "{coding}");
        assert!(answer.closes());
        proxy.expect(chunked("POST", "/batch", &[&format!("Content-Encoding: {coding}")], more, 3), 413);
        proxy.assert_sent(&receiver, &["a:1|c"]);
    }
    for ((coding, exact), (_, more)) in codings(&form(500)).into_iter().zip(codings(&form(501))) {
        let form = "Content-Type: application/x-www-form-urlencoded";
        let headers = [form, &format!("Content-Encoding: {coding}")];
        proxy.expect(request("POST", "/count/a", &headers, exact), 200);
        proxy.expect(request("POST", "/count/a", &headers, more), 413);
        proxy.assert_sent(&receiver, &["a:1|c"]);
    }
    // Stored blocks: the compressed body is slightly longer than its 1,000 decompressed bytes.
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    stored.write_all(lines(1000).as_bytes()).expect("a Vec takes it");
    let stored = stored.finish().expect("a Vec takes it");
    proxy.expect(coded("/batch", "gzip", &stored), 413);
    proxy.expect(chunked("POST", "/batch", &["Content-Encoding: gzip"], &stored, 100), 413);
    proxy.assert_sent(&receiver, &[]);
}
