//! HTTP/1.1 and HTTP/2 with their limits: hyper and h2 speak the protocols, this module bounds what they take in.

pub mod answer;
pub mod body;
pub mod budget;
pub mod crowding;
pub mod date;
pub mod deadline;
pub mod discard;
pub mod events;
pub mod frames;
pub mod head;
pub mod http2;
pub mod inflate;
pub mod kept_head;
pub mod linger;
pub mod metered;
pub mod request_body;
pub mod serve;
pub mod socket;
pub mod wake_slot;
