//! Turns the bytes of a connection into bounded requests: hyper and h2 speak the protocols, and this module bounds their
//! input. It knows no endpoint.

pub(crate) mod activity;
pub(crate) mod body;
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod crowding;
pub(crate) mod date;
pub(crate) mod deadlines;
pub(crate) mod discard;
pub(crate) mod event_stream;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod head;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod http2_answer;
pub(crate) mod inflate;
pub(crate) mod linger;
pub(crate) mod metered;
pub(crate) mod request_body;
pub(crate) mod service;
pub(crate) mod wake_slot;
