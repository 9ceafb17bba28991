//! Refused requests end like others: with an answer, and without a reset.

use std::io::Write;
use std::process::Command;

use crate::https::{Https, TlsClient, frame};

use super::{
    DATA, END_HEADERS, END_STREAM, FIRST_WINDOW, Frame, GOAWAY, HEADERS, RST_STREAM, WINDOW_UPDATE, Windows, field,
    literal, next_frame, open, post_to,
};

const SECRET: &str = "--jwt-secret=a secret of more than thirty-two bytes";

/// Bytes of a refused body that the proxy reads at most.
const MAX_DISCARDED_BYTES: usize = 65_536;

/// The frames of `stream` until it ends.
fn answer(client: &mut TlsClient, stream: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let frame = next_frame(client).expect("the connection stays");
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        if frame.stream == stream && frame.kind != WINDOW_UPDATE {
            let ends = frame.ends_stream() || frame.kind == RST_STREAM;
            frames.push(frame);
            if ends {
                return frames;
            }
        }
    }
}

/// Text of the DATA frames.
fn body(frames: &[Frame]) -> String {
    let data = frames.iter().filter(|frame| frame.kind == DATA).flat_map(|frame| frame.payload.clone()).collect();
    String::from_utf8(data).expect("answers are UTF-8")
}

/// Sends a PING, and returns the frames before its answer.
fn until_pong(client: &mut TlsClient) -> Vec<Frame> {
    client.write_all(&frame(6, 0, 0, b"12345678")).expect("the ping is taken");
    let mut frames = Vec::new();
    loop {
        let frame = next_frame(client).expect("the connection stays");
        if frame.kind == 6 && frame.payload == b"12345678" {
            return frames;
        }
        frames.push(frame);
    }
}

#[test]
fn a_refused_body_is_discarded_and_the_stream_is_not_reset() {
    let https = Https::start(&[SECRET]);
    let stream = 1;
    for (path, text) in
        [("/batch", "Token not specified\n"), ("/nope", "404 page not found\n"), ("/count/a", "Token not specified\n")]
    {
        let mut client = https.http2();
        client.write_all(&open(stream, &post_to(path))).expect("the head is taken");
        // The answer is sent at once, before the body.
        let frames = answer(&mut client, stream);
        assert_eq!(body(&frames), text);
        assert!(frames.iter().all(|frame| frame.kind != RST_STREAM), "{frames:?}");
        // The bytes that a client may send without waiting.
        let mut after = Windows::new(stream).send(&mut client, FIRST_WINDOW, true);
        after.extend(until_pong(&mut client));
        assert!(after.iter().all(|frame| ![RST_STREAM, GOAWAY].contains(&frame.kind)), "{after:?}");
    }
}

#[test]
fn a_body_that_no_one_asked_for_is_discarded_and_the_stream_is_not_reset() {
    let https = Https::start(&[SECRET]);
    let length = include_bytes!("../../../client/dist/statsd-http-proxy-client.min.js").len();
    for (method, path, status, bytes) in [
        ("GET", "/heartbeat", 200, 2),
        ("HEAD", "/heartbeat", 200, 0),
        ("GET", "/client.js", 200, length),
        ("OPTIONS", "/count/a", 204, 0),
        ("OPTIONS", "*", 204, 0),
    ] {
        // `:status 200` and `:status 204` are in the static table (RFC 7541 appendix A).
        let status = if status == 200 { 0x88 } else { 0x89 };
        let head = [&literal(2, method)[..], b"\x87", &literal(4, path), &literal(1, "localhost")].concat();
        for expectation in [vec![], field("expect", "100-continue")] {
            let mut client = https.http2();
            client.write_all(&open(1, &[head.clone(), expectation].concat())).expect("the head is taken");
            let frames = answer(&mut client, 1);
            assert_eq!((frames[0].payload[0], body(&frames).len()), (status, bytes), "{method} {path}: {frames:?}");
            assert!(frames.iter().all(|frame| frame.kind != RST_STREAM), "{method} {path}: {frames:?}");
            let mut after = Windows::new(1).send(&mut client, FIRST_WINDOW, true);
            after.extend(until_pong(&mut client));
            assert!(after.iter().all(|frame| ![RST_STREAM, GOAWAY].contains(&frame.kind)), "{after:?}");
        }
    }
}

#[test]
fn a_refused_body_is_discarded_up_to_a_limit() {
    let https = Https::start(&[SECRET]);
    let mut client = https.http2();
    client.write_all(&open(1, &post_to("/batch"))).expect("the head is taken");
    assert_eq!(body(&answer(&mut client, 1)), "Token not specified\n");
    let before = Windows::new(1).send(&mut client, MAX_DISCARDED_BYTES + 1, false);
    assert!(before.iter().all(|frame| ![RST_STREAM, GOAWAY].contains(&frame.kind)), "{before:?}");
    let reset = loop {
        let frame = next_frame(&mut client).expect("the connection stays");
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    // NO_ERROR means that the answer is valid (RFC 9113 section 8.1).
    assert_eq!((reset.stream, &reset.payload[..]), (1, &[0, 0, 0, 0][..]));
    // Other streams of the connection continue.
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &post_to("/nope"))).expect("the head is taken");
    assert_eq!(body(&answer(&mut client, 3)), "404 page not found\n");
}

