//! The cost of a metric in a batch, for the proxy alone: neither the floor nor nginx accepts batches.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::client;
use crate::delivery::Delivery;
use crate::format::{self, Format};
use crate::load::Load;
use crate::metrics::{self, PAGE};
use crate::receiver::Receiver;
use crate::server::{ProxyOptions, Server};
use crate::turn::{ROUNDS, TURN, WARM_UP, deliver, median};

/// Limit of the CPU time per metric in a batch of lines, in microseconds.
const LINES_LIMIT: f64 = 0.15;

/// The same for JSON.
const JSON_LIMIT: f64 = 0.35;

/// A batch to measure.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Its format.
    pub format: Format,
    /// Limit of the CPU time per metric, in microseconds.
    pub limit: Option<f64>,
}

/// All batches, in the order of the table. A compressed one has no limit: most of its cost is decompression.
pub const ALL: [Batch; 3] = [
    Batch { format: Format::Lines, limit: Some(LINES_LIMIT) },
    Batch { format: Format::Json, limit: Some(JSON_LIMIT) },
    Batch { format: Format::GzippedLines, limit: None },
];

impl Batch {
    /// The name, which tells it from everything else that is measured.
    pub fn name(self) -> String {
        format!("batch of {PAGE}, {}", self.format.name())
    }
}

/// The result for a batch.
pub struct Cost {
    /// The batch.
    pub batch: Batch,
    /// CPU time per metric, in microseconds: the median of the rounds.
    pub micros: f64,
    /// The metrics, including those of the warm-up.
    pub delivery: Delivery,
}

/// Runs all rounds of `batch` with a proxy, whose files are in a new directory in `directory`.
pub fn run(batch: Batch, receiver: &Receiver, directory: &Path) -> Result<Cost, Box<dyn Error>> {
    let directory = directory.join(batch.name().replace(' ', "-"));
    fs::create_dir(&directory)?;
    let options = ProxyOptions { statsd: receiver.address(), token: false, certificate: None, flags: &[] };
    let proxy = Server::proxy(&options, &directory)?;
    measure(batch, &proxy, receiver, &directory)
        .map_err(|error| format!("{}: {error}\n{}", batch.name(), proxy.log()).into())
}

fn measure(batch: Batch, proxy: &Server, receiver: &Receiver, directory: &Path) -> Result<Cost, Box<dyn Error>> {
    let request = batch.format.request(&metrics::page())?;
    let load = Load::new(&request, PAGE as u64, directory)?;
    let mut delivery = Delivery::default();
    post(&request, proxy, receiver, &mut delivery)?;
    deliver(&load, proxy, WARM_UP, receiver, &mut delivery)?;
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        *round = deliver(&load, proxy, TURN, receiver, &mut delivery)? / PAGE as f64;
        eprintln!("  {round:.3} µs/metric");
    }
    Ok(Cost { batch, micros: median(rounds), delivery })
}

/// Posts one batch and checks the body of the answer, of which wrk sees only the status.
fn post(request: &[u8], proxy: &Server, receiver: &Receiver, delivery: &mut Delivery) -> Result<(), Box<dyn Error>> {
    let before = receiver.received();
    let answer = client::exchange(&mut client::connect(proxy.address())?, request)?;
    format::check_answer(&answer, PAGE)?;
    delivery.note(1, PAGE as u64, receiver.settled(before + PAGE as u64)? - before);
    Ok(())
}
