//! Valid metrics to the bytes of datagrams. Pure: no sockets.

pub(crate) mod constant_tags;
pub(crate) mod dialect;
pub(crate) mod encoding;
pub(crate) mod line;
pub(crate) mod packer;
