//! Measures what a request costs, beside a bare epoll loop and nginx, and what an idle connection costs; and that no
//! accepted metric is lost. Writes `results/latest.md` and `results/latest.svg`, and fails when a limit is exceeded.

#![forbid(unsafe_code)]

mod accounting;
mod chart;
mod contest;
mod credentials;
mod idle;
mod load;
mod machine;
mod poll;
mod receiver;
mod report;
mod scenario;
mod server;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::credentials::Certificate;
use crate::machine::Machine;
use crate::receiver::Receiver;
use crate::report::Report;

/// Where the figures go.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");

/// File descriptors beyond one for each idle connection, on either side.
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

/// Measures, prints and writes everything; returns what is not good enough.
fn run() -> Result<Vec<String>, Box<dyn Error>> {
    leave_the_servers_their_core()?;
    raise_file_limit()?;
    let machine = Machine::inspect()?;
    let directory = tempfile::tempdir()?;
    let certificate = Certificate::generate(directory.path())?;
    let receiver = Receiver::start()?;

    let mut outcomes = Vec::new();
    for scenario in scenario::all(&credentials::token()?) {
        eprintln!("{} ...", scenario.name);
        outcomes.push(contest::run(scenario, &receiver, &certificate, directory.path())?);
    }
    eprintln!("{} idle connections ...", idle::CONNECTIONS);
    let idle = idle::plain(&receiver, directory.path())?;
    let idle_tls = idle::tls(&receiver, &certificate, directory.path())?;

    let report = Report { machine, outcomes, idle, idle_tls };
    let page = report.markdown();
    println!("{page}");
    fs::create_dir_all(RESULTS)?;
    fs::write(Path::new(RESULTS).join("latest.md"), page)?;
    fs::write(Path::new(RESULTS).join("latest.svg"), chart::svg(&report.outcomes))?;
    let mut failures = report.failures();
    failures.extend(receiver.trouble()?);
    Ok(failures)
}

/// Moves this process, and the threads it will have, to wrk's core.
fn leave_the_servers_their_core() -> Result<(), Box<dyn Error>> {
    let mut cores = CpuSet::new();
    cores.set(load::CORE);
    sched_setaffinity(None, &cores).map_err(|error| format!("cannot run on core {}: {error}", load::CORE))?;
    Ok(())
}

/// Makes room for the idle connections, in this process and in the proxy, which inherits the limit.
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
