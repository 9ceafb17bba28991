//! The StatsD end: counts the metrics that arrive.
//!
//! It stands for another machine, so it must cost neither the proxy nor wrk anything. A thread that waits in `recv` is
//! woken by every datagram: the sender pays for that, and wrk, on whose core it wakes, is interrupted, which splits the
//! proxy's turns and so its datagrams. This one looks from time to time instead, and the kernel keeps what came.

use std::error::Error;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

use crate::poll;
use crate::scenario::LINE;

/// The socket's buffer, in bytes: the receiver shares its core with wrk, and may have to wait for seconds.
const BUFFER: usize = 64 * 1024 * 1024;

/// The time between two looks: at 150,000 metrics a second, a datagram each, still no more than the buffer that a
/// system gives to everybody (208 KiB) holds.
pub const LOOK: Duration = Duration::from_millis(1);

/// Longer than any UDP payload.
const MAX_DATAGRAM: usize = 64 * 1024;

/// How long nothing must arrive until all that was sent counts as arrived.
const QUIET: Duration = Duration::from_millis(200);

/// How long to wait for metrics that are missing.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Counts {
    lines: AtomicU64,
    strangers: AtomicU64,
}

/// A UDP socket with a thread that reads it until the process ends.
pub struct Receiver {
    address: SocketAddr,
    counts: Arc<Counts>,
}

impl Receiver {
    /// Starts the thread, on the caller's core.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Past the system's limit if we may, else up to it.
        set_socket_recv_buffer_size_force(&socket, BUFFER).or_else(|_| set_socket_recv_buffer_size(&socket, BUFFER))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let counts = Arc::new(Counts::default());
        let own = Arc::clone(&counts);
        thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            if let Err(error) = receive(&socket, &own) {
                eprintln!("the receiver ended: {error}");
            }
        })?;
        Ok(Self { address, counts })
    }

    /// Where to send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Metrics received so far.
    pub fn received(&self) -> u64 {
        self.counts.lines.load(Ordering::Relaxed)
    }

    /// Waits until nothing more arrives, and for a while until `expected` metrics have. Returns how many have.
    pub fn settled(&self, expected: u64) -> Result<u64, Box<dyn Error>> {
        poll::settled(QUIET, PATIENCE, |received| received >= expected, || Ok(self.received()))
    }

    /// What makes the count worthless, if anything: lines that nobody asked for, datagrams that the kernel dropped.
    pub fn trouble(&self) -> Result<Option<String>, Box<dyn Error>> {
        let strangers = self.counts.strangers.load(Ordering::Relaxed);
        let dropped = dropped(self.address.port(), &fs::read_to_string("/proc/net/udp")?).unwrap_or_default();
        Ok(match (strangers, dropped) {
            (0, 0) => None,
            (0, _) => Some(format!("{dropped} datagrams did not fit the receiver's buffer: raise net.core.rmem_max")),
            _ => Some(format!("{strangers} lines were received that are no metric of this benchmark")),
        })
    }
}

fn receive(socket: &UdpSocket, counts: &Counts) -> io::Result<()> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match socket.recv(&mut buffer) {
            Ok(read) => count(&buffer[..read], counts),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn count(datagram: &[u8], counts: &Counts) {
    let (mut lines, mut strangers) = (0, 0);
    for line in datagram.split(|byte| *byte == b'\n') {
        *if line == LINE { &mut lines } else { &mut strangers } += 1;
    }
    counts.lines.fetch_add(lines, Ordering::Relaxed);
    counts.strangers.fetch_add(strangers, Ordering::Relaxed);
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
    fn drops_are_found_by_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode \
                     ref pointer drops\n  511: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                     0 0 4711 2 0000000000000000 17\n";
        assert_eq!(dropped(8080, table), Some(17));
        assert_eq!(dropped(8081, table), None);
    }
}
