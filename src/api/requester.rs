//! Who sends a request.

use std::net::{IpAddr, SocketAddr};

use tracing::field::{DisplayValue, display};

use crate::auth::Grant;

/// The other end of a connection; behind a reverse proxy, that proxy. `None` inside if the kernel did not tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Option<SocketAddr>);

impl Peer {
    /// The address without the port.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        self.0.map(|address| address.ip())
    }

    /// The address as logs show it.
    pub(crate) fn shown(self) -> Option<DisplayValue<SocketAddr>> {
        self.0.map(display)
    }
}

/// Who sends a request. It goes along with the request to its endpoint, its sink and its log line.
#[derive(Clone, Debug)]
pub(crate) struct Requester {
    /// Where the request comes from.
    pub(crate) peer: Peer,
    /// What it may send. Anonymous until a token was verified, and where none is needed.
    pub(crate) grant: Grant,
}

impl Requester {
    /// The sender of a request whose token was not read yet.
    pub(crate) fn new(peer: Option<SocketAddr>) -> Self {
        Self { peer: Peer(peer), grant: Grant::default() }
    }
}
