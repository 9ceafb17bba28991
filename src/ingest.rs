//! The body of a request to metrics. Pure: no sockets, no hyper.

pub(crate) mod batch;
pub(crate) mod content_type;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod params;
