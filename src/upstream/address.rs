//! Where a StatsD is: the transport to it and its place, and the dialect that it speaks.

use std::fmt;
use std::path::PathBuf;

use crate::statsd::dialect::Dialect;
use crate::statsd::packer::DEFAULT_PACKET_SIZE;
use crate::telemetry::delivery::Certainty;
use crate::upstream::resolver::Endpoint;

/// The most addresses: the shares of so many daemons are some 1.6 % each, and a metric's choice looks at all of them.
pub(crate) const MAX_ADDRESSES: usize = 64;

/// The longest path of a Unix socket, in bytes: `sun_path` of Linux has 108, the last of which is zero.
pub(crate) const MAX_SOCKET_PATH: usize = 107;

/// The datagrams to a Unix socket, in bytes: the receive buffer of a DogStatsD agent, whose clients send as much.
const LOCAL_PACKET_SIZE: usize = 8192;

/// A transport, and the place of the daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Location {
    /// Datagrams over UDP.
    Udp(Endpoint),
    /// Lines over a TCP connection.
    Tcp(Endpoint),
    /// Datagrams to a Unix socket, as DogStatsD has it.
    UnixDatagram(PathBuf),
    /// Lines over a connection to a Unix socket.
    UnixStream(PathBuf),
}

impl Location {
    /// The scheme of its URL.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Udp(_) => "udp",
            Self::Tcp(_) => "tcp",
            Self::UnixDatagram(_) => "unix",
            Self::UnixStream(_) => "unix-stream",
        }
    }

    /// The size of its datagrams where none was set, in bytes.
    pub(crate) fn default_packet_size(&self) -> usize {
        match self {
            Self::UnixDatagram(_) => LOCAL_PACKET_SIZE,
            // A packet of a connection that breaks in the middle of it is maybe lost as a whole.
            Self::Udp(_) | Self::Tcp(_) | Self::UnixStream(_) => DEFAULT_PACKET_SIZE,
        }
    }

    /// Whether it is a connection: its lines are a stream, in which a packet has no bounds.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::UnixStream(_))
    }

    /// What its transport lets the proxy know of what it sent.
    pub(crate) fn certainty(&self) -> Certainty {
        match self {
            Self::Udp(_) => Certainty::Datagrams,
            Self::Tcp(_) | Self::UnixDatagram(_) | Self::UnixStream(_) => Certainty::Doubt,
        }
    }

    /// Host and port, if it has them.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Udp(endpoint) | Self::Tcp(endpoint) => Some(endpoint),
            Self::UnixDatagram(_) | Self::UnixStream(_) => None,
        }
    }
}

impl Default for Location {
    fn default() -> Self {
        Self::Udp(Endpoint::default())
    }
}

/// The URL, which is the same for every spelling of the location. Proxies choose a daemon by it, so it must not change.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        match self {
            Self::Udp(endpoint) | Self::Tcp(endpoint) => {
                // The final dot keeps the resolver from looking in other domains; the daemon is the same.
                let host = endpoint.host.strip_suffix('.').unwrap_or(&endpoint.host).to_owned();
                Endpoint { host, ..*endpoint }.fmt(f)
            }
            Self::UnixDatagram(path) | Self::UnixStream(path) => path.display().fmt(f),
        }
    }
}

/// One StatsD.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    /// Where it is.
    pub location: Location,
    /// As the log calls it: the URL, or host and port where the command line has them so.
    pub name: String,
    /// What it understands; `None` is what `--statsd-dialect` says.
    pub dialect: Option<&'static Dialect>,
    /// Largest datagram, in bytes; a longer line goes alone. To a connection it is the most that is counted as one.
    pub packet_size: usize,
}

impl Address {
    /// A daemon that the log calls by its URL.
    pub(crate) fn new(location: Location, dialect: Option<&'static Dialect>) -> Self {
        let packet_size = location.default_packet_size();
        Self { name: location.to_string(), location, dialect, packet_size }
    }

    /// The flag that names the daemon, with its value.
    pub(crate) fn flag(&self) -> String {
        match &self.location {
            Location::Udp(Endpoint { host, .. }) if !self.name.contains("://") => format!("--statsd-host {host:?}"),
            _ => format!("--statsd-address {}", self.name),
        }
    }

    /// The daemon at a UDP port, which the log calls by host and port alone.
    pub(crate) fn udp(endpoint: Endpoint) -> Self {
        Self { name: endpoint.to_string(), ..Self::new(Location::Udp(endpoint), None) }
    }
}

/// Which address a metric goes to, where there are several.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Route {
    /// One, chosen by the metric's name.
    #[default]
    Shard,
    /// All.
    Mirror,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_shown_as_its_url() {
        let endpoint = |host: &str| Endpoint { host: host.to_owned(), port: 8125 };
        for (location, url) in [
            (Location::Udp(endpoint("::1")), "udp://[::1]:8125"),
            (Location::Tcp(endpoint("statsd.local")), "tcp://statsd.local:8125"),
            (Location::UnixDatagram("/run/a.sock".into()), "unix:///run/a.sock"),
            (Location::UnixStream("/run/a.sock".into()), "unix-stream:///run/a.sock"),
        ] {
            assert_eq!(location.to_string(), url);
        }
    }
}
