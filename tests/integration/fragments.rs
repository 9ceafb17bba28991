//! Bodies that arrive in very many pieces.

use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

#[test]
fn a_body_in_chunks_of_one_byte_is_refused_before_it_costs_much() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let head = "POST /batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks =
        |size: usize, count: usize| format!("{size:x}\r\n{}\r\n", "\n".repeat(size)).repeat(count) + "0\r\n\r\n";
    let refused = Client::connect(proxy.address).send(head).send(chunks(1, 1_000_000)).answer();
    assert_eq!((refused.status, refused.body.as_str()), (400, "Request body in too many pieces\n"));
    assert!(refused.closes());
    // A body that is typed by hand, and one that a client writes line by line.
    for (size, count) in [(1, 4000), (40, 20_000)] {
        assert_eq!(Client::connect(proxy.address).send(head).send(chunks(size, count)).answer().status, 200);
    }
    proxy.assert_sent(&receiver, &[]);
}
