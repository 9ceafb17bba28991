//! Datagrams to the wire: the queue of each worker, its pacing, and the path to StatsD.

pub(crate) mod acknowledged;
pub(crate) mod address;
pub(crate) mod backoff;
pub(crate) mod in_flight;
pub(crate) mod outage;
pub(crate) mod path;
pub(crate) mod queue;
pub(crate) mod resolver;
pub(crate) mod router;
pub(crate) mod settings;
pub(crate) mod shard;
pub(crate) mod stream;
pub(crate) mod transport;
pub(crate) mod udp;
pub(crate) mod unconfirmed;
pub(crate) mod unix;
