//! The process, from its command line to its exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use crate::api::client_script;
use crate::config::Config;
use crate::config::arguments::CommandLine;
use crate::config::{flags, help};
use crate::demo;
use crate::net::listener;
use crate::net::tls::Tls;
use crate::server::signals::{self, Shutdown};
use crate::server::{self, Process};
use crate::telemetry::log::Log;
use crate::upstream::address::Address;
use crate::upstream::resolver::Endpoint;
use tracing::{error, info, warn};

/// The exit code for a wrong command line, as in Go's flag package.
const USAGE: u8 = 2;

/// Runs the server until a signal ends it. Returns the exit code: 0 after a drain, 1 for an error, which is in the log,
/// 2 for a wrong command line.
pub fn run() -> ExitCode {
    let mut line = CommandLine::read(std::env::args_os().skip(1), |name| std::env::var_os(name));
    if line.asks(&flags::HELP) {
        return answer(&help::help());
    }
    if line.asks(&flags::VERSION) {
        let (name, version, commit) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), env!("COMMIT"));
        return answer(&format!("{name} {version} ({commit})\n"));
    }
    line.note_unknown_variables(std::env::vars_os());
    // Signals are handled before any step that may take long.
    let process = Process::default();
    let started = Log::start(Arc::clone(&process.counters)).and_then(|log| {
        let shutdown = signals::handle_signals(&log, &process.counters, &process.supervisor)?;
        Ok((log, shutdown))
    });
    let (log, shutdown) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("cannot start the threads for the log and for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let config = match Config::new(&line) {
        Ok(config) => config,
        Err(errors) => {
            complain(&errors.to_string());
            return ExitCode::from(USAGE);
        }
    };
    log.init(config.log_format);
    let result = serve(config, &process, shutdown);
    if let Err(error) = &result {
        error!("{}", chain(error.as_ref()));
    }
    log.finish();
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes `text` to standard output. A reader that closes the pipe early, such as `head`, is not an error.
fn answer(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes an error to standard error before the log exists. If that fails too, the exit code remains.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn serve(mut config: Config, process: &Process, shutdown: Arc<Shutdown>) -> Result<(), Box<dyn Error>> {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let tls = config.policy.tls.as_ref().map(Tls::load).transpose()?;
    shutdown.listening();
    let listener = listener::bind(&config.server.host, config.server.port)?;
    let http = listener.local_addr()?;
    let demo = if config.demo { Some(demo::start(process.supervisor.clone())?) } else { None };
    if let Some((receiver, ..)) = &demo {
        let endpoint = Endpoint { host: receiver.ip().to_string(), port: receiver.port() };
        config.upstream.addresses = vec![Address::udp(endpoint)];
    }
    // The limit on open files may allow fewer connections. The start line shows the number in use.
    config.server.max_connections = server::max_connections(&config);
    if let Some(warning) = config.exposure(http) {
        warn!("{warning}");
    }
    let start_line = config.start_line(http);
    let greeting = demo.as_ref().map(|(receiver, ..)| demo::greeting(&config, http, *receiver)).transpose()?;
    let (site, console) = demo.map(|(_, site, console)| (site, console)).unzip();
    let shown = console.clone().zip(greeting);
    client_script::prepare();
    let asked = async move {
        info!("{start_line}");
        if let Some((console, greeting)) = shown {
            console.show(&greeting);
        }
        shutdown.asked().await;
    };
    let result = server::serve(Arc::new(config), listener, tls, site, process.clone(), asked);
    for delivery in process.counters.of_each_address() {
        info!("{delivery}");
    }
    info!("stopped: {}", process.counters);
    if let Some(console) = console {
        console.finish();
    }
    Ok(result?)
}

/// An error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
