//! How long a largest batch holds up the other connections of its worker.

use std::error::Error;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::client;
use crate::delivery::Delivery;
use crate::format::{self, Format};
use crate::metrics::Metric;
use crate::receiver::Receiver;
use crate::server::{ProxyOptions, Server};
use crate::turn::median;

/// The longest that a request may have to wait, in milliseconds.
pub const LIMIT_MS: f64 = 5.0;

/// Batches posted, one after the other; odd, so that the median is one of them.
pub const BATCHES: usize = 31;

/// The longest body that the proxy takes, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The other request: the one that costs the proxy least, so that the wait is not its own.
const HEARTBEAT: &[u8] = b"GET /heartbeat HTTP/1.1\r\nHost: metrics.example.com\r\n\r\n";

/// What is measured, in the table's order. Compressed lines are lines again before the proxy looks at any.
pub const FORMATS: [Format; 2] = [Format::Lines, Format::Json];

/// The name, which tells it from everything else that is measured.
pub fn name(format: Format) -> String {
    format!("largest batch, {}", format.name())
}

/// What the largest batches of a format came to.
pub struct Hold {
    /// The format.
    pub format: Format,
    /// The longest wait during a batch, in milliseconds: the median of the batches.
    pub millis: f64,
    /// The batches' metrics.
    pub delivery: Delivery,
}

/// Posts largest batches to a proxy with one worker; its files go to a new directory in `directory`.
pub fn run(format: Format, receiver: &Receiver, directory: &Path) -> Result<Hold, Box<dyn Error>> {
    let directory = directory.join(name(format).replace(' ', "-"));
    fs::create_dir(&directory)?;
    let options = ProxyOptions { statsd: receiver.address(), token: false, certificate: None, flags: &[] };
    let proxy = Server::proxy(&options, &directory)?;
    measure(format, &proxy, receiver).map_err(|error| format!("{}: {error}\n{}", name(format), proxy.log()).into())
}

fn measure(format: Format, proxy: &Server, receiver: &Receiver) -> Result<Hold, Box<dyn Error>> {
    let metrics = largest(format)?;
    let request = format.request(&metrics)?;
    let mut clients = Clients { poster: client::connect(proxy.address())?, other: client::connect(proxy.address())? };
    let mut delivery = Delivery::default();
    let mut waits = [0.0; BATCHES];
    for wait in &mut waits {
        let before = receiver.received();
        *wait = receiver.pause(|| clients.longest_wait(&request, metrics.len()))?.as_secs_f64() * 1e3;
        let sent = metrics.len() as u64;
        let received = receiver.settled(before + sent)? - before;
        if received > sent {
            return Err(format!("{received} metrics were received of a batch of {sent}").into());
        }
        delivery.note(1, sent, received);
    }
    let millis = median(waits);
    let (least, most) = waits.iter().fold((f64::MAX, 0.0_f64), |(least, most), w| (least.min(*w), most.max(*w)));
    eprintln!("  {} metrics: {least:.2} to {most:.2} ms, median {millis:.2} ms", metrics.len());
    Ok(Hold { format, millis, delivery })
}

/// As many of the shortest metrics as a body has room for: each costs the proxy about the same, however short it is.
fn largest(format: Format) -> Result<Vec<Metric>, Box<dyn Error>> {
    let batch = |metrics| vec![Metric::shortest(); metrics];
    let [one, two] = [format.body(&batch(1))?.len(), format.body(&batch(2))?.len()];
    Ok(batch(1 + (MAX_BODY - one) / (two - one)))
}

/// Two clients in one thread, and no other that has work on their core: what they wait for is the proxy, not each other
/// nor the scheduler.
struct Clients {
    /// Posts the batches.
    poster: TcpStream,
    /// Meanwhile makes short requests, one after the other without a pause.
    other: TcpStream,
}

impl Clients {
    /// Posts a batch of so many `metrics`, and returns the longest that a short request took meanwhile.
    ///
    /// A round trip begins before what the kernel takes of the batch is handed over, which is all of it unless its
    /// buffers are small: so no moment from the batch's first byte to its answer is in no round trip, whether the proxy
    /// works on a batch as it comes or when it is there. The first round trip has the client's own copying in it.
    fn longest_wait(&mut self, batch: &[u8], metrics: usize) -> Result<Duration, Box<dyn Error>> {
        client::exchange(&mut self.other, HEARTBEAT)?;
        let mut rest = batch;
        let mut longest = Duration::ZERO;
        loop {
            let begin = Instant::now();
            rest = &rest[self.hand_over(rest)?..];
            client::exchange(&mut self.other, HEARTBEAT)?;
            longest = longest.max(begin.elapsed());
            if self.is_answered()? {
                break;
            }
        }
        format::check_answer(&client::answer(&mut self.poster)?, metrics)?;
        // An answer before the end would be followed by what is left of the batch.
        if rest.is_empty() { Ok(longest) } else { Err("a batch was answered before its end".into()) }
    }

    /// Writes what the kernel takes of `bytes` at once; returns how many those are.
    fn hand_over(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        match send(&self.poster, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => Ok(0),
            sent => sent,
        }
    }

    /// Whether the batch's answer, or the connection's end, has come.
    fn is_answered(&self) -> Result<bool, Errno> {
        match recv(&self.poster, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_largest_batch_has_no_room_for_another() {
        for (format, metrics) in [(Format::Lines, 174_762), (Format::Json, 26_214)] {
            let largest = largest(format).expect("memory takes all");
            assert_eq!(largest.len(), metrics);
            let fits = |metrics| format.body(&vec![Metric::shortest(); metrics]).expect("memory").len() <= MAX_BODY;
            assert!(fits(metrics) && !fits(metrics + 1));
        }
    }
}
