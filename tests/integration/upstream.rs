//! Datagrams to StatsD: packed, in order, and sent again after an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::support::PATIENCE;
use crate::support::client::{Client, post};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;
use crate::support::request::request;

#[test]
fn one_metric_is_sent_at_once_in_its_own_datagram() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let mut client = Client::connect(proxy.address);
    for value in 0..20 {
        assert_eq!(client.send(post("/gauge/g", &format!("value={value}"))).answer().status, 200);
        assert_eq!(receiver.next(), format!("g:{value}|g"));
    }
}

#[test]
fn metrics_of_a_turn_share_datagrams_in_order() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--statsd-packet-size=100"]);
    let mut client = Client::connect(proxy.address);
    let batch: String = (0..200).map(|i| post("/count/packed", &format!("value={i}"))).collect();
    client.send(batch);
    for _ in 0..200 {
        assert_eq!(client.answer().status, 200);
    }
    let mut lines = Vec::new();
    let mut datagrams = 0;
    while lines.len() < 200 {
        let datagram = receiver.next();
        assert!(datagram.len() <= 100 && !datagram.ends_with('\n'), "{datagram:?}");
        lines.extend(datagram.lines().map(str::to_owned));
        datagrams += 1;
    }
    let expected: Vec<String> = (0..200).map(|i| format!("packed:{i}|c")).collect();
    assert_eq!(lines, expected);
    assert!(datagrams < 200, "{datagrams} datagrams for 200 metrics");
}

#[test]
fn a_negative_gauge_is_not_split_from_its_zero() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--statsd-packet-size=64"]);
    let mut client = Client::connect(proxy.address);
    let batch: String = (1..=100).map(|i| post("/gauge/g", &format!("value=-{i}"))).collect();
    client.send(batch);
    let mut seen = 0;
    while seen < 100 {
        let lines: Vec<String> = receiver.next().lines().map(str::to_owned).collect();
        for pair in lines.chunks(2) {
            seen += 1;
            assert_eq!(pair, ["g:0|g".to_owned(), format!("g:-{seen}|g")]);
        }
    }
}

#[test]
fn statsd_over_ipv6_and_by_name() {
    for (bind, host) in [("[::1]:0", "::1"), ("127.0.0.1:0", "localhost")] {
        let receiver = Receiver::bind(bind);
        let host = format!("--statsd-host={host}");
        let proxy = Proxy::start(&receiver, &[&host]);
        proxy.expect(post("/count/a", ""), 200);
        assert_eq!(receiver.next(), "a:1|c");
    }
}

#[test]
fn a_name_that_does_not_resolve_gives_a_warning() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--statsd-host=statsd.invalid"]);
    let warning = proxy.wait_for_log("cannot resolve --statsd-host");
    assert!(warning.contains("statsd.invalid"));
    proxy.expect(post("/count/a", ""), 200);
    assert!(proxy.stop().success());
    assert!(
        proxy.seen.iter().any(|line| line.contains("0 metrics sent") && line.contains("1 metrics dropped")),
        "{:?}",
        proxy.seen
    );
}

#[test]
fn a_sample_rate_forwards_its_share_and_is_on_the_lines() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let mut client = Client::connect(proxy.address);
    for _ in 0..1000 {
        assert_eq!(client.send(post("/count/s", "sampleRate=0.5")).answer().status, 200);
        assert_eq!(client.send(post("/timing/t", "time=3&sampleRate=0")).answer().status, 200);
    }
    assert_eq!(client.send(post("/count/end", "")).answer().status, 200);
    let kept = receiver.until("end:1|c");
    assert!(kept.iter().all(|line| line == "s:1|c|@0.5"));
    // The range is ten standard deviations, which is exceeded once in 10^23 runs.
    assert!((340..=660).contains(&kept.len()), "{} of 1000", kept.len());
}

#[test]
fn statsd_is_restarted_under_load() {
    let receiver = Receiver::new();
    let address = receiver.address().to_string();
    let mut proxy =
        Proxy::start_with(&mut command(&[&format!("--statsd-port={}", receiver.port()), "--http-threads=2"]));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (stop, address) = (Arc::clone(&stop), proxy.address);
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut accepted = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.send(post("/count/load", "")).answer().status, 200);
                    accepted += 1;
                }
                accepted
            })
        })
        .collect();
    let mut receiver = Some(receiver);
    let mut probes = 0;
    for round in 0..5 {
        assert!(receiver.as_ref().is_some_and(|r| r.next().starts_with("load:1|c")));
        drop(receiver.take());
        let mut client = Client::connect(proxy.address);
        for _ in 0..500 {
            assert_eq!(client.send(post("/count/away", "")).answer().status, 200);
            probes += 1;
        }
        let back = Receiver::bind(&address);
        let first = format!("/count/back.{round}");
        assert_eq!(client.send(post(&first, "")).answer().status, 200);
        probes += 1;
        let line = format!("back.{round}:1|c");
        let end = Instant::now() + PATIENCE;
        while !back.next().lines().any(|got| got == line) {
            assert!(Instant::now() < end, "the first metric after StatsD's return did not arrive");
        }
        receiver = Some(back);
    }
    stop.store(true, Ordering::Relaxed);
    let accepted: u64 = load.into_iter().map(|thread| thread.join().expect("all were answered 200")).sum();
    assert!(proxy.stop().success());
    let [sent, refused, dropped] =
        ["metrics sent", "metrics refused", "metrics dropped"].map(|what| proxy.figure(what));
    assert_eq!(sent + refused + dropped, accepted + probes, "{:?}", proxy.seen);
    assert!(refused > 0 && dropped == 0, "{:?}", proxy.seen);
}

#[test]
fn no_packet_size_drops_datagrams_that_the_kernel_accepts() {
    // Concurrent batches with more bytes than the queue to StatsD.
    const CLIENTS: usize = 8;
    const LINES: usize = 20_000;
    for size in ["64", "1432", "8190", "8191", "9000", "32768", "65507"] {
        let receiver = Receiver::new();
        let mut proxy = Proxy::start(&receiver, &[&format!("--statsd-packet-size={size}")]);
        let address = proxy.address;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                std::thread::spawn(move || {
                    let lines = "a.batch.of.short.lines:1|c\n".repeat(LINES);
                    let answer = Client::connect(address).send(request("POST", "/batch", &[], &lines)).answer();
                    assert_eq!(answer.status, 200);
                })
            })
            .collect();
        for client in clients {
            client.join().expect("the batch was accepted");
        }
        assert!(proxy.stop().success());
        assert_eq!(proxy.figure("metrics dropped"), 0, "{size}: {:?}", proxy.seen);
        assert_eq!(proxy.figure("metrics sent"), (CLIENTS * LINES) as u64, "{size}: {:?}", proxy.seen);
    }
}
