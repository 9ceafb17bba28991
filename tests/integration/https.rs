//! HTTPS: both protocols, and clients that violate them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::client::post;
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

pub type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// A proxy with its own certificate, and the client settings that trust it.
pub struct Https {
    pub proxy: Proxy,
    pub receiver: Receiver,
    roots: RootCertStore,
    _files: TempDir,
}

impl Https {
    pub fn start(flags: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = tempfile::tempdir().expect("a temporary directory");
        let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).expect("a file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let (cert, key) = (format!("--tls-cert={}", cert.display()), format!("--tls-key={}", key.display()));
        let mut all = vec![port.as_str(), "--http-threads=1", &cert, &key];
        all.extend(flags);
        Self { proxy: Proxy::start_with(&mut command(&all)), receiver, roots, _files: files }
    }

    pub fn client_config(&self, alpn: &[&str]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    pub fn connect(&self, alpn: &[&str]) -> TlsClient {
        let stream = TcpStream::connect(self.proxy.address).expect("the proxy accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(self.client_config(alpn)), name).expect("a session");
        StreamOwned::new(session, stream)
    }

    /// A connection that has sent the HTTP/2 preface and empty settings.
    pub fn http2(&self) -> TlsClient {
        let mut client = self.connect(&["h2"]);
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the preface is taken");
        client.write_all(&frame(4, 0, 0, &[])).expect("the settings are taken");
        client
    }

    /// Checks that other requests are still served, and that only `expected` was sent.
    pub fn assert_sent(&self, expected: &[&str]) {
        let answer = one_request(&mut self.connect(&["http/1.1"]), &post("/count/last.good", ""));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert_eq!(self.receiver.until("last.good:1|c"), expected);
    }
}

pub fn one_request(client: &mut TlsClient, request: &str) -> String {
    client.write_all(request.as_bytes()).expect("the request is taken");
    let mut buffer = [0; 4096];
    let len = client.read(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `POST /count/a`, in HPACK (RFC 7541) without the dynamic table.
pub const REQUEST: &[u8] = b"\x83\x87\x04\x08/count/a\x01\x09localhost";

/// True if the peer closes, after any bytes.
pub fn is_closed(client: &mut TlsClient) -> bool {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

#[test]
fn http1_over_tls_with_and_without_alpn() {
    let https = Https::start(&[]);
    for alpn in [&["http/1.1"][..], &[]] {
        let mut client = https.connect(alpn);
        for _ in 0..2 {
            let answer = one_request(&mut client, &post("/count/a", "value=2"));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        }
    }
    https.assert_sent(&["a:2|c"; 4]);
}

#[test]
fn a_request_together_with_the_end_of_the_handshake_is_served() {
    let https = Https::start(&[]);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = ClientConnection::new(Arc::new(https.client_config(&["http/1.1"])), name).expect("a session");
    let mut stream = TcpStream::connect(https.proxy.address).expect("the proxy accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    session.write_tls(&mut stream).expect("the hello is taken");
    while session.is_handshaking() {
        session.read_tls(&mut stream).expect("the server's flight");
        session.process_new_packets().expect("a sound handshake");
    }
    // One write sends Finished and the request: the proxy decrypts both in its handshake, and no further event follows.
    session.writer().write_all(post("/count/a", "value=2").as_bytes()).expect("the session takes it");
    let mut both = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut both).expect("a Vec takes all");
    }
    stream.write_all(&both).expect("both are taken");
    assert_eq!(https.receiver.next(), "a:2|c");
    https.assert_sent(&[]);
}

#[test]
fn the_last_answer_over_tls_ends_with_close_notify() {
    let https = Https::start(&[]);
    let mut client = https.connect(&["http/1.1"]);
    let request = post("/count/a", "value=2").replacen("\r\n", "\r\nConnection: close\r\n", 1);
    client.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    // Without close_notify (RFC 8446 section 6.1) this is an error, because the answer could be truncated.
    client.read_to_string(&mut answer).expect("a clean end");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    https.assert_sent(&["a:2|c"]);
}

#[test]
fn http2_serves_many_requests_at_once() {
    let https = Https::start(&["--jwt-secret=a secret of more than thirty-two bytes"]);
    let config = https.client_config(&["h2", "http/1.1"]);
    let address = https.proxy.address;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let statuses: Vec<u16> = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the proxy accepts");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream =
            tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::handshake(stream).await.expect("a preface");
        tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("a peer that takes requests");
        let mut answers = Vec::new();
        for (method, path) in [("GET", "/heartbeat"), ("POST", "/count/a"), ("POST", "/nope/a"), ("DELETE", "/count/a")]
        {
            let uri = format!("https://localhost{path}");
            let request = http::Request::builder().method(method).uri(uri).header("origin", "https://shop.example");
            let (answer, mut body) =
                sender.send_request(request.body(()).expect("a request"), false).expect("a stream");
            body.send_data(Bytes::from_static(b"value=1"), true).expect("a body");
            answers.push(answer);
            sender = sender.ready().await.expect("a peer that takes requests");
        }
        let mut statuses = Vec::new();
        for answer in answers {
            let answer = answer.await.expect("an answer");
            assert_eq!(answer.headers().get("access-control-allow-origin").expect("CORS"), "https://shop.example");
            // See keepalive_budget.rs.
            assert_eq!(answer.headers().get("cache-control"), None);
            statuses.push(answer.status().as_u16());
        }
        statuses
    });
    assert_eq!(statuses, [200, 401, 404, 405]);
}

#[test]
fn http2_forwards_metrics_and_caps_bodies() {
    let https = Https::start(&[]);
    let mut client = https.http2();
    client.write_all(&frame(1, 5, 1, REQUEST)).expect("a request");
    assert_eq!(https.receiver.next(), "a:1|c");
    // A body without Content-Length that exceeds the limit, and a valid request on the next stream.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = https.client_config(&["h2"]);
    let address = https.proxy.address;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the proxy accepts");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream =
            tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        let (mut sender, connection) = h2::client::handshake(stream).await.expect("a preface");
        tokio::spawn(connection);
        let post = || http::Request::post("https://localhost/count/b").body(()).expect("a request");
        let (answer, mut body) = sender.send_request(post(), false).expect("a stream");
        let _ = body.send_data(Bytes::from(vec![b'x'; 200_000]), true);
        assert_eq!(answer.await.expect("an answer").status(), 413);
        let (answer, _) = sender.send_request(post(), true).expect("a stream");
        assert_eq!(answer.await.expect("an answer").status(), 200);
    });
    https.assert_sent(&["b:1|c"]);
}

