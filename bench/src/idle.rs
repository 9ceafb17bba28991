//! What a connection costs that has made a request and waits for its next.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::contest::Delivery;
use crate::credentials::{Certificate, SERVER_NAME};
use crate::poll;
use crate::receiver::Receiver;
use crate::scenario::plain_request;
use crate::server::{ProxyOptions, Server};

/// Connections held open: half of the proxy's default limit, and enough for the allocator's rounding to average out.
pub const CONNECTIONS: usize = 5_000;

/// The most memory an idle connection may cost, in KiB.
pub const LIMIT_KIB: f64 = 11.0;

/// How long the proxy's memory must not change: longer than it keeps a quiet connection's state (300 ms).
const QUIET: Duration = Duration::from_millis(1_500);

/// How long to wait for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Room for the head of an empty answer, in bytes.
const MAX_ANSWER: usize = 1024;

/// What idle connections came to.
pub struct Idle {
    /// Anonymous memory for each, in KiB.
    pub kib: f64,
    /// The metrics of their requests.
    pub delivery: Delivery,
}

/// Measures a proxy that serves HTTP.
pub fn plain(receiver: &Receiver, directory: &Path) -> Result<Idle, Box<dyn Error>> {
    let directory = directory.join("idle");
    fs::create_dir(&directory)?;
    let options = ProxyOptions { statsd: receiver.address(), token: false, certificate: None };
    let server = Server::proxy(&options, &directory)?;
    measure(&server, receiver, || tcp(&server))
}

/// Measures a proxy that serves HTTPS.
pub fn tls(receiver: &Receiver, certificate: &Certificate, directory: &Path) -> Result<Idle, Box<dyn Error>> {
    let directory = directory.join("idle-tls");
    fs::create_dir(&directory)?;
    let options = ProxyOptions { statsd: receiver.address(), token: false, certificate: Some(certificate) };
    let server = Server::proxy(&options, &directory)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone())?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // As browsers that are new here: none resumes another's session.
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    measure(&server, receiver, || {
        let client = ClientConnection::new(Arc::clone(&config), ServerName::try_from(SERVER_NAME)?)?;
        Ok(StreamOwned::new(client, tcp(&server)?))
    })
}

fn tcp(server: &Server) -> Result<TcpStream, Box<dyn Error>> {
    let stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

fn measure<S: Read + Write>(
    server: &Server,
    receiver: &Receiver,
    connect: impl Fn() -> Result<S, Box<dyn Error>>,
) -> Result<Idle, Box<dyn Error>> {
    let request = plain_request();
    let received = receiver.received();
    let memory = || poll::settled(QUIET, PATIENCE, |_| true, || server.anonymous_memory());
    let before = memory()?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut connection = connect()?;
        exchange(&mut connection, &request)?;
        connections.push(connection);
    }
    let after = memory()?;
    // They must not be cheap because they are gone.
    for connection in &mut connections {
        exchange(connection, &request)?;
    }
    let accepted = 2 * CONNECTIONS as u64;
    let mut delivery = Delivery::default();
    delivery.note(accepted, receiver.settled(received + accepted)? - received);
    Ok(Idle { kib: after.saturating_sub(before) as f64 / 1024.0 / CONNECTIONS as f64, delivery })
}

/// Makes one request; an error unless the answer is a 200 without a body.
fn exchange(connection: &mut (impl Read + Write), request: &str) -> Result<(), Box<dyn Error>> {
    connection.write_all(request.as_bytes())?;
    connection.flush()?;
    let mut answer = [0; MAX_ANSWER];
    let mut filled = 0;
    while !answer[..filled].ends_with(b"\r\n\r\n") {
        match connection.read(&mut answer[filled..])? {
            0 => return Err("an idle connection was closed".into()),
            read => filled += read,
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("an idle connection was answered {:?}", String::from_utf8_lossy(&answer[..filled])).into());
    }
    Ok(())
}
