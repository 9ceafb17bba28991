//! What stands between the reading of metrics and the wire.

pub(crate) mod shard;
