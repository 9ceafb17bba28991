//! Clients that send metrics and keep account of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::client::{Client, post};

/// Counts by name.
pub type Totals = BTreeMap<String, i64>;

/// Clients at once, and the time between two requests of one: some 15,000 metrics a second in all, which StatsD takes with its
/// default receive buffer.
const CLIENTS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(8);

/// Names of metrics.
const NAMES: u64 = 100;

/// What a load came to.
#[derive(Debug, Default)]
pub struct Done {
    pub requests: u64,
    /// Answers other than 200, and connections that ended without one.
    pub failed: u64,
    /// Metrics that were answered with 200.
    pub metrics: i64,
    pub totals: Totals,
}

/// A load that goes on until it is ended.
pub struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Done>>,
}

impl Load {
    pub fn start(address: SocketAddr) -> Self {
        let (stop, requests) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |number| {
            let (stop, requests) = (Arc::clone(&stop), Arc::clone(&requests));
            std::thread::spawn(move || send(address, number, &stop, &requests))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, requests, clients }
    }

    /// Waits until so many more requests were answered.
    pub fn wait_for_requests(&self, count: u64) {
        let (start, end) = (self.requests.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while self.requests.load(Ordering::Relaxed) < start + count {
            assert!(Instant::now() < end, "no answers");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn end_after(self, time: Duration) -> Done {
        std::thread::sleep(time);
        self.end()
    }

    pub fn end(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Done::default();
        for client in self.clients {
            let done = client.join().expect("a client ends");
            sum.requests += done.requests;
            sum.failed += done.failed;
            sum.metrics += done.metrics;
            done.totals.into_iter().for_each(|(name, count)| *sum.totals.entry(name).or_default() += count);
        }
        sum
    }
}

fn send(address: SocketAddr, number: u64, stop: &AtomicBool, requests: &AtomicU64) -> Done {
    let mut done = Done::default();
    let mut client = Client::connect(address);
    for round in number.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (request, counts) = if round.is_multiple_of(3) { single(round) } else { batch(round) };
        done.requests += 1;
        match client.send(request).try_answer() {
            Some(answer) if answer.status == 200 => {
                done.metrics += counts.len() as i64;
                counts.into_iter().for_each(|(name, count)| *done.totals.entry(name).or_default() += count);
                if answer.closes() {
                    client = Client::connect(address);
                }
            }
            other => {
                eprintln!("failed: {other:?}");
                done.failed += 1;
                client = Client::connect(address);
            }
        }
        requests.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
    done
}

fn name(round: u64, index: u64) -> String {
    format!("fleet.page{}.hits", (round * 31 + index) % NAMES)
}

fn single(round: u64) -> (String, Vec<(String, i64)>) {
    let name = name(round, 0);
    (post(&format!("/count/{name}"), "value=1"), vec![(name, 1)])
}

/// Lines or JSON, each metric with the value 1, so that a count of metrics is a sum of values.
fn batch(round: u64) -> (String, Vec<(String, i64)>) {
    let names: Vec<String> = (0..40).map(|index| name(round, index)).collect();
    let (content_type, body) = if round.is_multiple_of(2) {
        ("text/plain", names.iter().map(|name| format!("{name}:1|c\n")).collect::<String>())
    } else {
        let objects: Vec<String> =
            names.iter().map(|name| format!(r#"{{"metric":"{name}","type":"count"}}"#)).collect();
        ("application/json", format!("[{}]", objects.join(",")))
    };
    let length = body.len();
    let request = format!(
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    (request, names.into_iter().map(|name| (name, 1)).collect())
}
