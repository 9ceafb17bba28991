//! What the server tells of itself: counters, the log, and warnings that are throttled.

pub(crate) mod counters;
pub(crate) mod log;
pub(crate) mod refusals;
pub(crate) mod throttle;
