//! Steps between ingest and upstream that work on metrics, one file each. Each is a [`Sink`](crate::metric::Sink) that
//! holds the next one. Pure: no sockets, no hyper. The last sink is the router, which is a part of `upstream`.

pub(crate) mod sample;
