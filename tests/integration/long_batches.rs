//! Batches of more than one slice.

use std::io::Write;

use rustix::process::Signal;

use crate::http2::{field, next_frame, open, post_to};
use crate::https::{Https, frame};
use crate::support::client::{Client, exchange, post};
use crate::support::coding::gzip;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

/// Batches of the attack.
const CROWD: usize = 300;

/// Memory limit of the proxy, in KiB. All bodies decompressed would be 300 MiB.
const MAX_MEMORY_KIB: u64 = 100 * 1024;

fn batch(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn small_bodies_that_inflate_do_not_fill_the_memory() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-threads=2"]);
    // Many slices with little work: one metric, and lines that are too long.
    let lines = format!("{}\n", "x".repeat(16_383)).repeat(63);
    let request = batch(&gzip(format!("inflated:1|c\n{lines}")));
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|_| {
            let mut client = Client::connect(proxy.address);
            client.send(&request);
            client
        })
        .collect();
    // Other requests are served meanwhile.
    let heartbeat = "GET /heartbeat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(proxy.address, heartbeat).status, 200);
    proxy.expect(post("/count/beside", "value=1"), 200);
    for client in &mut crowd {
        let answer = client.answer();
        match answer.status {
            200 => {}
            503 => assert_eq!(answer.header("retry-after"), Some("1")),
            status => panic!("{status}: {answer:?}"),
        }
    }
    let peak = proxy.peak_memory_kib();
    println!("{CROWD} requests of {} bytes, peak {peak} KiB", request.len());
    assert!(peak < MAX_MEMORY_KIB, "{peak} KiB");
    proxy.expect(post("/count/last", "value=1"), 200);
}

#[test]
fn long_batches_of_clients_that_disconnect_are_processed_completely() {
    let mut https = Https::start(&["--http-threads=2"]);
    // The batch has several slices, and its metric is in the last one.
    let body = gzip(format!("{}left:1|c", format!("{}\n", "x".repeat(16_383)).repeat(20)));
    let head = [post_to("/batch"), field("content-encoding", "gzip"), field("content-type", "text/plain")].concat();
    let mut left = 0;
    for _ in 0..12 {
        let mut client = https.http2();
        for i in 0..3 {
            client.write_all(&[open(2 * i + 1, &head), frame(0, 1, 2 * i + 1, &body)].concat()).expect("taken");
            left += 1;
        }
        // When the PING is answered, the whole batch was read.
        client.write_all(&frame(6, 0, 0, b"12345678")).expect("taken");
        while next_frame(&mut client).expect("an answer").kind != 6 {}
    }
    https.proxy.signal(Signal::TERM);
    while left > 0 {
        left -= https.receiver.next().lines().filter(|line| *line == "left:1|c").count();
    }
    assert!(https.proxy.wait().success());
}

#[test]
fn long_batches_that_wait_are_processed_completely() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-threads=2"]);
    let lines = 12_000;
    let mut crowd: Vec<Client> = (0..8)
        .map(|i| {
            let mut client = Client::connect(proxy.address);
            client.send(batch(&gzip(format!("wait{i}:1|c\n").repeat(lines))));
            client
        })
        .collect();
    // The receive buffer is smaller than all lines, so the accepted metrics are counted from the answers.
    for client in &mut crowd {
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.body.contains(&format!("{{\"accepted\":{lines}"))),
            (200, true),
            "{answer:?}"
        );
    }
}
