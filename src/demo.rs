//! `--demo`: a StatsD receiver in the same process, on a UDP socket like any other, that prints what arrives.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::auth;
use crate::config::Config;

/// The largest datagram that UDP carries.
const MAX_DATAGRAM: usize = 65_535;

/// How long the sample token is valid, in seconds: a day of trying things out.
const TOKEN_SECONDS: u64 = 86_400;

/// Why there is no demo.
#[derive(Debug, Error)]
pub enum DemoError {
    /// No socket or no thread for the receiver.
    #[error("cannot start the demo's StatsD receiver")]
    Receiver(#[from] io::Error),
    /// The secret cannot sign.
    #[error("cannot sign the demo's sample token")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// Starts the receiver on a free port of 127.0.0.1, and returns where it listens. It ends with the process.
pub fn start() -> Result<SocketAddr, DemoError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    std::thread::Builder::new().name("demo-statsd".to_owned()).spawn(move || print_lines(&socket))?;
    Ok(address)
}

/// How to send a first metric to `http`.
pub fn greeting(config: &Config, http: SocketAddr, statsd: SocketAddr) -> Result<String, DemoError> {
    let (scheme, insecure) = if config.tls.is_some() { ("https", " -k") } else { ("http", "") };
    let token = match &config.jwt_secret {
        Some(secret) => format!(" -H 'X-JWT-Token: {}'", auth::sample_token(secret, TOKEN_SECONDS)?),
        None => String::new(),
    };
    Ok(format!(
        "The proxy listens on {scheme}://{http} and sends to the demo's StatsD receiver on {statsd}.\n\
         Send a first metric from another terminal:\n\n  \
         curl -i{insecure}{token} -d value=1 {scheme}://{http}/count/demo.hello\n\n\
         What StatsD receives is shown here, with its time (UTC):"
    ))
}

/// Prints every line that arrives, until nobody reads.
fn print_lines(socket: &UdpSocket) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    while let Ok(len) = socket.recv(&mut buffer) {
        let time = time_of_day();
        let mut out = io::stdout().lock();
        for line in String::from_utf8_lossy(&buffer[..len]).lines() {
            if writeln!(out, "{time}  {line}").is_err() {
                return;
            }
        }
        if out.flush().is_err() {
            return;
        }
    }
}

fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, since.subsec_millis())
}
