//! Answers that a client does not read, and frames that it does not complete.

use std::io::Write;

use crate::https::{Https, TlsClient, frame, is_closed};
use crate::support::client::post;

use super::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, field, get, next_frame, open, post_to, text};

/// Memory limit of the proxy with 600 connections, in KiB: they take 45 MiB before they have sent anything.
const MAX_MEMORY_KIB: u64 = 80 * 1024;

/// A connection whose settings let the proxy send no byte of a body (SETTINGS_INITIAL_WINDOW_SIZE 0, RFC 9113 section
/// 6.5.2).
fn without_window(https: &Https) -> TlsClient {
    let mut client = https.connect(&["h2"]);
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the preface is taken");
    client.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).expect("the settings are taken");
    client
}

#[test]
fn an_answer_that_is_not_read_is_reset_in_time() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-write=1"]);
    let mut client = without_window(&https);
    let mut waiting = vec![1, 3, 5];
    for (stream, path) in [(1, "/nope"), (3, "/client.js"), (5, "/heartbeat")] {
        client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))).expect("taken");
    }
    while !waiting.is_empty() {
        let frame = next_frame(&mut client).expect("the connection stays");
        assert_ne!((frame.kind, frame.ends_stream()), (DATA, true), "{frame:?}");
        if frame.kind == RST_STREAM {
            assert_eq!(frame.payload, [0, 0, 0, 11], "ENHANCE_YOUR_CALM: {frame:?}");
            waiting.retain(|stream| *stream != frame.stream);
        }
    }
    // With a window, the next answer is sent.
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 7, &get("/nope"))).expect("taken");
    client.write_all(&frame(8, 0, 7, &100u32.to_be_bytes())).expect("taken");
    loop {
        let frame = next_frame(&mut client).expect("the connection stays");
        if frame.kind == DATA && frame.stream == 7 {
            assert_eq!(frame.payload, b"404 page not found\n");
            break;
        }
    }
}

#[test]
fn a_window_of_a_few_bytes_gets_the_answer_in_pieces() {
    let https = Https::start(&["--http-threads=2"]);
    let mut client = without_window(&https);
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/nope"))).expect("taken");
    let mut body = Vec::new();
    loop {
        client.write_all(&frame(8, 0, 1, &5u32.to_be_bytes())).expect("taken");
        let data = loop {
            let frame = next_frame(&mut client).expect("the connection stays");
            if frame.kind == DATA {
                break frame;
            }
        };
        assert!(data.payload.len() <= 5, "{data:?}");
        body.extend_from_slice(&data.payload);
        if data.ends_stream() {
            break;
        }
    }
    assert_eq!(body, b"404 page not found\n");
}

#[test]
fn answers_that_are_not_read_do_not_fill_the_memory() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-write=60"]);
    let requests: Vec<u8> =
        (0..64).flat_map(|i| frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, &get("/nope"))).collect();
    let crowd: Vec<TlsClient> = (0..600)
        .map(|_| {
            let mut client = without_window(&https);
            // The proxy may close the connection during this write.
            let _ = client.write_all(&requests);
            client
        })
        .collect();
    let mut good = https.connect(&["http/1.1"]);
    let answer = crate::https::one_request(&mut good, &post("/count/beside", ""));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    let peak = https.proxy.peak_memory_kib();
    println!("{} bytes on each of {} connections, peak {peak} KiB", requests.len(), crowd.len());
    assert!(peak < MAX_MEMORY_KIB, "{peak} KiB");
}

#[test]
fn incomplete_frames_have_the_read_deadline() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=1"]);
    let mut half_preface = https.connect(&["h2"]);
    half_preface.write_all(b"PRI * HTTP/2.0").expect("taken");
    let mut clients = vec![half_preface];
    let whole = open(1, &post_to("/batch"));
    let block = frame(HEADERS, 0, 1, &post_to("/batch"));
    let continued = [block.clone(), frame(9, 0, 1, &[0, 1, b'a', 1, b'b'])].concat();
    let data = [whole.clone(), frame(DATA, 0, 1, &[b'x'; 100])].concat();
    for bytes in [&whole[..4], &whole[..20], &block, &continued, &continued[..block.len() + 3], &data[..data.len() - 1]]
    {
        let mut client = https.http2();
        client.write_all(bytes).expect("taken");
        clients.push(client);
    }
    for client in &mut clients {
        assert!(is_closed(client));
    }
    https.assert_sent(&[]);
}

#[test]
fn a_request_in_a_partial_frame_is_answered_before_its_connection_is_closed() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=1"]);
    let mut client = https.http2();
    let data = frame(DATA, 0, 1, &[b'x'; 100]);
    client.write_all(&[open(1, &post_to("/batch")), data[..data.len() - 1].to_vec()].concat()).expect("taken");
    let answer = loop {
        let frame = next_frame(&mut client).expect("an answer before the end");
        if frame.kind == HEADERS && frame.stream == 1 {
            break frame;
        }
    };
    // `:status` with an indexed name (RFC 7541 appendix A), and the value as text.
    assert!(answer.payload.windows(3).any(|text| text == b"408") || answer.payload[0] == 0x48, "{answer:?}");
    assert!(is_closed(&mut client));
}

#[test]
fn heads_that_h2_refuses_count() {
    let mut https = Https::start(&["--http-threads=2"]);
    let mut client = https.http2();
    // 60 fields of the table, each indexed many times: more than 16 KiB as RFC 9113 section 6.5.2 counts them.
    let names: Vec<u8> = (0..60).flat_map(|i| [&[0x40][..], &text(&format!("x{i}")), &text("")].concat()).collect();
    let fields: Vec<u8> = (0..600).map(|i| 0x80 | (62 + (i % 60) as u8)).collect();
    let first = [post_to("/count/table"), names].concat();
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &first)).expect("taken");
    assert_eq!(https.receiver.next(), "table:1|c");
    // From here on the client knows the maximum number of requests.
    client.write_all(&frame(4, 1, 0, &[])).expect("taken");
    for i in 1..=20 {
        client.write_all(&open(2 * i + 1, &post_to("/batch"))).expect("taken");
    }
    for i in 21..=29 {
        let head = [post_to("/count/a"), fields.clone()].concat();
        // The proxy may have closed the connection.
        let _ = client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, &head));
    }
    let goaway = loop {
        let frame = next_frame(&mut client).expect("a GOAWAY before the end");
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(goaway.payload[7], 11, "ENHANCE_YOUR_CALM: {goaway:?}");
    let summary = https.proxy.wait_for_log("requests refused");
    assert!(summary.contains("9 head_too_large"), "{summary}");
}

#[test]
fn a_body_in_thousands_of_small_frames_is_accepted() {
    let https = Https::start(&["--http-threads=2"]);
    let mut client = https.http2();
    let lines = 3_000;
    client.write_all(&open(1, &[post_to("/batch"), field("content-type", "text/plain")].concat())).expect("taken");
    // A whole window at once: each frame has a line.
    let pieces: Vec<u8> = (0..lines).flat_map(|_| frame(DATA, 0, 1, b"small.n:1|c\n")).collect();
    client.write_all(&pieces).expect("taken");
    client.write_all(&frame(DATA, END_STREAM, 1, b"")).expect("taken");
    let mut body = Vec::new();
    loop {
        let frame = next_frame(&mut client).expect("the connection stays");
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        if frame.kind == DATA && frame.stream == 1 {
            body.extend_from_slice(&frame.payload);
            if frame.ends_stream() {
                break;
            }
        }
    }
    let text = String::from_utf8(body).expect("UTF-8");
    assert!(text.contains("\"accepted\":3000"), "{text}");
}
