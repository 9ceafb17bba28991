//! The real StatsD daemon (npm `statsd`), asked through its management port.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::PATIENCE;

/// A running daemon. It is killed when dropped.
pub struct StatsD {
    child: Child,
    pub port: u16,
    management: u16,
    _config: tempfile::NamedTempFile,
}

impl StatsD {
    /// Starts the daemon, or says why it is not there: `make test` installs it.
    pub fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statsd/node_modules/statsd/stats.js");
        let node =
            Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        if !node || !std::path::Path::new(script).exists() {
            let missing = if node { "npm's statsd" } else { "Node.js" };
            assert!(std::env::var_os("REQUIRE_STATSD").is_none(), "{missing} is missing, and REQUIRE_STATSD is set");
            // Straight to the terminal: the test harness would swallow it.
            let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {missing} is missing; `make test` installs it ***\n");
            return None;
        }
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free UDP port").port();
        let management = TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free TCP port").port();
        let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
        // An hour between flushes: the counters stay as they are while a test reads them.
        write!(
            config,
            "{{ port: {port}, address: '127.0.0.1', mgmt_port: {management}, mgmt_address: '127.0.0.1', \
             flushInterval: 3600000, backends: [], deleteIdleStats: false }}"
        )
        .expect("the file takes it");
        let child = Command::new("node")
            .arg(script)
            .arg(config.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts");
        let statsd = Self { child, port, management, _config: config };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", management)).is_err() {
            assert!(Instant::now() < end, "StatsD does not listen");
            std::thread::yield_now();
        }
        Some(statsd)
    }

    /// What the daemon holds: `counters`, `gauges` or `timers`.
    pub fn ask(&self, what: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.management)).expect("the management port accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        writeln!(stream, "{what}").expect("the question is taken");
        let mut text = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| line != "END") {
            text.push_str(&line);
        }
        as_json(&text)
    }

    /// Asks until `done` says that all has arrived.
    pub fn ask_until(&self, what: &str, done: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(what);
            if done(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{what} never became right: {answer}");
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }
}

/// The management port answers in JavaScript's notation, so JavaScript reads it.
fn as_json(text: &str) -> serde_json::Value {
    let script = "JSON.stringify(eval(`(${require('fs').readFileSync(0)})`))";
    let mut node = Command::new("node")
        .args(["-p", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    node.stdin.take().expect("standard input is piped").write_all(text.as_bytes()).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {text}"))
}

impl Drop for StatsD {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
