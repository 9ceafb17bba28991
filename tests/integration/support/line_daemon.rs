//! A StatsD stand-in for connections and Unix sockets: it keeps what arrives, byte for byte, and ends without warning.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockAddr, Socket, Type};

use super::PATIENCE;

/// Where a daemon is.
#[derive(Clone, Debug)]
pub enum DaemonAddress {
    Tcp(SocketAddr),
    UnixStream(PathBuf),
    UnixDatagram(PathBuf),
}

impl DaemonAddress {
    /// A TCP port that was free a moment ago.
    pub fn free_port() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::Tcp(listener.local_addr().expect("a bound socket has an address"))
    }

    /// One of each kind, the sockets in `folder`.
    pub fn each(folder: &std::path::Path) -> [Self; 3] {
        [
            Self::free_port(),
            Self::UnixStream(folder.join("stream.sock")),
            Self::UnixDatagram(folder.join("datagram.sock")),
        ]
    }

    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("tcp://{address}"),
            Self::UnixStream(path) => format!("unix-stream://{}", path.display()),
            Self::UnixDatagram(path) => format!("unix://{}", path.display()),
        }
    }

    /// Whether a daemon for connections listens there.
    pub fn accepts(&self) -> bool {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).is_ok(),
            Self::UnixStream(path) => UnixStream::connect(path).is_ok(),
            Self::UnixDatagram(_) => false,
        }
    }

    fn bind(&self) -> Socket {
        let (domain, kind, address) = match self {
            Self::Tcp(address) => (Domain::for_address(*address), Type::STREAM, SockAddr::from(*address)),
            Self::UnixStream(path) => (Domain::UNIX, Type::STREAM, SockAddr::unix(path).expect("a short path")),
            Self::UnixDatagram(path) => (Domain::UNIX, Type::DGRAM, SockAddr::unix(path).expect("a short path")),
        };
        if let Self::UnixStream(path) | Self::UnixDatagram(path) = self {
            let _ = std::fs::remove_file(path);
        }
        let socket = Socket::new(domain, kind, None).expect("a socket");
        if domain != Domain::UNIX {
            socket.set_reuse_address(true).expect("an option");
        }
        socket.bind(&address).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        if kind == Type::STREAM {
            socket.listen(128).expect("a listener");
        }
        socket.set_nonblocking(true).expect("a socket can be non-blocking");
        socket
    }
}

/// One connection, or all datagrams.
struct Source {
    socket: Socket,
    bytes: Vec<u8>,
    datagrams: Vec<String>,
    is_open: bool,
}

/// A daemon, which reads when it is told to. Dropped, it is as if it were killed: nothing is read any more.
pub struct LineDaemon {
    listener: Option<Socket>,
    sources: Vec<Source>,
    /// Bytes read at once: fewer than come in one write, so that an end may leave some unread.
    pub read_size: usize,
}

impl LineDaemon {
    pub fn bind(place: &DaemonAddress) -> Self {
        let socket = place.bind();
        let source = |socket| Source { socket, bytes: Vec::new(), datagrams: Vec::new(), is_open: true };
        let (listener, sources) = match place {
            DaemonAddress::UnixDatagram(_) => (None, vec![source(socket)]),
            DaemonAddress::Tcp(_) | DaemonAddress::UnixStream(_) => (Some(socket), Vec::new()),
        };
        Self { listener, sources, read_size: 65_536 }
    }

    /// Reads until `done`, or for as long as a test has patience.
    pub fn read_until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "after {} bytes: {:?}", self.len(), self.tail());
            self.read_some(Duration::from_millis(100));
        }
    }

    /// Waits for something to come, and reads one piece of it.
    pub fn read_some(&mut self, time: Duration) {
        let sockets = self.listener.iter().chain(self.sources.iter().filter(|s| s.is_open).map(|s| &s.socket));
        let mut polled: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)).collect();
        let time = Timespec::try_from(time).expect("a short time");
        if poll(&mut polled, Some(&time)).is_ok_and(|ready| ready == 0) {
            return;
        }
        if let Some((socket, _)) = self.listener.as_ref().and_then(|listener| listener.accept().ok()) {
            socket.set_nonblocking(true).expect("a socket can be non-blocking");
            self.sources.push(Source { socket, bytes: Vec::new(), datagrams: Vec::new(), is_open: true });
        }
        let is_datagram = self.listener.is_none();
        for source in self.sources.iter_mut().filter(|source| source.is_open) {
            let mut buffer = vec![0; if is_datagram { 65_536 } else { self.read_size }];
            match source.socket.read(&mut buffer) {
                Ok(0) if !is_datagram => source.is_open = false,
                Ok(length) => {
                    source.bytes.extend_from_slice(&buffer[..length]);
                    if is_datagram {
                        source.datagrams.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                        source.bytes.push(b'\n');
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A peer that was killed.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => source.is_open = false,
                Err(error) => panic!("receiving: {error}"),
            }
        }
    }

    /// How many bytes came, on all connections.
    pub fn len(&self) -> usize {
        self.sources.iter().map(|source| source.bytes.len()).sum()
    }

    /// All that came on all connections, one after the other.
    pub fn text(&self) -> String {
        self.sources.iter().map(|source| String::from_utf8_lossy(&source.bytes)).collect()
    }

    /// The datagrams.
    pub fn datagrams(&self) -> Vec<String> {
        self.sources.iter().flat_map(|source| source.datagrams.clone()).collect()
    }

    /// The lines that came whole: what stands after the last newline of a connection is none.
    pub fn lines(&self) -> Vec<String> {
        let text = |source: &Source| String::from_utf8_lossy(&source.bytes).into_owned();
        let whole = |text: String| text.rfind('\n').map(|end| text[..end].to_owned()).unwrap_or_default();
        let lines = self.sources.iter().map(|source| whole(text(source)));
        lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Whether this line came.
    pub fn has(&self, line: &str) -> bool {
        let line = format!("{line}\n");
        self.sources.iter().any(|source| {
            // The last bytes alone: a test may ask after each read.
            let bytes = &source.bytes[source.bytes.len().saturating_sub(16_384)..];
            String::from_utf8_lossy(bytes).contains(&line)
        })
    }

    /// How many lines came whole.
    pub fn count(&self) -> usize {
        self.sources.iter().map(|source| source.bytes.iter().filter(|byte| **byte == b'\n').count()).sum()
    }

    fn tail(&self) -> String {
        let text = self.text();
        text.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect()
    }
}
