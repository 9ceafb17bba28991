//! The StatsD side: from a sound metric to datagrams on the wire.

pub mod backoff;
pub mod constant_tags;
pub mod counters;
pub mod datagram;
pub mod dialect;
pub mod in_flight;
pub mod line;
pub mod outage;
pub mod path;
pub mod resolver;
pub mod style;
pub mod udp;
pub mod upstream;
