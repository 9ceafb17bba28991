//! The real binary, on a free port.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver as Lines, RecvTimeoutError, channel};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use super::client::{Answer, exchange, post};
use super::receiver::Receiver;

/// A running proxy. It is killed when dropped.
pub struct Proxy {
    child: Child,
    pub address: SocketAddr,
    log: Lines<String>,
    /// The log so far.
    pub seen: Vec<String>,
}

impl Proxy {
    /// A proxy with one worker, so that datagrams keep the order of requests.
    pub fn start(receiver: &Receiver, flags: &[&str]) -> Self {
        let port = format!("--statsd-port={}", receiver.port());
        let mut all = vec![port.as_str(), "--http-threads=1"];
        all.extend(flags);
        Self::start_with(&mut command(&all))
    }

    /// Starts a prepared command, and waits until it listens.
    pub fn start_with(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut proxy = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), log, seen: Vec::new() };
        let line = proxy.wait_for_log("listening on ");
        let after = line.split("://").nth(1).expect("a URL in the start line");
        let address = after.split([',', '"']).next().expect("an address in the start line");
        proxy.address = address.trim().parse().unwrap_or_else(|_| panic!("no address in {line:?}"));
        proxy
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next log line with `part`.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no log line with {part:?} in {:?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended without a log line with {part:?}: {:?}", self.seen)
                }
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    /// Waits for the end of the process, and collects its log.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running: {:?}", self.seen),
            }
        }
        self.child.wait().expect("a child can be waited for")
    }

    /// SIGTERM, and the exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// A number in the last line, by the words that follow it; 0 if the line lacks it.
    pub fn figure(&self, what: &str) -> u64 {
        let last = self.seen.iter().rev().find(|line| line.contains("stopped: ")).expect("the counters are logged");
        let Some((before, _)) = last.split_once(&format!(" {what}")) else { return 0 };
        let number = before.rsplit(' ').next().expect("split gives one piece at least");
        number.parse().unwrap_or_else(|_| panic!("no figure before {what:?} in {last:?}"))
    }

    /// The lines of a level that were logged so far.
    pub fn lines_of(&self, level: &str) -> Vec<&str> {
        self.seen.iter().map(String::as_str).filter(|line| line.contains(level)).collect()
    }

    /// Checks that the proxy serves requests, and that it sent only `expected` to StatsD: the datagram of a last valid
    /// request follows directly.
    pub fn assert_sent(&self, receiver: &Receiver, expected: &[&str]) {
        let answer = exchange(self.address, post("/count/last.good", "value=1"));
        assert_eq!(answer.status, 200);
        assert_eq!(receiver.until("last.good:1|c"), expected);
    }

    /// Sends one request, and asserts its status.
    pub fn expect(&self, request: impl AsRef<[u8]>, status: u16) -> Answer {
        let answer = exchange(self.address, &request);
        let shown = String::from_utf8_lossy(request.as_ref()).chars().take(200).collect::<String>();
        assert_eq!(answer.status, status, "{shown:?} got {answer:?}");
        answer
    }

    /// Private memory in use, in KiB (RssAnon).
    pub fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Peak memory, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a size");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// CPU time used so far, in clock ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the process is there");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
        fields[11].parse::<u64>().expect("user time") + fields[12].parse::<u64>().expect("system time")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child that has not been reaped.
pub fn send_signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the process is there");
}

/// Runs a command that must not start to serve, and returns its exit code and its output.
pub fn refusal(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().expect("standard error is piped")).lines().map_while(Result::ok) {
        said += &line;
        said += "\n";
        if line.contains("listening on ") {
            // It would never end.
            child.kill().expect("a child can be killed");
        }
    }
    (child.wait().expect("a child can be waited for").code(), said)
}

/// The binary with flags, on a free port unless the flags set one.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsd-http-proxy"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STATSD_HTTP_PROXY_")) {
        command.env_remove(name);
    }
    command.arg("--http-port=0").args(flags);
    command
}
