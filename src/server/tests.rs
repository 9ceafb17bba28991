//! Parts of the server that must not end: when one does, the process drains, and logs it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::Config;
use crate::config::arguments::CommandLine;
use crate::server::{self, Process, ServeError};
use crate::telemetry::log::{Format, Log};

/// The longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the proxy.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("the proxy reads");
    }

    /// The status line of an answer without a body.
    fn status(&mut self) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer");
            answer.extend(byte);
        }
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A StatsD whose datagrams a test reads.
struct Receiver(UdpSocket);

impl Receiver {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 1500];
        let length = self.0.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

/// Serves in this process, where the accept loop can be made to fail: it waits for `shutdown`.
fn serve(receiver: &Receiver, shutdown: impl Future<Output = ()> + Send + 'static) -> (Client, ServeResult) {
    let flags = [
        "--http-port=0".to_owned(),
        format!("--statsd-port={}", receiver.0.local_addr().expect("an address").port()),
        "--http-threads=2".to_owned(),
    ];
    let line = CommandLine::read(flags.into_iter().map(Into::into), |_| None);
    let config = Config::new(&line).expect("good flags");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = Client::connect(listener.local_addr().expect("an address"));
    let served =
        std::thread::spawn(move || server::serve(Arc::new(config), listener, None, None, Process::default(), shutdown));
    (client, served)
}

type ServeResult = std::thread::JoinHandle<Result<(), ServeError>>;

#[test]
fn the_end_of_the_accept_loop_drains_and_is_an_error() {
    let receiver = Receiver::new();
    let (fault, faulty) = tokio::sync::oneshot::channel::<()>();
    let (mut client, served) = serve(&receiver, async {
        let _ = faulty.await;
        panic!("a bug in the accept loop");
    });
    let request = post("/count/a", "value=7");
    let (first, second) = request.split_at(request.len() - 3);
    client.send(&post("/count/b", ""));
    assert_eq!(client.status(), "HTTP/1.1 200 OK");
    client.send(first);
    fault.send(()).expect("the accept loop runs");
    client.send(second);
    assert_eq!(client.status(), "HTTP/1.1 200 OK", "what has begun is finished");
    let result = served.join().expect("the panic stays in its task");
    assert!(matches!(result, Err(ServeError::Ended("accept loop"))), "{result:?}");
    assert_eq!([receiver.next(), receiver.next()], ["b:1|c", "a:7|c"]);
}

#[test]
fn a_requested_shutdown_is_no_error() {
    let receiver = Receiver::new();
    let (asked, ask) = tokio::sync::oneshot::channel::<()>();
    let (mut client, served) = serve(&receiver, async {
        let _ = ask.await;
    });
    client.send(&post("/count/a", ""));
    assert_eq!(client.status(), "HTTP/1.1 200 OK");
    drop(client);
    asked.send(()).expect("the accept loop runs");
    assert!(served.join().expect("no panic").is_ok());
    assert_eq!(receiver.next(), "a:1|c");
}

/// Set for the process in which [`a_process_that_panics`] panics.
const PANICS: &str = "LOG_OF_PANICS";

/// Not a test of its own: the next one runs it in another process, since how a panic is reported is the whole process's.
#[test]
fn a_process_that_panics() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let process = Process::default();
    let log = Log::start(Arc::clone(&process.counters)).expect("a thread");
    log.init(Format::Json);
    let secret = "a client's data";
    let first = std::thread::Builder::new().name("first".to_owned()).spawn(|| panic!("a fixed message"));
    assert!(first.expect("a thread").join().is_err());
    let second = std::thread::spawn(move || panic!("{secret}"));
    assert!(second.join().is_err());
    tracing::info!("{}", process.counters.all());
    log.finish();
    assert_eq!(process.counters.panics.load(Ordering::Relaxed), 2);
}

/// This test binary as the process that panics.
fn that_panics() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(["--exact", "server::tests::a_process_that_panics"]).env(PANICS, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn a_panic_is_a_log_line_and_counted() {
    let output = that_panics().stderr(Stdio::piped()).output().expect("this binary runs");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    assert!(text.contains("panic in thread \\\"first\\\" at ") && text.contains(": a fixed message"), "{text}");
    assert!(lines.len() == 3 && text.contains(" 2 panics") && !text.contains("client's data"), "{text}");
}

#[test]
fn a_panic_needs_no_reader_of_the_log() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    assert!(that_panics().stderr(writer).status().expect("this binary runs").success());
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    assert!(that_panics().stderr(full).status().expect("this binary runs").success());
}