#[test]
fn an_unfinished_handshake_is_closed() {
    let https = Https::start(&["--http-timeout-read=1"]);
    for part in [&b""[..], b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"] {
        let mut stream = TcpStream::connect(https.proxy.address).expect("the proxy accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        stream.write_all(part).expect("it is taken");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).expect("it is closed");
    }
    let mut plain = TcpStream::connect(https.proxy.address).expect("the proxy accepts");
    plain.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    plain.write_all(post("/count/a", "").as_bytes()).expect("it is taken");
    let mut rest = Vec::new();
    plain.read_to_end(&mut rest).expect("it is closed");
    assert!(!rest.starts_with(b"HTTP"), "plaintext is not served on an HTTPS port");
    https.assert_sent(&[]);
}

#[test]
fn slow_peers_over_tls_are_closed() {
    let https = Https::start(&["--http-timeout-read=1", "--http-timeout-write=1", "--http-timeout-idle=1"]);
    let mut silent = https.connect(&["http/1.1"]);
    silent.flush().expect("the handshake");
    let mut half = https.connect(&["http/1.1"]);
    half.write_all(b"POST /count/a HT").expect("half a head");
    let mut after_preface = https.http2();
    let mut in_headers = https.http2();
    in_headers.write_all(&frame(1, 0, 1, REQUEST)).expect("headers without their end");
    let mut in_body = https.http2();
    in_body.write_all(&frame(1, 4, 1, REQUEST)).expect("a request whose body never comes");
    for client in [&mut silent, &mut half, &mut after_preface, &mut in_headers, &mut in_body] {
        assert!(is_closed(client));
    }
    https.assert_sent(&[]);
}

#[test]
fn http2_floods_are_cut_off() {
    let https = Https::start(&[]);
    let request = |stream: u32| frame(1, 5, stream, REQUEST);
    type MakeFrame = Box<dyn Fn(u32) -> Vec<u8>>;
    let floods: [(&str, MakeFrame); 6] = [
        ("PING", Box::new(|_| frame(6, 0, 0, &[0; 8]))),
        ("SETTINGS", Box::new(|_| frame(4, 0, 0, &[]))),
        ("PRIORITY", Box::new(|_| frame(2, 0, 3, &[0, 0, 0, 0, 1]))),
        ("WINDOW_UPDATE", Box::new(|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("rapid resets", Box::new(move |i| [request(2 * i + 1), frame(3, 0, 2 * i + 1, &[0, 0, 0, 8])].concat())),
        ("empty DATA", Box::new(move |i| if i == 0 { frame(1, 4, 1, REQUEST) } else { frame(0, 0, 1, &[]) })),
    ];
    for (name, flood) in &floods {
        let mut client = https.http2();
        client.sock.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
        // Ten times the limit; the write fails once the peer has closed.
        let cut = (0..10_000).any(|i| client.write_all(&flood(i)).is_err());
        assert!(cut || is_closed(&mut client), "{name}");
    }
    let mut client = https.http2();
    let first = frame(1, 0, 1, &REQUEST[..1]);
    let cut = std::iter::once(first)
        .chain(std::iter::repeat_n(frame(9, 0, 1, b"\x00\x01a\x01b"), 10_000))
        .any(|part| client.write_all(&part).is_err());
    assert!(cut || is_closed(&mut client), "CONTINUATION");
    // Requests that were reset may have been served. The test only checks that others are still served.
    let mut other = https.connect(&["http/1.1"]);
    assert!(one_request(&mut other, &post("/count/other", "")).starts_with("HTTP/1.1 200"));
}

#[test]
fn http2_drains_with_goaway() {
    let mut https = Https::start(&[]);
    let mut client = https.http2();
    client.write_all(&frame(1, 5, 1, REQUEST)).expect("a request");
    assert_eq!(https.receiver.next(), "a:1|c");
    https.proxy.signal(rustix::process::Signal::TERM);
    client.sock.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout above zero");
    let mut all = Vec::new();
    let _ = client.read_to_end(&mut all);
    let goaway = all.windows(5).any(|w| w[0] == 7 && w[1..] == [0, 0, 0, 0]);
    assert!(goaway, "no GOAWAY in {all:?}");
    assert!(https.proxy.wait().success());
}
