//! Clients that do not read at all, so that their socket takes no more answers.

use std::collections::HashSet;
use std::io::{ErrorKind, Write};

use crate::https::{Https, TlsClient, frame, one_request};
use crate::support::PATIENCE;
use crate::support::client::post;

use super::{DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE, field, get, next_frame, open, post_to};

const PING: u8 = 6;
const ACK: u8 = 1;

/// Answers of `/client.js`, of more than 4 KiB each, that fill the socket: the proxy's send buffer has 64 KiB, and the
/// client's window has as much before it grows.
const FILL: u32 = 60;

/// Memory limit of the proxy with 600 connections, in KiB: they take 45 MiB before they have sent anything.
const MAX_MEMORY_KIB: u64 = 100 * 1024;

/// A connection whose flow control lets the proxy send 16 MiB, with a small receive buffer.
fn with_small_socket(https: &Https) -> TlsClient {
    let mut client = https.http2();
    socket2::SockRef::from(&client.sock).set_recv_buffer_size(4096).expect("a size");
    client.sock.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
    client.write_all(&frame(WINDOW_UPDATE, 0, 0, &(1u32 << 24).to_be_bytes())).expect("taken");
    // The proxy's settings are known.
    client.write_all(&frame(4, ACK, 0, &[])).expect("taken");
    client
}

/// Requests for a long answer on the streams from 1 on, and the first stream after them.
fn fill() -> (Vec<u8>, u32) {
    let request = |i| frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, &get("/client.js"));
    ((0..FILL).flat_map(request).collect(), 2 * FILL + 1)
}

#[test]
fn heads_that_a_client_sends_without_reading_do_not_fill_the_memory() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-write=60"]);
    let (fill, next) = fill();
    let refused = [get("/nope"), field("origin", "https://shop.example")].concat();
    let requests: Vec<u8> =
        (0..64).flat_map(|i| frame(HEADERS, END_HEADERS | END_STREAM, next + 2 * i, &refused)).collect();
    let mut crowd: Vec<TlsClient> = (0..600).map(|_| with_small_socket(&https)).collect();
    for bytes in [fill, requests] {
        for client in &mut crowd {
            client.write_all(&bytes).expect("the kernel takes it");
        }
        // One on each worker.
        for _ in 0..2 {
            let answer = one_request(&mut https.connect(&["http/1.1"]), &post("/count/beside", ""));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        }
    }
    let peak = https.proxy.peak_memory_kib();
    println!("{} connections, peak {peak} KiB", crowd.len());
    assert!(peak < MAX_MEMORY_KIB, "{peak} KiB");
}

#[test]
fn a_client_that_reads_late_gets_every_answer() {
    let mut https = Https::start(&["--http-threads=2", "--http-timeout-write=60", "--http-timeout-read=60"]);
    let mut client = with_small_socket(&https);
    let (fill, upload) = fill();
    client.write_all(&fill).expect("the kernel takes it");
    // A body as long as the window of a new connection, without reading: the longest that a client can write so.
    client.write_all(&open(upload, &[post_to("/batch"), field("content-type", "text/plain")].concat())).expect("taken");
    let body = "late.n:1|c\n".repeat(5_900);
    for piece in body.as_bytes().chunks(16_000) {
        client.write_all(&frame(DATA, 0, upload, piece)).expect("the proxy or the kernel takes it");
    }
    client.write_all(&frame(DATA, END_STREAM, upload, b"")).expect("taken");
    client.write_all(&frame(PING, 0, 0, b"12345678")).expect("taken");
    let last = upload + 2;
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, last, &post_to("/count/last"))).expect("taken");
    let mut open: HashSet<u32> = (0..FILL).map(|i| 2 * i + 1).chain([upload, last]).collect();
    let (mut bytes, mut has_pong, mut report) = (0, false, Vec::new());
    while !open.is_empty() || !has_pong {
        let frame = next_frame(&mut client).expect("the connection stays");
        match frame.kind {
            DATA if frame.stream == upload => report.extend_from_slice(&frame.payload),
            DATA => bytes += frame.payload.len(),
            PING => has_pong |= frame.payload == b"12345678",
            _ => {}
        }
        if frame.ends_stream() {
            assert!(open.remove(&frame.stream), "{frame:?}");
        }
    }
    let report = String::from_utf8(report).expect("UTF-8");
    assert!(report.contains("\"accepted\":5900"), "{report}");
    assert!(bytes > 4096 * FILL as usize, "{bytes} bytes of answers");
    drop(client);
    https.proxy.stop();
    assert!(https.proxy.lines_of("head_too_large").is_empty(), "heads that were not decoded yet are no refusals");
}

#[test]
fn a_client_that_never_reads_is_closed_in_time() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-write=1"]);
    let mut client = with_small_socket(&https);
    // More than the proxy and both kernels hold: the proxy stops reading, and then the connection ends.
    let error = (0..1_000_000)
        .find_map(|i| client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, &get("/client.js"))).err())
        .expect("the proxy closes the connection");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    https.assert_sent(&[]);
}
