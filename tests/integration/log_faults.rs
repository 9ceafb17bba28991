//! A log that cannot be written: every request is answered, every metric arrives, and the process ends normally.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit};

use crate::drain::{Kind, Load};
use crate::support::client::{Client, exchange, post};
use crate::support::proxy::command;
use crate::support::receiver::Receiver;
use crate::support::unlogged::Unlogged;

const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 4;

/// Concurrent requests. Their datagrams fit into every receive buffer: the next requests are sent when all of them have
/// arrived.
const BURST: usize = 100;

/// Flags with and without a line per request, as text and as JSON.
const LOGS: [&[&str]; 4] = [&[], &["--verbose"], &["--log-format=json"], &["--log-format=json", "--verbose"]];

/// For each kind of log, sends 10,000 requests to a proxy, ends it, and passes it to `after`.
fn each_log(start: impl Fn(&mut Command) -> Unlogged, after: impl Fn(&mut Unlogged)) {
    for flags in LOGS {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        // The connection limit equals the number of connections, so every log has the warning about it.
        let places = format!("--http-max-connections={CONNECTIONS}");
        let mut command = command(&[&port, "--http-threads=2", &places]);
        let mut proxy = start(command.args(flags));
        traffic(&proxy, &receiver, REQUESTS);
        after(&mut proxy);
        let status = proxy.stop();
        assert_eq!(status.code(), Some(0), "{flags:?}: {status}");
    }
}

fn traffic(proxy: &Unlogged, receiver: &Receiver, requests: usize) {
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| Client::connect(proxy.address)).collect();
    for burst in 0..requests / BURST {
        let mut expected = HashSet::new();
        for (index, client) in clients.iter_mut().enumerate() {
            let names = (0..BURST / CONNECTIONS).map(|request| format!("log.{burst}.{index}.{request}"));
            let names: Vec<String> = names.collect();
            client.send(names.iter().map(|name| post(&format!("/count/{name}"), "")).collect::<String>());
            expected.extend(names.into_iter().map(|name| format!("{name}:1|c")));
        }
        for client in &mut clients {
            for _ in 0..BURST / CONNECTIONS {
                assert_eq!(client.answer().status, 200);
            }
        }
        while !expected.is_empty() {
            for line in receiver.next().lines() {
                assert!(expected.remove(line), "{line:?} is not of this burst, or came twice");
            }
        }
    }
}

/// A pipe whose buffer is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be non-blocking");
    for size in [4096, 1] {
        while writer.write(&vec![b'.'; size]).is_ok() {}
    }
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe can be blocking");
    (reader, writer)
}

/// A device that accepts no byte.
fn full_device() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full")
}

#[test]
fn a_log_pipe_whose_reader_has_gone() {
    each_log(
        |command| {
            let (reader, writer) = io::pipe().expect("a pipe");
            drop(reader);
            Unlogged::start(command.stderr(writer))
        },
        |_| {},
    );
}

#[test]
fn a_log_pipe_whose_reader_goes_later() {
    for flags in LOGS {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut proxy = Unlogged::start(command(&[&port, "--http-threads=2"]).args(flags).stderr(writer));
        reader.read_exact(&mut [0; 40]).expect("the start line");
        traffic(&proxy, &receiver, BURST);
        drop(reader);
        traffic(&proxy, &receiver, REQUESTS);
        assert_eq!(proxy.stop().code(), Some(0), "{flags:?}");
    }
}

#[test]
fn a_full_log_pipe_that_nobody_reads() {
    // The process that created the pipe may have made it blocking or non-blocking.
    for (flags, nonblocking) in LOGS.into_iter().flat_map(|flags| [(flags, false), (flags, true)]) {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let (reader, writer) = full_pipe();
        rustix::io::ioctl_fionbio(&writer, nonblocking).expect("a pipe can be either");
        let mut proxy = Unlogged::start(command(&[&port, "--http-threads=2"]).args(flags).stderr(writer));
        traffic(&proxy, &receiver, REQUESTS);
        // Other signals do not wait for the log either.
        proxy.signal(Signal::USR1);
        proxy.signal(Signal::HUP);
        traffic(&proxy, &receiver, BURST);
        assert_eq!(proxy.stop().code(), Some(0), "{flags:?}");
        drop(reader);
    }
}

/// The log of a proxy that is ended under load.
enum Fault {
    ReaderGone,
    /// The reader closes with the signal.
    ReaderGoes,
    FullPipe {
        nonblocking: bool,
    },
    FullDevice,
}

