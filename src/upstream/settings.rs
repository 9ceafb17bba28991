//! The settings of the path to StatsD.

use crate::upstream::resolver::Endpoint;

/// Where datagrams go, and how large they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The daemon.
    pub endpoint: Endpoint,
    /// Largest datagram, in bytes; a longer line goes alone.
    pub packet_size: usize,
}
