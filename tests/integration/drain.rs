//! The drain: requests that have begun are answered, and accepted metrics arrive.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::client::{Client, post};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

/// Rounds of the test under load, unless `DRAIN_ROUNDS` is set.
const ROUNDS: usize = 10;
const CONNECTIONS: usize = 200;
const REQUESTS: usize = 10_000;

#[test]
fn a_shutdown_under_load_aborts_no_request_and_loses_no_metric() {
    let rounds = std::env::var("DRAIN_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        // In half of the rounds, each request has its own connection.
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
    let kind = Kind { connections: CONNECTIONS, requests: REQUESTS / CONNECTIONS, fresh, missing: usize::MAX };
    let load = Load::start(kind, proxy.address, receiver);
    load.wait_until_answered(REQUESTS / 2);
    let start = Instant::now();
    proxy.signal(Signal::TERM);
    let (accepted, arriving) = load.accepted();
    let status = proxy.wait();
    assert!(status.success(), "{status}: {:?}", proxy.seen);
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
    (accepted, arriving.all())
}

/// The load of one round.
#[derive(Clone, Copy)]
pub struct Kind {
    pub connections: usize,
    /// Maximum number of requests per client.
    pub requests: usize,
    /// One connection per request.
    pub fresh: bool,
    /// Maximum number of accepted metrics that have not arrived. The clients wait for them, so that the receiver's
    /// buffer cannot overflow.
    pub missing: usize,
}

/// Clients that send all their requests, or stop when no connection is accepted, and a receiver of their metrics.
pub struct Load {
    clients: Vec<JoinHandle<Vec<String>>>,
    answered: Arc<AtomicUsize>,
    arriving: Arriving,
}

/// The received metrics.
pub struct Arriving {
    running: Arc<AtomicBool>,
    collector: JoinHandle<HashSet<String>>,
}

impl Load {
    pub fn start(kind: Kind, address: SocketAddr, receiver: Receiver) -> Self {
        let (answered, arrived) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let running = Arc::new(AtomicBool::new(true));
        let clients = (0..kind.connections).map(|client| {
            let (answered, arrived) = (Arc::clone(&answered), Arc::clone(&arrived));
            std::thread::spawn(move || send_until_refused(client, kind, address, &answered, &arrived))
        });
        let clients = clients.collect();
        let collector = std::thread::spawn({
            let running = Arc::clone(&running);
            move || collect(&receiver, &running, &arrived)
        });
        Self { clients, answered, arriving: Arriving { running, collector } }
    }

    pub fn wait_until_answered(&self, requests: usize) {
        let end = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < requests {
            assert!(Instant::now() < end, "too few requests are answered");
            std::thread::yield_now();
        }
    }

    /// Waits for the clients, and returns the metrics that were answered with 200.
    pub fn accepted(self) -> (HashSet<String>, Arriving) {
        let accepted = self.clients.into_iter().flat_map(|client| client.join().expect("no request was cut")).collect();
        (accepted, self.arriving)
    }
}

impl Arriving {
    /// Waits for the proxy, and returns all received metrics.
    pub fn all(self) -> HashSet<String> {
        self.running.store(false, Ordering::Relaxed);
        self.collector.join().expect("the collector ends")
    }
}

fn send_until_refused(
    client: usize,
    kind: Kind,
    address: SocketAddr,
    answered: &AtomicUsize,
    arrived: &AtomicUsize,
) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut connection: Option<Client> = None;
    for request in 0..kind.requests {
        if connection.is_none() {
            let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else { return accepted };
            connection = Some(Client::over(stream));
        }
        let name = format!("d.{client}.{request}");
        let Some(open) = connection.as_mut() else { return accepted };
        // From here on the request has begun, and must be answered.
        let answer = open.send(post(&format!("/count/{name}"), "")).answer();
        assert_eq!(answer.status, 200);
        answered.fetch_add(1, Ordering::Relaxed);
        accepted.push(format!("{name}:1|c"));
        if kind.fresh || answer.closes() {
            connection = None;
        }
        let end = Instant::now() + PATIENCE;
        while answered.load(Ordering::Relaxed).saturating_sub(arrived.load(Ordering::Relaxed)) > kind.missing {
            assert!(Instant::now() < end, "over {} metrics do not arrive", kind.missing);
            std::thread::yield_now();
        }
    }
    accepted
}

fn collect(receiver: &Receiver, running: &AtomicBool, arrived: &AtomicUsize) -> HashSet<String> {
    let mut lines = HashSet::new();
    loop {
        match receiver.next_within(Duration::from_millis(100)) {
            Some(datagram) => {
                lines.extend(datagram.lines().map(str::to_owned));
                arrived.store(lines.len(), Ordering::Relaxed);
            }
            None if !running.load(Ordering::Relaxed) => return lines,
            None => {}
        }
    }
}

/// Waits until the listener ignores a handshake: from then on answers have `Connection: close`.
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
    // The next request of an idle connection is answered too, with `Connection: close`.
    let answer = idle.send(post("/count/c", "")).answer();
    assert_eq!(answer.status, 200);
    assert!(answer.closes() && idle.is_closed());
    assert_eq!(receiver.next(), "c:1|c");
    assert!(proxy.wait().success());
}

#[test]
fn a_connection_that_does_not_end_is_closed_at_the_deadline() {
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
fn the_second_signal_ends_the_process_at_once() {
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