impl Fault {
    /// Standard error, and the values to keep until the signal and until the end.
    fn stderr(&self) -> (Stdio, Option<PipeReader>, Option<PipeReader>) {
        let pipe = || io::pipe().expect("a pipe");
        match self {
            Self::ReaderGone => (pipe().1.into(), None, None),
            Self::ReaderGoes => {
                let (reader, writer) = pipe();
                (writer.into(), Some(reader), None)
            }
            Self::FullPipe { nonblocking } => {
                let (reader, writer) = full_pipe();
                rustix::io::ioctl_fionbio(&writer, *nonblocking).expect("a pipe can be either");
                (writer.into(), None, Some(reader))
            }
            Self::FullDevice => (full_device().into(), None, None),
        }
    }
}

/// The clients continue until no connection is accepted, so the signal always arrives while requests are under way.
fn is_ended_under_load(fault: &Fault) {
    for (flags, fresh) in LOGS.into_iter().zip([true, false].into_iter().cycle()) {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let (stderr, until_signal, until_end) = fault.stderr();
        let mut proxy = Unlogged::start(command(&[&port, "--http-threads=2"]).args(flags).stderr(stderr));
        let kind = Kind { connections: 20, requests: 20_000, fresh, missing: BURST };
        let load = Load::start(kind, proxy.address, receiver);
        load.wait_until_answered(2000);
        proxy.signal(Signal::TERM);
        drop(until_signal);
        let (accepted, arriving) = load.accepted();
        let status = proxy.wait();
        assert_eq!(status.code(), Some(0), "{flags:?}: {status}");
        let arrived = arriving.all();
        assert!(accepted.len() < kind.connections * kind.requests, "the load had ended before the signal came");
        let lost: Vec<_> = accepted.difference(&arrived).take(3).collect();
        assert!(lost.is_empty(), "{flags:?}: of {} accepted metrics are lost: {lost:?}", accepted.len());
        drop(until_end);
    }
}

#[test]
fn a_shutdown_under_load_without_a_log_reader_loses_nothing() {
    is_ended_under_load(&Fault::ReaderGone);
    is_ended_under_load(&Fault::ReaderGoes);
}

#[test]
fn a_shutdown_under_load_with_a_full_log_pipe_loses_nothing() {
    is_ended_under_load(&Fault::FullPipe { nonblocking: false });
    is_ended_under_load(&Fault::FullPipe { nonblocking: true });
}

#[test]
fn a_shutdown_under_load_with_a_full_log_device_loses_nothing() {
    is_ended_under_load(&Fault::FullDevice);
}

#[test]
fn a_second_signal_ends_the_process_with_a_full_log_pipe() {
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let (_reader, writer) = full_pipe();
    let mut proxy = Unlogged::start(command(&[&port, "--http-timeout-read=600"]).stderr(writer));
    let mut client = Client::connect(proxy.address);
    client.send("POST /count/a HTTP/1.1\r\n");
    proxy.signal(Signal::TERM);
    proxy.signal(Signal::INT);
    assert_eq!(proxy.wait().code(), Some(130));
}

#[test]
fn a_log_device_without_space() {
    each_log(|command| Unlogged::start(command.stderr(full_device())), |_| {});
}

/// Runs `script` instead of the command, which it gets as "$@".
fn through(script: &str, before: &[&str], command: &Command) -> Command {
    let mut words = before.iter().copied().chain(["sh", "-c", script, "sh"]);
    let mut shell = Command::new(words.next().expect("a program"));
    shell.args(words).arg(command.get_program()).args(command.get_args());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STATSD_HTTP_PROXY_")) {
        shell.env_remove(name);
    }
    shell
}

/// The command with its log in a file system of 64 KiB that is nearly full. Without the permission to mount it, a limit
/// on the size of files has the same effect: one write is short, and the next one fails.
fn on_a_full_file_system(folder: &Path, command: &Command) -> Command {
    let unshare = ["unshare", "--map-root-user", "--mount"];
    let folder = folder.display();
    let fill = format!("mount -t tmpfs -o size=64k none '{folder}' && head -c 57344 /dev/zero >'{folder}/filler'");
    let log = format!("exec \"$@\" 2>>'{folder}/log'");
    let allowed = Command::new("unshare").args(&unshare[1..]).args(["sh", "-c", &fill]).stderr(Stdio::null()).status();
    if allowed.is_ok_and(|status| status.success()) {
        through(&format!("{fill} && {log}"), &unshare, command)
    } else {
        println!("no tmpfs can be mounted here: a limit on the size of files takes its place");
        through(&format!("ulimit -f 8 && {log}"), &[], command)
    }
}

