//! `--demo`: a StatsD receiver in the same process, on a UDP socket like any other, that prints what arrives, and a page
//! that shows it live.

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

/// How long the sample token is valid, in seconds: a day of trying things out.
const TOKEN_SECONDS: u64 = 86_400;

/// Why there is no demo.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// No socket or no thread for the receiver.
    #[error("cannot start the demo's StatsD receiver")]
    Receiver(#[from] io::Error),
    /// The secret cannot sign.
    #[error("cannot sign the demo's sample token")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// How long the end of the process waits until standard output has all lines.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Standard output, written by a thread of its own: the page goes on when nobody reads it.
#[derive(Clone, Debug)]
pub(crate) struct Console(BoundedWriter);

impl Console {
    fn start() -> io::Result<Self> {
        let tell = |writer: &BoundedWriter, dropped| {
            let _ = writer.push(format!("({dropped} lines were not shown in time)\n").as_bytes(), Priority::Important);
        };
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        BoundedWriter::start("demo-console", out, tell).map(Self)
    }

    /// Shows a line. If too many wait already, only their number is shown.
    pub(crate) fn show(&self, line: &str) {
        let _ = self.0.push(format!("{line}\n").as_bytes(), Priority::Routine);
    }

    /// Lets what was shown be written, for the end of the process.
    pub(crate) fn finish(&self) {
        self.0.finish(LAST_LINES);
    }
}

/// Starts the receiver on a free port of 127.0.0.1, and returns where it listens, what its page shows, and where its lines
/// are shown. It ends with the process.
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

/// How to send a first metric to `http`.
pub(crate) fn greeting(config: &Config, http: SocketAddr, statsd: SocketAddr) -> Result<String, DemoError> {
    let (scheme, insecure) = if config.policy.tls.is_some() { ("https", " -k") } else { ("http", "") };
    let token = config.policy.secret.as_ref().map(|secret| auth::sample_token(secret, TOKEN_SECONDS)).transpose()?;
    let header = token.as_ref().map(|token| format!(" -H 'X-JWT-Token: {token}'")).unwrap_or_default();
    let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
    let base = &config.api.routes.base;
    Ok(format!(
        "The proxy listens on {scheme}://{http} and sends to the demo's StatsD receiver on {statsd}.\n\
         Open the page that shows it live:\n\n  \
         {scheme}://{http}{base}/{query}\n\n\
         or send a first metric from another terminal:\n\n  \
         curl -i{insecure}{header} -d value=1 {scheme}://{http}{base}/count/demo.hello\n\n\
         What StatsD receives is shown here, with its time (UTC):"
    ))
}
