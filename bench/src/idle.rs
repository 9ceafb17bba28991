//! What a connection costs that has made a request and waits for its next.

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

/// Connections held open: half of the proxy's default limit, and enough for the allocator's rounding to average out.
pub const CONNECTIONS: usize = 5_000;

/// The most memory an idle HTTP connection may cost, in KiB.
const LIMIT_KIB: f64 = 11.0;

/// How long the proxy's memory must not change: longer than it keeps a quiet connection's state (300 ms).
const QUIET: Duration = Duration::from_millis(1_500);

/// How long to wait for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the connections speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// HTTP.
    Plain,
    /// HTTPS.
    Tls,
}

impl Transport {
    /// In the table's order.
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

    /// The most memory that a connection may cost, in KiB. With TLS, most of it is the library's.
    pub fn limit(self) -> Option<f64> {
        match self {
            Self::Plain => Some(LIMIT_KIB),
            Self::Tls => None,
        }
    }
}

/// What idle connections came to.
pub struct Idle {
    /// What they speak.
    pub transport: Transport,
    /// Anonymous memory for each, in KiB.
    pub kib: f64,
    /// The metrics of their requests.
    pub delivery: Delivery,
}

/// Measures a proxy that serves `transport`; its files go to a new directory in `directory`.
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

/// As browsers that are new here: none resumes another's session.
fn newcomer(certificate: &Certificate) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone())?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Memory of a connection in KiB, and what became of the requests' metrics.
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
    // They must not be cheap because they are gone.
    for connection in &mut connections {
        client::exchange(connection, request.as_bytes())?;
    }
    let requests = 2 * CONNECTIONS as u64;
    let mut delivery = Delivery::default();
    delivery.note(requests, 1, receiver.settled(received + requests)? - received);
    Ok((after.saturating_sub(before) as f64 / 1024.0 / CONNECTIONS as f64, delivery))
}