#[test]
fn a_log_on_a_full_file_system() {
    each_log(
        |command| {
            let folder = tempfile::tempdir().expect("a folder");
            Unlogged::start(&mut on_a_full_file_system(folder.path(), command))
        },
        |_| {},
    );
}

/// Above the limit the kernel sends SIGXFSZ, which ends a process that does not catch it.
#[test]
fn a_log_file_over_its_limit_continues_when_the_limit_is_raised() {
    each_log(
        |command| {
            let folder = tempfile::tempdir().expect("a folder").keep();
            let script = format!("ulimit -S -f 1 && exec \"$@\" 2>>'{}/log'", folder.display());
            Unlogged::start(&mut through(&script, &[], command))
        },
        |proxy| {
            let log = std::fs::read_link(format!("/proc/{}/fd/2", proxy.pid())).expect("the log's path");
            let pid = Pid::from_raw(proxy.pid() as i32).expect("a process id");
            let maximum = getrlimit(Resource::Fsize).maximum;
            rustix::process::prlimit(Some(pid), Resource::Fsize, Rlimit { current: maximum, maximum })
                .expect("a child's limit can be lifted");
            proxy.signal(Signal::USR1);
            let text = proxy.until("wrote its log", |_| {
                let text = std::fs::read_to_string(&log).ok()?;
                text.contains("SIGUSR1").then_some(text)
            });
            for line in text.lines() {
                let whole = if line.starts_with('{') {
                    serde_json::from_str::<serde_json::Value>(line).is_ok()
                } else {
                    line.starts_with("20") && line.split_whitespace().count() > 3
                };
                assert!(whole, "{line:?} was torn");
            }
            std::fs::remove_dir_all(log.parent().expect("a folder")).expect("the test's folder");
        },
    );
}

#[test]
fn dropped_lines_are_counted_and_reported_when_the_log_is_read_again() {
    const MANY: usize = 30_000;
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let (mut reader, writer) = io::pipe().expect("a pipe");
    // The command holds a writer too, and is dropped at once.
    let mut proxy = Unlogged::start(command(&[&port, "--http-threads=2", "--verbose"]).stderr(writer));
    traffic(&proxy, &receiver, MANY);
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    traffic(&proxy, &receiver, BURST);
    proxy.signal(Signal::USR1);
    assert_eq!(proxy.stop().code(), Some(0));
    let text = log.join().expect("no panic").expect("UTF-8, and the end");
    let number = |line: &str, after: &str| -> usize {
        let digits = line.split(after).next().and_then(|before| before.split_whitespace().last());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no number before {after:?} in {line}"))
    };
    let written = text.lines().filter(|line| line.contains("request method=POST")).count();
    let told: usize = text
        .lines()
        .filter(|line| line.contains("log lines were dropped"))
        .map(|line| number(line, " log lines were dropped"))
        .sum();
    assert!(told > 0, "nothing was dropped: {written} lines");
    assert_eq!(written + told, MANY + BURST);
    let counters = text.lines().find(|line| line.contains("SIGUSR1: ")).expect("the counters");
    assert_eq!(number(counters, " log lines dropped"), told);
}

/// Each standard stream may be closed; no other file may get its descriptor.
#[test]
fn streams_that_are_closed_at_start() {
    for (script, stream) in [("exec \"$@\" 0<&-", 0), ("exec \"$@\" >&-", 1), ("exec \"$@\" 2>&-", 2)] {
        let receiver = Receiver::new();
        let port = format!("--statsd-port={}", receiver.port());
        let command = command(&[&port, "--http-threads=2", "--verbose"]);
        let mut shell = through(script, &[], &command);
        let mut proxy = Unlogged::start(shell.stdout(Stdio::null()).stderr(Stdio::null()));
        let link = std::fs::read_link(format!("/proc/{}/fd/{stream}", proxy.pid())).expect("a descriptor");
        assert_eq!(link, Path::new("/dev/null"), "descriptor {stream}");
        traffic(&proxy, &receiver, 10 * BURST);
        assert_eq!(proxy.stop().code(), Some(0));
    }
}

