//! A proxy whose log the test does not read: the test sets its standard streams.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::PATIENCE;
use super::proxy::send_signal;

/// A running proxy. It is killed when dropped.
pub struct Unlogged {
    child: Child,
    pub address: SocketAddr,
}

impl Unlogged {
    /// Starts a prepared command, and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut proxy = Self::spawn(command);
        proxy.wait_until_it_listens();
        proxy
    }

    /// Starts a prepared command; it has no address yet.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn().expect("the binary starts");
        Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)) }
    }

    pub fn wait_until_it_listens(&mut self) {
        self.address = self.until("listens", listening);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Calls `look` until it returns a value.
    pub fn until<T>(&mut self, what: &str, look: impl Fn(u32) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self.pid()) {
                return found;
            }
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("ended before it {what}: {status}");
            }
            assert!(Instant::now() < end, "never {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    /// The exit status, as soon as there is one.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < end, "still running");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and the exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Unlogged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port of a process on 127.0.0.1: the listening socket that is among its file descriptors (proc(5)).
fn listening(pid: u32) -> Option<SocketAddr> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let inodes: Vec<String> = descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(1)?.strip_prefix("0100007F:")?;
        let listens = fields.get(3) == Some(&"0A") && inodes.iter().any(|inode| fields.get(9) == Some(&inode.as_str()));
        let port = u16::from_str_radix(port, 16).ok()?;
        listens.then(|| SocketAddr::from(([127, 0, 0, 1], port)))
    })
}
