//! Who sends a request.

use std::net::{IpAddr, SocketAddr};

use tracing::field::{DisplayValue, display};

use crate::auth::Grant;

/// The remote end of a connection; behind a reverse proxy, that proxy. The address is `None` if the kernel did not tell it.
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

/// Who sends a request. The endpoint and the log line of the request get it.
#[derive(Clone, Debug)]
pub(crate) struct Requester {
    /// The remote end of its connection.
    pub(crate) peer: Peer,
    /// The grant of its token. Anonymous until a token was verified, and if no token is required.
    pub(crate) grant: Grant,
}

impl Requester {
    /// The sender of a request whose token has not been read yet.
    pub(crate) fn new(peer: Option<SocketAddr>) -> Self {
        Self { peer: Peer(peer), grant: Grant::default() }
    }
}
