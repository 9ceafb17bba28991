//! The real StatsD daemon (npm `statsd`), read through its management port, or at its end through a backend.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use super::line_daemon::DaemonAddress;

/// A running daemon. It is killed when dropped.
pub struct StatsD {
    child: Child,
    pub port: u16,
    management: u16,
    _config: tempfile::NamedTempFile,
    dump: tempfile::NamedTempFile,
}

/// A file of `tests/statsd`.
pub fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/statsd", file].iter().collect()
}

impl StatsD {
    /// Starts the daemon on a free UDP port, or explains that it is not installed: `make test` installs it.
    pub fn start() -> Option<Self> {
        let mut statsd = Self::launch("port: '0', address: '127.0.0.1', mgmt_port: '0'")?;
        let end = Instant::now() + PATIENCE;
        while statsd.port == 0 || statsd.management == 0 {
            assert!(statsd.is_running() && Instant::now() < end, "StatsD does not listen");
            statsd.port = statsd.find_port("udp", "07");
            statsd.management = statsd.find_port("tcp", "0A");
            std::thread::yield_now();
        }
        Some(statsd)
    }

    /// Starts the daemon with its server for connections, on a TCP port or a Unix socket.
    pub fn start_at(place: &DaemonAddress) -> Option<Self> {
        let server = match place {
            DaemonAddress::Tcp(address) => format!("address: '{}', port: {}", address.ip(), address.port()),
            DaemonAddress::UnixStream(path) => format!("socket: '{}'", path.display()),
            DaemonAddress::UnixDatagram(_) => panic!("StatsD has no server for datagrams to a Unix socket"),
        };
        let DaemonAddress::Tcp(management) = DaemonAddress::free_port() else { unreachable!("a port is TCP's") };
        let servers = format!("servers: [{{ server: './servers/tcp', {server} }}]");
        let mut statsd = Self::launch(&format!("{servers}, mgmt_port: {}", management.port()))?;
        statsd.management = management.port();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(management).is_err() || !place.accepts() {
            assert!(statsd.is_running() && Instant::now() < end, "StatsD does not listen");
            std::thread::yield_now();
        }
        Some(statsd)
    }

    /// Starts the daemon with these settings, unless it is not installed.
    fn launch(servers: &str) -> Option<Self> {
        let script = path("node_modules/statsd/stats.js");
        let node =
            Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        let packages = script.exists() && path("node_modules/statsd-client").exists();
        if !node || !packages {
            let missing = if node { "npm's statsd or statsd-client" } else { "Node.js" };
            assert!(std::env::var_os("REQUIRE_STATSD").is_none(), "{missing} is missing, and REQUIRE_STATSD is set");
            // Written directly to the terminal, because the test harness captures the output.
            let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {missing} is missing; `make test` installs it ***\n");
            return None;
        }
        let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
        let dump = tempfile::NamedTempFile::new().expect("a temporary file");
        // A free port is the string '0': the number 0 would mean the default port. With an hour between flushes, the
        // counters do not change while a test reads them.
        write!(
            config,
            "{{ {servers}, mgmt_address: '127.0.0.1', flushInterval: 3600000, \
             backends: [{:?}], dumpFile: {:?}, deleteIdleStats: false }}",
            path("dump.js"),
            dump.path()
        )
        .expect("the file takes it");
        let child = Command::new("node")
            .arg(script)
            .arg(config.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts");
        Some(Self { child, port: 0, management: 0, _config: config, dump })
    }

    /// The port of the daemon's only socket with this protocol and state, from the kernel's list; 0 while there is
    /// none.
    fn find_port(&self, protocol: &str, state: &str) -> u16 {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().flatten();
        let links: Vec<PathBuf> = files.filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
        let sockets = std::fs::read_to_string(format!("/proc/net/{protocol}")).expect("the kernel lists its sockets");
        for socket in sockets.lines().skip(1) {
            let fields: Vec<&str> = socket.split_whitespace().collect();
            let link = PathBuf::from(format!("socket:[{}]", fields[9]));
            if fields[3] == state && links.contains(&link) {
                let port = fields[1].rsplit(':').next().expect("an address with a port");
                return u16::from_str_radix(port, 16).expect("a port in hex");
            }
        }
        0
    }

    /// The `counters`, `gauges` or `timers` of the daemon.
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

    /// Polls until `done` returns true.
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

    /// Ends the daemon, and returns its `counters`, `gauges`, `timers` and `sets`, with lists in any order.
    pub fn end(mut self) -> serde_json::Value {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id is not zero");
        kill_process(pid, Signal::TERM).expect("the process is there");
        let end = Instant::now() + PATIENCE;
        while self.is_running() {
            assert!(Instant::now() < end, "StatsD does not end");
            std::thread::yield_now();
        }
        let text = std::fs::read_to_string(self.dump.path()).expect("the file is there");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }
}

/// The management port answers in JavaScript notation, so Node parses it.
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
