//! `--demo`: a StatsD receiver in the same process, with a UDP socket of its own. It prints the lines that it receives,
//! and a page shows them and the metrics.

pub(crate) mod aggregate;
pub(crate) mod page;
pub(crate) mod receiver;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use thiserror::Error;

use crate::api::event_feed::Feed;
use crate::api::site::Site;
use crate::auth;
use crate::config::Config;
use crate::server::supervisor::Supervisor;
use crate::telemetry::log::{BoundedWriter, Priority};

/// Validity of the sample token, in seconds: a day.
const TOKEN_SECONDS: u64 = 86_400;

/// The reason why the demo cannot start.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// The socket or the thread of the receiver cannot be created.
    #[error("cannot start the demo's StatsD receiver")]
    Receiver(#[from] io::Error),
    /// The secret cannot sign a token.
    #[error("cannot sign the demo's sample token")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// Longest wait for the last lines on standard output at the end of the process.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Standard output, which a thread writes: the page is not affected if nobody reads it.
#[derive(Clone, Debug)]
pub(crate) struct Console(BoundedWriter);

impl Console {
    fn start() -> io::Result<Self> {
        let tell = |writer: &BoundedWriter, dropped| {
            let _ = writer.push(format!("({dropped} lines were dropped)\n").as_bytes(), Priority::Important);
        };
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        BoundedWriter::start("demo-console", out, tell).map(Self)
    }

    /// Prints a line. If the buffer is full, the line is dropped and counted.
    pub(crate) fn show(&self, line: &str) {
        let _ = self.0.push(format!("{line}\n").as_bytes(), Priority::Routine);
    }

    /// Waits until the lines are written, but at most [`LAST_LINES`]. For the end of the process.
    pub(crate) fn finish(&self) {
        self.0.finish(LAST_LINES);
    }
}

/// Starts the receiver on a free port of 127.0.0.1. Returns its address, its page and its console. It ends with the
/// process.
pub(crate) fn start(supervisor: Supervisor) -> Result<(SocketAddr, Site, Console), DemoError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let feed = Feed::new(&receiver::hello());
    let console = Console::start()?;
    let (shown, lines) = (feed.clone(), console.clone());
    std::thread::Builder::new()
        .name("demo-statsd".to_owned())
        .spawn(move || supervisor.guard("demo's StatsD receiver", || receiver::run(&socket, &shown, &lines)))?;
    Ok((address, Site { files: &page::FILES, feed }, console))
}

/// The text that explains how to open the page and how to send a first metric to `http`.
pub(crate) fn greeting(config: &Config, http: SocketAddr, statsd: SocketAddr) -> Result<String, DemoError> {
    let (scheme, insecure) = if config.policy.tls.is_some() { ("https", " -k") } else { ("http", "") };
    let token = config.policy.secret.as_ref().map(|secret| auth::sample_token(secret, TOKEN_SECONDS)).transpose()?;
    let header = token.as_ref().map(|token| format!(" -H 'X-JWT-Token: {token}'")).unwrap_or_default();
    let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
    let base = &config.api.routes.base;
    Ok(format!(
        "The proxy listens on {scheme}://{http} and sends to the demo's StatsD receiver on {statsd}.\n\
         Open its page:\n\n  \
         {scheme}://{http}{base}/{query}\n\n\
         or send a first metric from another terminal:\n\n  \
         curl -i{insecure}{header} -d value=1 {scheme}://{http}{base}/count/demo.hello\n\n\
         Lines that StatsD receives, with their time (UTC):"
    ))
}
