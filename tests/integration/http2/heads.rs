//! Heads whose memory is much larger than their bytes on the wire.

use std::io::Write;
use std::time::Instant;

use crate::https::{Https, TlsClient, frame};
use crate::support::PATIENCE;
use crate::support::client::post;

use super::{DATA, END_HEADERS, HEADERS, field, literal, next_frame, open, post_to, text};

/// Connections of the attack.
const CROWD: usize = 600;

/// Requests under way that a connection may have.
const STREAMS: u32 = 64;

/// The most memory that the proxy may take, in KiB.
const MAX_MEMORY_KIB: u64 = 120 * 1024;

/// Fields that are added to the dynamic table once, with incremental indexing (RFC 7541 section 6.2.1).
fn indexing(names: usize) -> Vec<u8> {
    (0..names).flat_map(|i| [&[0x40][..], &text(&format!("x{i}")), &text("")].concat()).collect()
}

/// `count` fields of the dynamic table, one byte each (RFC 7541 section 6.1).
fn indexed(names: usize, count: usize) -> Vec<u8> {
    (0..count).map(|i| 0x80 | (62 + (i % names) as u8)).collect()
}

/// The frames of one connection: a request that fills the dynamic table, then heads with `fields` indexed fields, each
/// with the first bytes of a body.
fn attack(fields: usize, first_data: usize) -> Vec<u8> {
    let names = 60;
    let mut bytes = frame(HEADERS, END_HEADERS | 1, 1, &[post_to("/count/table"), indexing(names)].concat());
    for i in 0..STREAMS {
        let head = [post_to("/batch"), indexed(names, fields)].concat();
        bytes.extend(open(2 * i + 3, &head));
        if first_data > 0 {
            bytes.extend(frame(DATA, 0, 2 * i + 3, &vec![b'a'; first_data]));
        }
    }
    bytes
}

