//! The StatsD side: from a sound metric to datagrams on the wire.

pub mod constant_tags;
pub mod counters;
pub mod datagram;
pub mod dialect;
pub mod line;
pub mod resolver;
pub mod style;
pub mod upstream;
