//! Start and exit code.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use statsd_http_proxy::cli::{self, CommandLine};
use statsd_http_proxy::config::Config;
use statsd_http_proxy::shutdown::Signals;
use statsd_http_proxy::statsd::resolver::Endpoint;
use statsd_http_proxy::tls::Tls;
use statsd_http_proxy::{client_script, demo, listener, log, server};
use tracing::{info, warn};

/// Thousands of small buffers come and go: this allocator gives idle ones back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a command line that cannot be read, as Go's flag package has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut line = CommandLine::read(std::env::args_os().skip(1), |name| std::env::var_os(name));
    if line.asks("help") {
        return print(&cli::help());
    }
    if line.asks("version") {
        let version = format!("{} {} ({})\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), env!("COMMIT"));
        return print(&version);
    }
    line.note_unknown_variables(std::env::vars_os());
    let config = match Config::new(&line) {
        Ok(config) => config,
        Err(errors) => {
            // Nobody is left to be told that standard error is closed.
            let _ = writeln!(std::io::stderr(), "{errors}");
            return ExitCode::from(USAGE);
        }
    };
    log::init(config.log_format);
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output. A reader that has enough, as `head` has, is no error.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(mut config: Config) -> Result<(), Box<dyn Error>> {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let tls = config.tls.as_ref().map(Tls::load).transpose()?;
    let listener = listener::bind(&config.http_host, config.http_port)?;
    let http = listener.local_addr()?;
    let (receiver, feed) = if config.demo { Some(demo::start()?) } else { None }.unzip();
    if let Some(receiver) = receiver {
        config.statsd = Endpoint { host: receiver.ip().to_string(), port: receiver.port() };
    }
    // What the limit on open files leaves, so that the start line says what holds.
    config.max_connections = server::places(&config);
    if let Some(warning) = config.exposure(http) {
        warn!("{warning}");
    }
    let start_line = config.start_line(http);
    let greeting = receiver.map(|receiver| demo::greeting(&config, http, receiver)).transpose()?;
    client_script::prepare();
    let shutdown = async move {
        let signals = Signals::catch();
        // Only now: whoever reads that we listen may send a signal.
        info!("{start_line}");
        if let Some(greeting) = greeting {
            println!("{greeting}");
        }
        match signals {
            Ok(signals) => signals.first().await,
            Err(error) => {
                warn!("signals end the process without a drain: {error}");
                std::future::pending().await
            }
        }
    };
    let counters = server::serve(Arc::new(config), listener, tls, feed, shutdown)?;
    info!("stopped: {counters}");
    Ok(())
}

/// An error with its causes, each told once.
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
