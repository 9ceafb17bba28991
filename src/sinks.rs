//! What stands between the reading of metrics and the wire.

pub(crate) mod router;
pub(crate) mod shard;
