//! The memory of a connection that has sent a request, and waits for the next one.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client;
use crate::credentials::{Certificate, SERVER_NAME};
use crate::delivery::Delivery;
use crate::poll;
use crate::receiver::Receiver;
use crate::scenario::plain_request;
use crate::server::{ProxyOptions, Server};

/// Number of open connections: half of the default limit, and enough to average the rounding of the allocator.
pub const CONNECTIONS: usize = 5_000;

/// Limit of the memory per idle HTTP connection, in KiB.
const LIMIT_KIB: f64 = 11.0;

/// Time in which the memory of the proxy must not change: longer than it keeps the state of a quiet connection (300
/// ms).
const QUIET: Duration = Duration::from_millis(1_500);

/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// The protocol of the connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// HTTP.
    Plain,
    /// HTTPS.
    Tls,
}

impl Transport {
    /// All transports, in the order of the table.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    /// For the table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Plain => "HTTP",
            Self::Tls => "HTTPS",
        }
    }

    /// The name, which tells it from everything else that is measured.
    pub fn name(self) -> String {
        format!("idle connections, {}", self.label())
    }

    /// Limit of the memory per connection, in KiB. None with TLS, because most of it belongs to the TLS library.
    pub fn limit(self) -> Option<f64> {
        match self {
            Self::Plain => Some(LIMIT_KIB),
            Self::Tls => None,
        }
    }
}

/// The result for idle connections.
pub struct Idle {
    /// Their protocol.
    pub transport: Transport,
    /// Anonymous memory per connection, in KiB.
    pub kib: f64,
    /// The metrics of their requests.
    pub delivery: Delivery,
}

/// Measures a proxy that serves `transport`, whose files are in a new directory in `directory`.
pub fn run(
    transport: Transport,
    receiver: &Receiver,
    certificate: &Certificate,
    directory: &Path,
) -> Result<Idle, Box<dyn Error>> {
    let directory = directory.join(transport.name().replace(' ', "-"));
    fs::create_dir(&directory)?;
    let options = ProxyOptions {
        statsd: receiver.address(),
        token: false,
        certificate: (transport == Transport::Tls).then_some(certificate),
        flags: &[],
    };
    let server = Server::proxy(&options, &directory)?;
    let (kib, delivery) = match transport {
        Transport::Plain => measure(&server, receiver, || client::connect(server.address()))?,
        Transport::Tls => {
            let config = Arc::new(newcomer(certificate)?);
            measure(&server, receiver, || {
                let client = ClientConnection::new(Arc::clone(&config), ServerName::try_from(SERVER_NAME)?)?;
                Ok(StreamOwned::new(client, client::connect(server.address())?))
            })?
        }
    };
    Ok(Idle { transport, kib, delivery })
}

/// Settings of new browsers: no connection resumes the session of another.
fn newcomer(certificate: &Certificate) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone())?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Memory per connection in KiB, and the delivery of the requests' metrics.
fn measure<S: Read + Write>(
    server: &Server,
    receiver: &Receiver,
    connect: impl Fn() -> Result<S, Box<dyn Error>>,
) -> Result<(f64, Delivery), Box<dyn Error>> {
    let request = plain_request();
    let received = receiver.received();
    let memory = || poll::settled(QUIET, PATIENCE, |_| true, || server.anonymous_memory());
    let before = memory()?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut connection = connect()?;
        client::exchange(&mut connection, request.as_bytes())?;
        connections.push(connection);
    }
    let after = memory()?;
    // The connections must still be open, or the result would be too low.
    for connection in &mut connections {
        client::exchange(connection, request.as_bytes())?;
    }
    let requests = 2 * CONNECTIONS as u64;
    let mut delivery = Delivery::default();
    delivery.note(requests, 1, receiver.settled(received + requests)? - received);
    Ok((after.saturating_sub(before) as f64 / 1024.0 / CONNECTIONS as f64, delivery))
}
