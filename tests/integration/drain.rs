//! The end: what was begun is finished, what was accepted arrives.

use std::collections::HashSet;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::client::{Client, post};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

/// Rounds of the test under load, unless `DRAIN_ROUNDS` says otherwise.
const ROUNDS: usize = 10;
const CONNECTIONS: usize = 200;
const REQUESTS: usize = 10_000;

#[test]
fn a_shutdown_under_load_cuts_no_request_and_loses_no_metric() {
    let rounds = std::env::var("DRAIN_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        // Half of the rounds with a connection for each request.
        let (accepted, arrived) = shutdown_under_load(round % 2 == 1);
        let lost = accepted.difference(&arrived).count();
        assert_eq!(lost, 0, "round {round}: {lost} of {} accepted metrics are lost", accepted.len());
        println!("round {round}: {} requests answered 200, all arrived", accepted.len());
    }
}

/// Returns the metrics that were answered 200, and those that arrived.
fn shutdown_under_load(fresh: bool) -> (HashSet<String>, HashSet<String>) {
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let mut proxy = Proxy::start_with(&mut command(&[&port, "--http-threads=2"]));
    let answered = Arc::new(AtomicUsize::new(0));
    let running = Arc::new(AtomicBool::new(true));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let (answered, address) = (Arc::clone(&answered), proxy.address);
            std::thread::spawn(move || send_until_refused(client, address, fresh, &answered))
        })
        .collect();
    let collector = std::thread::spawn({
        let running = Arc::clone(&running);
        move || collect(&receiver, &running)
    });
    while answered.load(Ordering::Relaxed) < REQUESTS / 2 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    proxy.signal(Signal::TERM);
    let accepted = clients.into_iter().flat_map(|client| client.join().expect("no request was cut")).collect();
    let status = proxy.wait();
    assert!(status.success(), "{status}: {:?}", proxy.seen);
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
    running.store(false, Ordering::Relaxed);
    (accepted, collector.join().expect("the collector ends"))
}

fn send_until_refused(
    client: usize,
    address: std::net::SocketAddr,
    fresh: bool,
    answered: &AtomicUsize,
) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut connection: Option<Client> = None;
    for request in 0..REQUESTS / CONNECTIONS {
        if connection.is_none() {
            let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else { return accepted };
            connection = Some(Client::over(stream));
        }
        let name = format!("d.{client}.{request}");
        let Some(open) = connection.as_mut() else { return accepted };
        // From here on the request has begun: an answer must come.
        let answer = open.send(post(&format!("/count/{name}"), "")).answer();
        assert_eq!(answer.status, 200);
        answered.fetch_add(1, Ordering::Relaxed);
        accepted.push(format!("{name}:1|c"));
        if fresh || answer.closes() {
            connection = None;
        }
    }
    accepted
}

fn collect(receiver: &Receiver, running: &AtomicBool) -> HashSet<String> {
    let mut lines = HashSet::new();
    loop {
        match receiver.next_within(Duration::from_millis(100)) {
            Some(datagram) => lines.extend(datagram.lines().map(str::to_owned)),
            None if !running.load(Ordering::Relaxed) => return lines,
            None => {}
        }
    }
}

/// Waits until the listener refuses to take part in a handshake: from then on answers say that they are the last.
fn wait_until_closing(proxy: &Proxy) {
    while TcpStream::connect_timeout(&proxy.address, Duration::from_millis(100)).is_ok() {}
}

#[test]
fn a_request_that_began_is_finished() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    let request = post("/count/a", "value=7");
    let (first, second) = request.split_at(request.len() - 3);
    let mut client = Client::connect(proxy.address);
    client.send(first);
    let mut idle = Client::connect(proxy.address);
    assert_eq!(idle.send(post("/count/b", "")).answer().status, 200);
    assert_eq!(receiver.next(), "b:1|c");
    proxy.signal(Signal::TERM);
    proxy.wait_for_log("SIGTERM");
    wait_until_closing(&proxy);
    let answer = client.send(second).answer();
    assert_eq!(answer.status, 200);
    assert!(answer.closes() && client.is_closed());
    assert_eq!(receiver.next(), "a:7|c");
    // An idle connection's next request is answered too, and told that it is the last.
    let answer = idle.send(post("/count/c", "")).answer();
    assert_eq!(answer.status, 200);
    assert!(answer.closes() && idle.is_closed());
    assert_eq!(receiver.next(), "c:1|c");
    assert!(proxy.wait().success());
}

#[test]
fn a_peer_that_holds_on_is_cut_at_the_deadline() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--http-timeout-read=600"]);
    let mut client = Client::connect(proxy.address);
    client.send("POST /count/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nvalue");
    proxy.expect(post("/count/a", ""), 200);
    let start = Instant::now();
    assert!(proxy.stop().success());
    assert!(start.elapsed() < Duration::from_secs(7), "took {:?}", start.elapsed());
    assert!(proxy.seen.iter().any(|line| line.contains("1 connections cut")), "{:?}", proxy.seen);
}

#[test]
fn the_second_signal_ends_at_once() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--http-timeout-read=600"]);
    let mut client = Client::connect(proxy.address);
    client.send("POST /count/a HTTP/1.1\r\n");
    proxy.signal(Signal::INT);
    proxy.wait_for_log("SIGINT");
    proxy.signal(Signal::INT);
    assert_eq!(proxy.wait().code(), Some(130));
}

#[test]
fn the_counters_are_logged_at_the_end() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    for _ in 0..3 {
        proxy.expect(post("/count/a", ""), 200);
    }
    assert!(proxy.stop().success());
    let last = proxy.seen.last().expect("a last line");
    assert!(last.contains("3 metrics sent in") && last.contains("0 metrics dropped"), "{last}");
}
