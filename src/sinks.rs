//! Steps between ingest and upstream that work on metrics, one file each. Each is a [`Sink`](crate::metric::Sink) that holds
//! the next one. Pure: they know neither sockets nor hyper. Only the last
//! one, the router, knows the queues.

pub(crate) mod router;
pub(crate) mod sample;
pub(crate) mod shard;
