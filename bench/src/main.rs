//! Measures the cost of a request, compared with an epoll loop and nginx; the cost of a metric in a batch; the delay
//! that a batch of the largest size causes; the cost of the most expensive bodies; and the memory of an idle
//! connection. Checks that no accepted metric is lost. Fails if a limit is exceeded.
//!
//! Writes `results/latest.md` and `results/latest.svg`. With a text as argument, runs only the parts with this text in
//! their name, and prints the results without writing them, because they are incomplete.

#![forbid(unsafe_code)]

mod accounting;
mod batch;
mod chart;
mod client;
mod contest;
mod credentials;
mod delivery;
mod format;
mod hold;
mod idle;
mod load;
mod machine;
mod metrics;
mod poll;
mod receiver;
mod report;
mod scenario;
mod selection;
mod server;
#[path = "../../tests/shapes/mod.rs"]
mod shapes;
mod turn;
mod worst;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::credentials::Certificate;
use crate::idle::Transport;
use crate::machine::Machine;
use crate::metrics::Metric;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::selection::Selection;

/// Directory of the results.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");

/// File descriptors in addition to one per idle connection, on each side.
const RESERVED_FILES: u64 = 256;

fn main() -> ExitCode {
    let failures = match run() {
        Ok(failures) => failures,
        Err(error) => vec![error.to_string()],
    };
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures the selected parts, prints and writes the results, and returns the failures.
fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let selection = Selection::new(std::env::args().skip(1))?;
    leave_the_servers_their_core()?;
    raise_file_limit()?;
    let receiver = Receiver::start(lines())?;
    let report = measure(&selection, &receiver)?;
    if report.is_empty() {
        return Err("nothing has that text in its name".into());
    }
    let page = report.markdown();
    println!("{page}");
    if selection.is_whole() {
        fs::create_dir_all(RESULTS)?;
        fs::write(Path::new(RESULTS).join("latest.md"), page)?;
        fs::write(Path::new(RESULTS).join("latest.svg"), chart::svg(&report.outcomes))?;
    }
    let mut failures = report.failures();
    failures.extend(receiver.trouble()?);
    Ok(failures)
}

/// Runs the selected parts, one by one.
fn measure(selection: &Selection, receiver: &Receiver) -> Result<Report, Box<dyn Error>> {
    let machine = Machine::inspect()?;
    let directory = tempfile::tempdir()?;
    let certificate = Certificate::generate(directory.path())?;
    let asked_for = |name: &str| {
        let included = selection.includes(name);
        if included {
            eprintln!("{name} ...");
        }
        included
    };
    let mut report = Report { machine, outcomes: vec![], batches: vec![], holds: vec![], idle: vec![], worst: vec![] };
    for scenario in scenario::all(&credentials::token()?) {
        if asked_for(scenario.name) {
            report.outcomes.push(contest::run(scenario, receiver, &certificate, directory.path())?);
        }
    }
    for batch in batch::ALL {
        if asked_for(&batch.name()) {
            report.batches.push(batch::run(batch, receiver, directory.path())?);
        }
    }
    for format in hold::FORMATS {
        if asked_for(&hold::name(format)) {
            report.holds.push(hold::run(format, receiver, directory.path())?);
        }
    }
    if asked_for(worst::NAME) {
        report.worst = worst::run(directory.path())?;
    }
    for transport in Transport::ALL {
        if asked_for(&transport.name()) {
            report.idle.push(idle::run(transport, receiver, &certificate, directory.path())?);
        }
    }
    Ok(report)
}

/// All expected lines.
fn lines() -> impl Iterator<Item = String> {
    let page = metrics::page().into_iter().map(|metric| metric.line());
    page.chain([scenario::LINE.to_owned(), Metric::shortest().line()])
}

/// Moves this process and its later threads to the core of wrk.
fn leave_the_servers_their_core() -> Result<(), Box<dyn Error>> {
    let mut cores = CpuSet::new();
    cores.set(load::CORE);
    sched_setaffinity(None, &cores).map_err(|error| format!("cannot run on core {}: {error}", load::CORE))?;
    Ok(())
}

/// Raises the limit on open files for the idle connections, in this process and in the proxy, which inherits it.
fn raise_file_limit() -> Result<(), Box<dyn Error>> {
    let needed = idle::CONNECTIONS as u64 + RESERVED_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised)
            .map_err(|error| format!("{needed} open files are needed, see ulimit -n: {error}"))?;
    }
    Ok(())
}