#[test]
fn a_body_over_the_limit_is_refused_without_a_reset_if_it_is_short_enough() {
    let https = Https::start(&["--http-max-body-size=100"]);
    let mut client = https.http2();
    client.write_all(&open(1, &post_to("/count/a"))).expect("the head is taken");
    client.write_all(&frame(DATA, 0, 1, &[b'x'; 101])).expect("the body is taken");
    let frames = answer(&mut client, 1);
    assert_eq!(body(&frames), "Request body too large\n");
    client.write_all(&frame(DATA, END_STREAM, 1, &[b'x'; 10_000])).expect("the body is taken");
    let after = until_pong(&mut client);
    assert!(after.iter().all(|frame| frame.kind != RST_STREAM), "{after:?}");
    https.assert_sent(&[]);
}

#[test]
fn an_expectation_gets_its_100_or_the_answer_at_once() {
    let https = Https::start(&["--http-max-body-size=100"]);
    let mut client = https.http2();
    let expects = |path: &str| [post_to(path), field("expect", "100-continue")].concat();
    client.write_all(&open(1, &expects("/count/a"))).expect("the head is taken");
    let leave = loop {
        let frame = next_frame(&mut client).expect("the connection stays");
        if frame.stream == 1 && frame.kind == HEADERS {
            break frame;
        }
    };
    assert!(!leave.ends_stream() && leave.payload[0] != 0x88, "{leave:?}");
    client.write_all(&frame(DATA, END_STREAM, 1, b"value=7")).expect("the body is taken");
    let frames = answer(&mut client, 1);
    assert_eq!(frames[0].payload[0], 0x88, "{frames:?}");
    // A refused request gets no 100, and its answer at once.
    client.write_all(&open(3, &expects("/nope"))).expect("the head is taken");
    let frames = answer(&mut client, 3);
    assert_eq!(frames.iter().filter(|frame| frame.kind == HEADERS).count(), 1, "{frames:?}");
    assert_eq!(body(&frames), "404 page not found\n");
    // Content-Length exceeds the limit.
    let too_long = [expects("/count/a"), literal(0, "")].concat();
    drop(too_long);
    client.write_all(&open(5, &[expects("/count/a"), field("content-length", "101")].concat())).expect("taken");
    let frames = answer(&mut client, 5);
    assert_eq!(body(&frames), "Request body too large\n");
    https.assert_sent(&["a:7|c"]);
}

#[test]
fn a_head_that_http1_would_refuse_is_refused_here_too() {
    // The page of the demo is at `/`: a target without a path must not lead to it.
    let https = Https::start(&["--demo"]);
    let mut client = https.http2();
    let get = |path: &str| [b"\x82\x87", &literal(4, path)[..], &literal(1, "localhost")[..]].concat();
    let expects = |values: &[&str]| {
        let fields = values.iter().flat_map(|value| field("expect", value));
        [post_to("/count/a"), fields.collect()].concat()
    };
    for (index, (head, text)) in [
        (get("?x"), "Invalid request target specified\n"),
        (get("?"), "Invalid request target specified\n"),
        (get("?/heartbeat"), "Invalid request target specified\n"),
        (post_to("?value=1"), "Invalid request target specified\n"),
        (get("*"), "Invalid request target specified\n"),
        (expects(&["100-continue", "other"]), "Expectation not supported\n"),
        (expects(&["other", "100-continue"]), "Expectation not supported\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = 2 * index as u32 + 1;
        client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).expect("the head is taken");
        assert_eq!(body(&answer(&mut client, stream)), text, "{index}");
    }
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 99, &get("/heartbeat?x"))).expect("the head is taken");
    assert_eq!(body(&answer(&mut client, 99)), "OK");
}

#[test]
fn curl_shows_every_refusal() {
    let https = Https::start(&[SECRET]);
    let files = tempfile::tempdir().expect("a temporary directory");
    for (length, method, path, text) in [
        (20_000, "POST", "/batch", "Token not specified\n"),
        (60_000, "POST", "/count/a", "Token not specified\n"),
        (60_000, "POST", "/nope", "404 page not found\n"),
        (60_000, "GET", "/heartbeat", "OK"),
    ] {
        let data = files.path().join("body");
        std::fs::write(&data, "x".repeat(length)).expect("a file");
        for expect in ["Expect:", "Expect: 100-continue"] {
            for round in 0..10 {
                let output = Command::new("curl")
                    .args(["--silent", "--show-error", "--insecure", "--http2", "--max-time", "20"])
                    .args(["--request", method, "--header", expect, "--data-binary", &format!("@{}", data.display())])
                    .args(["--write-out", "%{http_version}"])
                    .arg(format!("https://{}{path}", https.proxy.address))
                    .output()
                    .expect("curl runs");
                let shown = String::from_utf8_lossy(&output.stdout);
                assert_eq!(shown, format!("{text}2"), "{method} {length} bytes, {expect}, round {round}: {output:?}");
            }
        }
    }
}
