//! Signals: SIGTERM and similar ones start the drain, and no other signal of common tools ends the process.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::client::{Client, exchange, post};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;
use crate::support::unlogged::Unlogged;

/// Signals without effect. The last three are ignored by default, unless a handler is installed.
const HARMLESS: [Signal; 9] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::PIPE,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XFSZ,
    Signal::WINCH,
    Signal::CHILD,
];

#[test]
fn a_reload_signal_is_only_logged() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    proxy.signal(Signal::HUP);
    proxy.wait_for_log("SIGHUP: nothing is reloaded");
    proxy.signal(Signal::USR2);
    proxy.wait_for_log("SIGUSR2: ignored");
    proxy.assert_sent(&receiver, &[]);
    assert_eq!(proxy.stop().code(), Some(0));
}

#[test]
fn usr1_tells_all_counters_in_one_line() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    for _ in 0..3 {
        proxy.expect(post("/count/a", ""), 200);
        assert_eq!(receiver.next(), "a:1|c");
    }
    // The proxy counts a datagram after it has sent it.
    let line = loop {
        proxy.signal(Signal::USR1);
        let line = proxy.wait_for_log("SIGUSR1: ");
        if line.contains("3 metrics sent in 3 datagrams") {
            break line;
        }
    };
    for part in ["0 metrics dropped", "0 requests refused", "0 log lines dropped", "0 panics"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(proxy.stop().code(), Some(0));
}

#[test]
fn every_harmless_signal_under_load_costs_no_request() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    let running = Arc::new(AtomicBool::new(true));
    let sender = std::thread::spawn({
        let (running, address) = (Arc::clone(&running), proxy.address);
        move || {
            let mut client = Client::connect(address);
            let mut sent = 0;
            while running.load(Ordering::Relaxed) {
                assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
                assert_eq!(receiver.next(), "a:1|c");
                sent += 1;
            }
            sent
        }
    });
    for round in 0..20 {
        for signal in HARMLESS {
            proxy.signal(signal);
        }
        // Each round is handled before the next one.
        assert!(!proxy.wait_for_log("SIGUSR1: ").is_empty(), "round {round}");
    }
    running.store(false, Ordering::Relaxed);
    let sent = sender.join().expect("every request was answered");
    assert_eq!(proxy.stop().code(), Some(0));
    let last = proxy.seen.last().expect("a last line");
    assert!(last.contains(&format!("{sent} metrics sent")), "{sent} in {last}");
}

/// Sends all but the end of a request, and waits until the proxy has read it. Returns the end.
fn begin_request(proxy: &Proxy) -> (Client, &'static str) {
    let request = post("/count/a", "value=7");
    let (first, _) = request.split_at(request.len() - 3);
    let mut client = Client::connect(proxy.address);
    client.send(first);
    proxy.expect(post("/count/b", ""), 200);
    (client, "e=7")
}

#[test]
fn harmless_signals_do_not_shorten_the_drain() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &[]);
    let (mut client, rest) = begin_request(&proxy);
    proxy.signal(Signal::TERM);
    proxy.wait_for_log("SIGTERM");
    for signal in HARMLESS {
        proxy.signal(signal);
    }
    proxy.wait_for_log("SIGUSR1: ");
    assert_eq!(client.send(rest).answer().status, 200);
    assert_eq!(receiver.until("a:7|c"), ["b:1|c"]);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn every_termination_signal_starts_the_drain() {
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::POWER, "SIGPWR"),
    ] {
        let receiver = Receiver::new();
        let mut proxy = Proxy::start(&receiver, &[]);
        let (mut client, rest) = begin_request(&proxy);
        proxy.signal(signal);
        proxy.wait_for_log(&format!("{name}: finishing"));
        assert_eq!(client.send(rest).answer().status, 200, "{name}");
        assert_eq!(proxy.wait().code(), Some(0), "{name}");
        assert_eq!(receiver.until("a:7|c"), ["b:1|c"]);
    }
}

/// Containers made for systemd are stopped with SIGRTMIN+3, which has no name in most libraries.
#[test]
fn the_stop_signal_of_systemd_containers_drains() {
    let mut proxy = Proxy::start(&Receiver::new(), &[]);
    let kill = format!("kill -37 {}", proxy.pid());
    let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
    assert!(sent.success());
    proxy.wait_for_log("SIGRTMIN+3: finishing");
    assert_eq!(proxy.wait().code(), Some(0));
}

/// True if the process catches a signal (proc(5)).
fn catches(pid: u32, signal: Signal) -> Option<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    (mask & (1 << (signal.as_raw() - 1)) != 0).then_some(())
}

/// A process whose start is delayed until the secret is written to its pipe.
struct SlowStart {
    proxy: Unlogged,
    pipe: PathBuf,
    _folder: TempDir,
}

impl SlowStart {
    fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("secret");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
        assert!(made.success());
        let secret = format!("--jwt-secret-file={}", pipe.display());
        Self { proxy: Unlogged::spawn(command(&[&secret]).stderr(Stdio::null())), pipe, _folder: folder }
    }

    /// Sends a signal as soon as it is caught.
    fn signal(&mut self, signal: Signal) {
        self.proxy.until("caught the signal", |pid| catches(pid, signal));
        self.proxy.signal(signal);
    }

    fn go_on(&mut self) {
        let mut secret = std::fs::File::options().write(true).open(&self.pipe).expect("the proxy reads");
        secret.write_all(b"a secret of more than thirty-two bytes").expect("the proxy reads");
        drop(secret);
        self.proxy.wait_until_it_listens();
    }
}

#[test]
fn harmless_signals_before_the_start_line_do_not_end_the_process() {
    let mut start = SlowStart::begin();
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        start.signal(signal);
    }
    start.go_on();
    assert_eq!(exchange(start.proxy.address, post("/count/a", "")).status, 401);
    assert_eq!(start.proxy.stop().code(), Some(0));
}

#[test]
fn a_termination_signal_before_the_port_is_open_ends_the_process() {
    let mut start = SlowStart::begin();
    start.signal(Signal::TERM);
    assert_eq!(start.proxy.wait().code(), Some(0));
}

#[test]
fn signals_are_caught_from_the_moment_the_port_is_open() {
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let mut proxy = Unlogged::start(command(&[&port]).stderr(Stdio::null()));
        proxy.signal(signal);
        assert_eq!(exchange(proxy.address, post("/count/a", "")).status, 200);
        assert_eq!(receiver.next(), "a:1|c");
        assert_eq!(proxy.stop().code(), Some(0), "{signal:?}");
    }
}
