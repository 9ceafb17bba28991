//! The demo's StatsD receiver: prints each line, and publishes lines and flushes to the page.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;

use crate::api::event_feed::Feed;
use crate::demo::Console;
use crate::demo::aggregate::Aggregator;
use crate::telemetry::log::{Escapes, escape};

/// The flush interval. It is shorter than StatsD's default of ten seconds, so that the page reacts at once.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two events with raw lines.
const SHOW_INTERVAL: Duration = Duration::from_millis(100);

/// Raw lines in one event. Further lines are only counted.
const MAX_SHOWN: usize = 50;

/// The largest UDP datagram, in bytes.
const MAX_RECEIVED: usize = 65_535;

/// The lines received since the last event.
#[derive(Default)]
struct Fresh {
    lines: Vec<String>,
    skipped: u64,
}

/// The first event of each page.
pub(crate) fn hello() -> impl Serialize {
    json!({ "flushInterval": FLUSH_INTERVAL.as_millis() as u64, "version": env!("CARGO_PKG_VERSION") })
}

/// Receives until the socket fails.
pub(crate) fn run(socket: &UdpSocket, feed: &Feed, console: &Console) -> io::Result<()> {
    let mut buffer = vec![0; MAX_RECEIVED];
    let mut aggregator = Aggregator::default();
    let mut fresh = Fresh::default();
    let (mut next_show, mut next_flush) = (Instant::now() + SHOW_INTERVAL, Instant::now() + FLUSH_INTERVAL);
    loop {
        let wait = next_show.min(next_flush).saturating_duration_since(Instant::now());
        // A timeout of zero would mean none.
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(len) => {
                let text = String::from_utf8_lossy(&buffer[..len]);
                print(&text, console);
                for line in text.lines().filter(|line| !line.is_empty()) {
                    aggregator.take(line);
                    if fresh.lines.len() < MAX_SHOWN {
                        fresh.lines.push(line.to_owned());
                    } else {
                        fresh.skipped += 1;
                    }
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        if now >= next_show {
            next_show = now + SHOW_INTERVAL;
            let Fresh { lines, skipped } = std::mem::take(&mut fresh);
            if !lines.is_empty() && feed.has_subscribers() {
                feed.publish("lines", &json!({ "time": unix_millis(), "lines": lines, "skipped": skipped }));
            }
        }
        if now >= next_flush {
            next_flush = now + FLUSH_INTERVAL;
            if feed.has_subscribers() {
                feed.publish("flush", &aggregator.flush(unix_millis(), FLUSH_INTERVAL));
            }
            aggregator.begin();
        }
    }
}

/// Prints every line with its time. It is escaped, because any process on this machine can send one, with any bytes.
fn print(text: &str, console: &Console) {
    let time = time_of_day();
    for line in text.lines() {
        let escaped = escape(line, Escapes::Text);
        console.show(&format!("{time}  {}", escaped.as_deref().unwrap_or(line)));
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn unix_millis() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

fn time_of_day() -> String {
    let since = since_1970();
    let seconds = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, since.subsec_millis())
}
