//! HTTP/1.1 and HTTP/2 with their limits: hyper does the protocol, this room says how much of it.

pub mod body;
pub mod deadline;
pub mod events;
pub mod frames;
pub mod head;
pub mod inflate;
pub mod linger;
pub mod metered;
pub mod serve;
pub mod socket;