/// Checks that good requests are served while `CROWD` connections send `bytes`, and that the memory is released.
fn assert_survives(name: &str, bytes: &[u8]) {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=60"]);
    let mut good = https.connect(&["http/1.1"]);
    let mut crowd: Vec<TlsClient> = Vec::new();
    for i in 0..CROWD {
        let mut client = https.http2();
        // The proxy may close the connection during this write.
        let _ = client.write_all(bytes);
        crowd.push(client);
        if i % 20 == 0 {
            let answer = crate::https::one_request(&mut good, &post("/count/beside", ""));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        }
    }
    let answer = crate::https::one_request(&mut good, &post("/count/beside", ""));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    let peak = https.proxy.peak_memory_kib();
    println!("{name}: {} bytes sent, peak {peak} KiB", bytes.len() * CROWD);
    assert!(peak < MAX_MEMORY_KIB, "{name}: {peak} KiB");
    drop(crowd);
    let end = Instant::now() + PATIENCE;
    while https.proxy.memory_kib() > MAX_MEMORY_KIB / 2 {
        assert!(Instant::now() < end, "{name}: {} KiB stay", https.proxy.memory_kib());
        let answer = crate::https::one_request(&mut good, &post("/count/beside", ""));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
}

#[test]
fn heads_of_many_indexed_fields_do_not_fill_the_memory() {
    assert_survives("450 fields", &attack(450, 0));
}

#[test]
fn heads_of_as_many_fields_as_are_allowed_do_not_fill_the_memory() {
    assert_survives("95 fields", &attack(95, 0));
    assert_survives("95 fields and a byte", &attack(95, 1));
    assert_survives("95 fields and a piece of 900 bytes", &attack(95, 900));
}

#[test]
fn long_indexed_values_do_not_fill_the_memory() {
    // The path, the origin and the content type are kept while a body arrives; each is added to the table, then indexed
    // with a byte.
    let long = "p".repeat(3900);
    let path = [&[0x44][..], &text(&format!("/count/{long}"))].concat();
    let mut bytes = frame(HEADERS, END_HEADERS | 1, 1, &[&b"\x83\x87"[..], &path, &literal(1, "localhost")].concat());
    for i in 0..STREAMS {
        bytes.extend(open(2 * i + 3, &[&b"\x83\x87\xbe"[..], &literal(1, "localhost")].concat()));
    }
    assert_survives("a long path", &bytes);
    let origin = [&[0x40][..], &text("origin"), &text(&format!("https://{long}"))].concat();
    let mut bytes = frame(HEADERS, END_HEADERS | 1, 1, &[post_to("/count/table"), origin].concat());
    for i in 0..STREAMS {
        bytes.extend(open(2 * i + 3, &[&post_to("/batch")[..], b"\xbe"].concat()));
    }
    assert_survives("a long origin", &bytes);
}

#[test]
fn more_than_100_fields_get_431_on_both_protocols() {
    let https = Https::start(&[]);
    let mut client = https.http2();
    let fields = |count: usize| (0..count).flat_map(|i| field(&format!("x{i}"), "1")).collect::<Vec<u8>>();
    for (stream, count) in [(1, 100), (3, 101), (5, 100)] {
        let head = [post_to("/count/a"), fields(count)].concat();
        client.write_all(&frame(HEADERS, END_HEADERS | 1, stream, &head)).expect("the head is taken");
        let answer = loop {
            let frame = next_frame(&mut client).expect("an answer");
            if frame.stream == stream && frame.kind == HEADERS {
                break frame;
            }
        };
        // `:status 200` is in the static table; 431 is not, and is sent as text.
        if count <= 100 {
            assert_eq!(answer.payload[0], 0x88, "{answer:?}");
        } else {
            assert!(answer.payload.windows(3).any(|w| w == b"431") || answer.payload[0] != 0x88, "{answer:?}");
            let body = next_frame(&mut client).expect("a body");
            assert_eq!(String::from_utf8_lossy(&body.payload), "Too many request header fields\n");
        }
    }
    let lines: String = (0..101).map(|i| format!("x{i}: 1\r\n")).collect();
    let request = format!("POST /count/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{lines}\r\n");
    let answer = crate::https::one_request(&mut https.connect(&["http/1.1"]), &request);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    https.assert_sent(&["a:1|c", "a:1|c"]);
}

#[test]
fn cookies_in_fields_of_their_own_count_as_one_field() {
    let https = Https::start(&[]);
    let mut client = https.http2();
    let fields = |count: usize| (0..count).flat_map(|i| field(&format!("x{i}"), "1")).collect::<Vec<u8>>();
    let cookies = |count: usize| (0..count).flat_map(|i| field("cookie", &format!("c{i}=1"))).collect::<Vec<u8>>();
    let cases = [(0, 101, true), (99, 256, true), (100, 0, true), (100, 2, false), (0, 257, false), (0, 1, true)];
    for (i, (others, crumbs, is_served)) in cases.into_iter().enumerate() {
        let stream = 2 * i as u32 + 1;
        // Cookies stand between the others, and after them.
        let head = [post_to("/count/a"), cookies(crumbs / 2), fields(others), cookies(crumbs - crumbs / 2)].concat();
        client.write_all(&frame(HEADERS, END_HEADERS | 1, stream, &head)).expect("the head is taken");
        let answer = loop {
            let frame = next_frame(&mut client).expect("an answer");
            if frame.stream == stream && frame.kind == HEADERS {
                break frame;
            }
        };
        assert_eq!(answer.payload[0] == 0x88, is_served, "{others} fields, {crumbs} cookies: {answer:?}");
    }
    https.assert_sent(&["a:1|c"; 4]);
}

#[test]
fn a_connection_with_many_oversized_heads_is_closed() {
    let https = Https::start(&[]);
    let mut client = https.http2();
    let fields: Vec<u8> = (0..101).flat_map(|i| field(&format!("x{i}"), "1")).collect();
    let head = [post_to("/count/a"), fields].concat();
    let cut = (0..1000u32).any(|i| client.write_all(&frame(HEADERS, END_HEADERS | 1, 2 * i + 1, &head)).is_err());
    assert!(cut || crate::https::is_closed(&mut client));
    https.assert_sent(&[]);
}

#[test]
fn a_few_kept_bytes_do_not_keep_their_frame_in_memory() {
    // Without Huffman coding, a short target and an origin are slices of the frame's buffer.
    let mut bytes = Vec::new();
    for i in 0..STREAMS {
        let filler = field("x-filler", &"f".repeat(7000));
        bytes.extend(open(2 * i + 1, &[post_to("/batch"), field("origin", "a"), filler].concat()));
    }
    assert_survives("7,000 bytes that are not kept", &bytes);
}
