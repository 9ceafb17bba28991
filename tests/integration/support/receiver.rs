//! A StatsD receiver: a UDP socket that returns the exact datagrams.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::PATIENCE;

/// A UDP socket on a free port of the loopback interface.
pub struct Receiver {
    socket: UdpSocket,
}

impl Receiver {
    pub fn new() -> Self {
        Self::bind("127.0.0.1:0")
    }

    /// Binds a given address, with the largest possible receive buffer.
    pub fn bind(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("a UDP socket on loopback");
        // Larger than the default of 208 KiB: a test that counts must not lose datagrams in its own buffer.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
        Self { socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// The next datagram.
    pub fn next(&self) -> String {
        self.next_within(PATIENCE).expect("no datagram came")
    }

    /// The next datagram, if it arrives in time.
    pub fn next_within(&self, time: Duration) -> Option<String> {
        let mut buffer = vec![0; 65_535];
        self.socket.set_read_timeout(Some(time)).expect("a timeout above zero");
        loop {
            return match self.socket.recv(&mut buffer) {
                Ok(len) => Some(String::from_utf8_lossy(&buffer[..len]).into_owned()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
                // For example after the process was frozen: the kernel restarts no call that has a timeout.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("receiving: {error}"),
            };
        }
    }

    /// All lines before the line `end`, in any packing.
    pub fn until(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.extend(self.next().lines().map(str::to_owned));
            if let Some(at) = lines.iter().position(|line| line == end) {
                assert_eq!(lines[at + 1..], [] as [&str; 0], "after the last line");
                lines.truncate(at);
                return lines;
            }
        }
    }

    /// All datagrams before the datagram `end`.
    pub fn datagrams_until(&self, end: &str) -> Vec<String> {
        let mut datagrams = Vec::new();
        loop {
            let datagram = self.next();
            if datagram == end {
                return datagrams;
            }
            datagrams.push(datagram);
        }
    }
}
