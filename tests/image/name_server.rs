//! A name server on loopback with one address for all names.

use std::net::{Ipv4Addr, UdpSocket};

/// Answers on port 53, the only port that a C library queries, during the test. Returns the address, which no other run
/// of the test has.
pub fn start(answer: Ipv4Addr) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let listen = Ipv4Addr::new(127, 53, high, low.clamp(1, 254));
    let socket = UdpSocket::bind((listen, 53))
        .unwrap_or_else(|error| panic!("cannot listen on {listen}:53, which needs root: {error}"));
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            if let Some(reply) = reply(&query[..length], answer) {
                let _ = socket.send_to(&reply, peer);
            }
        }
    });
    listen
}

/// The reply to a query of one question (RFC 1035 section 4.1): an A record, or none of another type.
fn reply(query: &[u8], answer: Ipv4Addr) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..12 + name + 4)?;
    let is_a = question[name..name + 2] == [0, 1];
    let mut reply = query[..2].to_vec();
    // Header: a response, recursion available, no error; one question, and its answer if any.
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    reply.extend(question);
    if is_a {
        // The name of the question, type A, class IN, a minute to live, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(answer.octets());
    }
    Some(reply)
}
