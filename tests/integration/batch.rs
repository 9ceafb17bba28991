//! `POST /batch` over real sockets: requests, answers and datagrams.

mod access;
mod answers;
mod broken;
mod formats;
mod names;
mod packing;
mod size;

use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

fn start(flags: &[&str]) -> (Receiver, Proxy) {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, flags);
    (receiver, proxy)
}

/// The answer to a batch whose metrics were all accepted.
pub fn all_accepted(count: usize) -> String {
    format!(r#"{{"accepted":{count},"rejected":[]}}"#)
}
