//! `--demo`: a StatsD receiver in the same process, on a UDP socket like any other, that prints what arrives, and a page
//! that shows it live.

pub mod access;
pub mod aggregate;
pub mod feed;
pub mod page;
pub mod receiver;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use thiserror::Error;
use tracing::warn;

use crate::auth;
use crate::config::Config;
use crate::demo::feed::Feed;

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

/// Starts the receiver on a free port of 127.0.0.1, and returns where it listens, and what it shows. It ends with the
/// process.
pub fn start() -> Result<(SocketAddr, Feed), DemoError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let feed = Feed::default();
    let shown = feed.clone();
    std::thread::Builder::new().name("demo-statsd".to_owned()).spawn(move || {
        if let Err(error) = receiver::run(&socket, &shown) {
            warn!("the demo's StatsD receiver ended: {error}");
        }
    })?;
    Ok((address, feed))
}

/// How to send a first metric to `http`.
pub fn greeting(config: &Config, http: SocketAddr, statsd: SocketAddr) -> Result<String, DemoError> {
    let (scheme, insecure) = if config.tls.is_some() { ("https", " -k") } else { ("http", "") };
    let token = config.jwt_secret.as_ref().map(|secret| auth::sample_token(secret, TOKEN_SECONDS)).transpose()?;
    let header = token.as_ref().map(|token| format!(" -H 'X-JWT-Token: {token}'")).unwrap_or_default();
    let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
    let base = &config.routes.base;
    Ok(format!(
        "The proxy listens on {scheme}://{http} and sends to the demo's StatsD receiver on {statsd}.\n\
         Open the page that shows it live:\n\n  \
         {scheme}://{http}{base}/{query}\n\n\
         or send a first metric from another terminal:\n\n  \
         curl -i{insecure}{header} -d value=1 {scheme}://{http}{base}/count/demo.hello\n\n\
         What StatsD receives is shown here, with its time (UTC):"
    ))
}
