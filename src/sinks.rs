//! Steps between ingest and upstream that work on metrics, one file each. Each is a [`Sink`](crate::metric::Sink) that
//! holds the next one. Pure: no sockets, no hyper; only the
//! last one, the router, knows the queues.

pub(crate) mod router;
pub(crate) mod sample;
pub(crate) mod shard;
