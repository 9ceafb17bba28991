//! Counters, the log, and throttled warnings.

pub(crate) mod counters;
pub(crate) mod delivery;
pub(crate) mod log;
pub(crate) mod refusals;
pub(crate) mod throttle;
