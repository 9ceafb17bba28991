//! The delay of other connections of a worker during a batch of the largest size.

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

/// Limit of the wait of a request, in milliseconds.
pub const LIMIT_MS: f64 = 5.0;

/// Number of batches, posted one by one; odd, so that the median is one of them.
pub const BATCHES: usize = 31;

/// The longest body that the proxy accepts, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The other request: the cheapest one for the proxy, so that its own cost does not count.
const HEARTBEAT: &[u8] = b"GET /heartbeat HTTP/1.1\r\nHost: metrics.example.com\r\n\r\n";

/// The measured formats, in the order of the table. Compressed lines are decompressed before they are parsed.
pub const FORMATS: [Format; 2] = [Format::Lines, Format::Json];

/// The name, which tells it from everything else that is measured.
pub fn name(format: Format) -> String {
    format!("largest batch, {}", format.name())
}

/// The result for the largest batches of a format.
pub struct Hold {
    /// The format.
    pub format: Format,
    /// The longest wait during a batch, in milliseconds: the median of the batches.
    pub millis: f64,
    /// The metrics of the batches.
    pub delivery: Delivery,
}

/// Posts batches of the largest size to a proxy with one worker, whose files are in a new directory in `directory`.
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

/// As many of the shortest metrics as fit into a body: the cost of a metric hardly depends on its length.
fn largest(format: Format) -> Result<Vec<Metric>, Box<dyn Error>> {
    let batch = |metrics| vec![Metric::shortest(); metrics];
    let [one, two] = [format.body(&batch(1))?.len(), format.body(&batch(2))?.len()];
    Ok(batch(1 + (MAX_BODY - one) / (two - one)))
}

/// Two clients in one thread, without other threads that work on their core: they wait only for the proxy, not for each
/// other or the scheduler.
struct Clients {
    /// Posts the batches.
    poster: TcpStream,
    /// Meanwhile sends short requests, one by one without a pause.
    other: TcpStream,
}

impl Clients {
    /// Posts a batch of this number of `metrics`, and returns the longest time of a short request meanwhile.
    ///
    /// A round trip begins before the batch is passed to the kernel, which accepts all of it unless its buffers are
    /// small. The round trips therefore cover the whole time from the first byte of the batch to its answer, even if
    /// the proxy processes a batch before it is complete. The first round trip includes the client's copying.
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
        // After an early answer, the rest of the batch would follow.
        if rest.is_empty() { Ok(longest) } else { Err("a batch was answered before its end".into()) }
    }

    /// Writes the part of `bytes` that the kernel accepts at once, and returns its length.
    fn hand_over(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        match send(&self.poster, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => Ok(0),
            sent => sent,
        }
    }

    /// True if the answer to the batch, or the end of its connection, has arrived.
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
