//! Steps between ingest and upstream that work on metrics, one file each. Each is a [`Sink`](crate::metric::Sink) that holds
//! the next one. Pure: they know neither sockets nor hyper.

pub(crate) mod sample;
