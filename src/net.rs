//! Sockets and certificates: no HTTP, and no deadlines.

pub(crate) mod listener;
pub(crate) mod socket;
pub(crate) mod tls;
