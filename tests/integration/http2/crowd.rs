//! Unfinished requests of some clients do not take the memory of others.

use std::io::Write;

use crate::https::{Https, TlsClient, frame};
use crate::support::coding::gzip;

use super::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, field, next_frame, open, post_to};

/// Connections of the attack, each with the maximum number of requests.
const CROWD: usize = 24;

#[test]
fn unfinished_bodies_do_not_displace_other_requests() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=60"]);
    let head = [post_to("/batch"), field("content-encoding", "gzip")].concat();
    let begun = &gzip("a:1|c\n".repeat(1000))[..20];
    let mut crowd: Vec<TlsClient> = Vec::new();
    for _ in 0..CROWD {
        let mut client = https.http2();
        for i in 0..64 {
            client.write_all(&[open(2 * i + 1, &head), frame(DATA, 0, 2 * i + 1, begun)].concat()).expect("taken");
        }
        crowd.push(client);
    }
    // Batches in several pieces, which need memory, and in one piece.
    let whole = "b:1|c\n".repeat(150_000);
    let mut good = https.connect(&["http/1.1"]);
    for body in ["one:1|c", &whole[..900_000]] {
        let request =
            format!("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = crate::https::one_request(&mut good, &request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    let packed = gzip("c:1|c\n".repeat(50_000));
    let (first, rest) = packed.split_at(packed.len() / 2);
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    good.write_all(head.as_bytes()).expect("the head is taken");
    good.write_all(first).expect("the body is taken");
    good.flush().expect("the body is taken");
    let answer = {
        good.write_all(rest).expect("the body is taken");
        crate::https::one_request(&mut good, "")
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

/// Begins `count` batches that are not completed.
fn begin(client: &mut TlsClient, first: u32, count: u32) {
    for i in 0..count {
        // The proxy may have closed the connection.
        let _ =
            client.write_all(&[open(first + 2 * i, &post_to("/batch")), frame(DATA, 0, first + 2 * i, b"a")].concat());
    }
}

#[test]
fn a_served_connection_survives_many_unfinished_ones() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=60"]);
    let mut shared = https.http2();
    begin(&mut shared, 1, 20);
    let mut crowd: Vec<TlsClient> = Vec::new();
    let mut served = 41;
    for i in 0..500u32 {
        let mut client = https.http2();
        begin(&mut client, 1, 64);
        crowd.push(client);
        if i % 10 == 0 || served < 83 {
            // Requests in sequence, as a reverse proxy sends them.
            shared.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, served, &post_to("/count/a"))).expect("taken");
            assert_eq!(https.receiver.next(), "a:1|c");
            served += 2;
        }
    }
    shared.write_all(&frame(6, 0, 0, b"12345678")).expect("the ping is taken");
    let (mut refused, mut accepted) = (0, 0);
    loop {
        let frame = next_frame(&mut shared).expect("the connection stays");
        match frame.kind {
            GOAWAY => panic!("closed: {frame:?}"),
            6 if frame.payload == b"12345678" => break,
            HEADERS if frame.payload[0] == 0x88 => accepted += 1,
            HEADERS => refused += 1,
            _ => {}
        }
    }
    // The requests that were idle longest were refused with an answer; complete ones were served.
    assert_eq!((refused, accepted), (20, (served - 41) / 2));
}

#[test]
fn a_connection_that_only_begins_requests_is_closed_after_its_answers() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=60"]);
    let mut idle = https.http2();
    begin(&mut idle, 1, 64);
    let _crowd: Vec<TlsClient> = (0..400)
        .map(|_| {
            let mut client = https.http2();
            begin(&mut client, 1, 64);
            client
        })
        .collect();
    let mut answers = 0;
    let goaway = loop {
        let frame = next_frame(&mut idle).expect("a GOAWAY before the end");
        match frame.kind {
            GOAWAY => break frame,
            HEADERS => answers += 1,
            _ => {}
        }
    };
    assert_eq!(goaway.payload[7], 11, "ENHANCE_YOUR_CALM: {goaway:?}");
    assert!(answers >= 16, "{answers} answers");
}

#[test]
fn a_slow_upload_survives_many_unfinished_requests() {
    let https = Https::start(&["--http-threads=2", "--http-timeout-read=60"]);
    let mut slow = https.connect(&["http/1.1"]);
    let body = "slow:1|c\n".repeat(20_000);
    let head = format!("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    slow.write_all(head.as_bytes()).expect("the head is taken");
    let mut pieces = body.as_bytes().chunks(body.len() / 300);
    let _crowd: Vec<TlsClient> = (0..600)
        .map(|i| {
            let mut client = https.http2();
            begin(&mut client, 1, 64);
            if i % 2 == 0
                && let Some(piece) = pieces.next()
            {
                slow.write_all(piece).expect("the body is taken");
            }
            client
        })
        .collect();
    for piece in pieces {
        slow.write_all(piece).expect("the body is taken");
    }
    let answer = crate::https::one_request(&mut slow, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}
