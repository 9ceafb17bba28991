//! The StatsD receiver: counts the metrics that arrive.
//!
//! It simulates another machine, so it must not cost the proxy or wrk any time. A thread that waits in `recv` is woken
//! by every datagram: the sender pays for that, and wrk, which shares the core, is interrupted, which splits the
//! proxy's turns and its datagrams. This receiver polls instead, and the kernel buffers the datagrams.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

use crate::poll;

/// The socket's buffer, in bytes: the receiver shares its core with wrk, and may have to wait for seconds. Of full
/// datagrams, which the kernel accounts at twice their size, it holds a million metrics and more.
const BUFFER: usize = 64 * 1024 * 1024;

/// Time between two polls. With 150,000 metrics a second, one per datagram, the datagrams of this time fit into the
/// buffer that a system allows every process (208 KiB). Batches need the larger one.
pub const LOOK: Duration = Duration::from_millis(1);

/// Longer than any UDP payload.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Time without a datagram after which all metrics count as arrived.
const QUIET: Duration = Duration::from_millis(200);

/// Longest wait for missing metrics.
const PATIENCE: Duration = Duration::from_secs(5);

/// The counts of the thread that reads, and whether it pauses.
#[derive(Default)]
struct Tallies {
    lines: AtomicU64,
    strangers: AtomicU64,
    paused: AtomicBool,
}

/// The expected lines of all parts of the benchmark.
struct Lines(HashSet<Box<[u8]>>);

impl Lines {
    /// The numbers of expected and of unexpected lines in `datagram`.
    fn count(&self, datagram: &[u8]) -> (u64, u64) {
        let (mut lines, mut strangers) = (0, 0);
        for line in datagram.split(|byte| *byte == b'\n') {
            *if self.0.contains(line) { &mut lines } else { &mut strangers } += 1;
        }
        (lines, strangers)
    }
}

/// A UDP socket with a thread that reads it until the process ends.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Tallies>,
}

impl Receiver {
    /// Starts the thread, on the caller's core. Only `lines` are expected.
    pub fn start(lines: impl IntoIterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Above the limit of the system if the process has the permission, otherwise up to it.
        set_socket_recv_buffer_size_force(&socket, BUFFER).or_else(|_| set_socket_recv_buffer_size(&socket, BUFFER))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let lines = Lines(lines.into_iter().map(|line| line.into_bytes().into_boxed_slice()).collect());
        let shared = Arc::new(Tallies::default());
        let own = Arc::clone(&shared);
        thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            if let Err(error) = receive(&socket, &lines, &own) {
                eprintln!("the receiver ended: {error}");
            }
        })?;
        Ok(Self { address, shared })
    }

    /// The address of the socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of metrics received so far.
    pub fn received(&self) -> u64 {
        self.shared.lines.load(Ordering::Relaxed)
    }

    /// Waits until no more metrics arrive, and for some time until `expected` ones have. Returns their number.
    pub fn settled(&self, expected: u64) -> Result<u64, Box<dyn Error>> {
        poll::settled(QUIET, PATIENCE, |received| received >= expected, || Ok(self.received()))
    }

    /// Pauses the thread during `work`, which then has the core alone. The datagrams must fit into the buffer.
    pub fn pause<T>(&self, work: impl FnOnce() -> T) -> T {
        self.shared.paused.store(true, Ordering::Relaxed);
        let result = work();
        self.shared.paused.store(false, Ordering::Relaxed);
        result
    }

    /// Errors that make the count invalid: unexpected lines, and datagrams that the kernel dropped.
    pub fn trouble(&self) -> Result<Option<String>, Box<dyn Error>> {
        let strangers = self.shared.strangers.load(Ordering::Relaxed);
        let dropped = dropped(self.address.port(), &fs::read_to_string("/proc/net/udp")?).unwrap_or_default();
        Ok(match (strangers, dropped) {
            (0, 0) => None,
            (0, _) => Some(format!("{dropped} datagrams did not fit the receiver's buffer: raise net.core.rmem_max")),
            _ => Some(format!("{strangers} lines were received that are no metric of this benchmark")),
        })
    }
}

fn receive(socket: &UdpSocket, lines: &Lines, shared: &Tallies) -> io::Result<()> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        if shared.paused.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            continue;
        }
        match socket.recv(&mut buffer) {
            Ok(read) => {
                let (known, strangers) = lines.count(&buffer[..read]);
                shared.lines.fetch_add(known, Ordering::Relaxed);
                shared.strangers.fetch_add(strangers, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The last column of `/proc/net/udp` for the socket on `port`.
fn dropped(port: u16, table: &str) -> Option<u64> {
    let local = format!(":{port:04X}");
    let line = table.lines().find(|line| line.split_ascii_whitespace().nth(1).is_some_and(|l| l.ends_with(&local)))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_knows_are_strangers() {
        let lines = Lines(["a:1|c", "b:2|ms"].map(|line| line.as_bytes().into()).into());
        assert_eq!(lines.count(b"a:1|c"), (1, 0));
        assert_eq!(lines.count(b"a:1|c\nb:2|ms\na:1|c"), (3, 0));
        assert_eq!(lines.count(b"a:1|c\nb:2|m\n\na:1|c\n"), (2, 3));
    }

    #[test]
    fn drops_are_found_by_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode \
                     ref pointer drops\n  511: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                     0 0 4711 2 0000000000000000 17\n";
        assert_eq!(dropped(8080, table), Some(17));
        assert_eq!(dropped(8081, table), None);
    }
}