#[test]
fn the_demo_needs_no_reader_of_its_lines() {
    let (_full_reader, full) = full_pipe();
    let (gone, closed) = io::pipe().expect("a pipe");
    drop(gone);
    let outputs: [Stdio; 3] = [full.into(), closed.into(), full_device().into()];
    for output in outputs {
        let mut proxy = Unlogged::start(command(&["--demo"]).stdout(output).stderr(Stdio::null()));
        for request in 0..200 {
            let answer = exchange(proxy.address, post(&format!("/count/demo.{request}"), ""));
            assert_eq!(answer.status, 200);
        }
        // Its page still works: the receiver does not block on its own lines.
        let mut page = Client::connect(proxy.address);
        page.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut events = String::new();
        let mut sent = 0;
        while !events.contains("\"demo.seen:") {
            exchange(proxy.address, post("/count/demo.seen", ""));
            sent += 1;
            let mut buffer = [0; 65_536];
            let len = (&mut page.stream()).read(&mut buffer).expect("events");
            assert!(len > 0 && sent < 1000, "no event shows the metric: {events}");
            events.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
        drop(page);
        assert_eq!(proxy.stop().code(), Some(0));
    }
}

/// A terminal with the proxy in its background; both are killed when dropped.
struct Background {
    terminal: Child,
    proxy: Option<Pid>,
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(pid) = self.proxy {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let _ = self.terminal.kill();
        let _ = self.terminal.wait();
    }
}

/// A terminal with `stty tostop` stops a background process that writes to it, with SIGTTOU.
#[test]
fn a_terminal_that_wants_no_output_from_the_background() {
    let receiver = Receiver::new();
    let proxy = command(&[&format!("--statsd-port={}", receiver.port()), "--http-threads=1", "--verbose"]);
    let words: Vec<&str> =
        [proxy.get_program()].into_iter().chain(proxy.get_args()).map(|word| word.to_str().expect("UTF-8")).collect();
    // A shell with job control gives the proxy its own process group, which is not the foreground group.
    let script = format!("stty tostop; set -m; {} & echo \"started $!\"; wait", words.join(" "));
    let terminal = Command::new("script")
        .args(["-qec", &script, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there");
    let mut background = Background { terminal, proxy: None };
    let shown = BufReader::new(background.terminal.stdout.take().expect("standard output is piped"));
    let mut address = None;
    let mut lines = shown.lines().map_while(Result::ok);
    while background.proxy.is_none() || address.is_none() {
        let line = lines.next().expect("the proxy goes on");
        assert!(!line.contains("Stopped"), "{line}");
        if let Some((_, number)) = line.split_once("started ") {
            background.proxy = number.trim().parse().ok().and_then(Pid::from_raw);
        }
        if let Some((_, url)) = line.split_once("listening on http://") {
            address = url.split(',').next().and_then(|address| address.parse().ok());
        }
    }
    let address = address.expect("an address");
    for _ in 0..10 {
        assert_eq!(exchange(address, post("/count/a", "")).status, 200);
        assert_eq!(receiver.next(), "a:1|c");
    }
    let pid = background.proxy.take().expect("a process id");
    rustix::process::kill_process(pid, Signal::TERM).expect("the proxy runs");
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("stopped: 10 metrics sent")), "{rest:?}");
}

fn run(flags: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let output = command(flags).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output();
    let output = output.expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn help_and_version_succeed_with_a_closed_pipe() {
    for flag in ["--help", "--version"] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(run(&[flag], writer), (Some(0), String::new()), "{flag}");
        let full = File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
        let (code, said) = run(&[flag], full);
        assert_eq!(code, Some(1), "{flag}");
        assert!(said.starts_with("cannot write to standard output: "), "{said}");
    }
}

#[test]
fn a_mistake_has_its_exit_code_without_a_reader_of_the_error() {
    for (flag, code) in [("--http-port=x", 2), ("--tls-cert=/no/such/file", 2)] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let status = command(&[flag]).stdin(Stdio::null()).stderr(writer).status().expect("the binary runs");
        assert_eq!(status.code(), Some(code), "{flag}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = format!("--http-port={}", taken.local_addr().expect("an address").port());
    let (_reader, writer) = full_pipe();
    let status = command(&[&port]).stdin(Stdio::null()).stderr(writer).status().expect("the binary runs");
    assert_eq!(status.code(), Some(1));
}
