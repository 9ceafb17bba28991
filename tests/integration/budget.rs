//! The memory budget of all bodies of a worker.

use crate::support::client::{Client, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

/// The default cap of a batch, in bytes.
const BATCH: usize = 1 << 20;

/// More batches than fit into the budget.
const CROWD: usize = 80;

#[test]
fn unfinished_batches_of_many_clients_do_not_fill_the_memory() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=60"]);
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nOrigin: https://shop.example\r\nContent-Length: {BATCH}\r\n\r\n"
    );
    // Empty lines are no metrics, so that only the bodies use memory.
    let most = "\n".repeat(BATCH - 1);
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|_| {
            let mut client = Client::connect(proxy.address);
            client.send(&head).send(&most);
            client
        })
        .collect();
    // A body that arrives in one piece needs no separate buffer.
    proxy.expect(post("/count/good", "value=1"), 200);
    let (mut served, mut refused) = (0, 0);
    for client in &mut crowd {
        let answer = client.send("\n").answer();
        match answer.status {
            200 => served += 1,
            503 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.header("access-control-expose-headers"), Some("Retry-After"));
                assert_eq!(answer.body, "Too many requests under way\n");
                assert!(answer.closes());
                refused += 1;
            }
            status => panic!("{status}: {answer:?}"),
        }
    }
    assert!(served >= 30 && refused >= CROWD - 64, "{served} served, {refused} refused");
    // The budget is 32 MiB; the allocator keeps some freed memory.
    assert!(proxy.peak_memory_kib() < 192 * 1024, "{} KiB", proxy.peak_memory_kib());
    // The budget is free again.
    let mut late = Client::connect(proxy.address);
    assert_eq!(late.send(&head).send(&most).send("\n").answer().status, 200);
    proxy.assert_sent(&receiver, &["good:1|c"]);
}

/// Uploads of a megabyte that are sent fast, and are begun again before they are whole.
const FAST: usize = 48;

/// The rounds of a slow upload. In each of them each fast one sends 16 times as much.
const ROUNDS: usize = 100;

#[test]
fn a_slow_upload_survives_fast_ones_that_fill_the_memory() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--http-timeout-read=60"]);
    let address = proxy.address;
    let head = |length: usize| format!("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let begin = |first: usize| {
        let mut client = Client::connect(address);
        client.send(head(BATCH)).send("\n".repeat(first));
        (client, BATCH - first)
    };
    // Of different lengths, so that they don't all end together.
    let mut fast: Vec<(Client, usize)> = (0..FAST).map(|i| begin(BATCH / 2 + i * BATCH / 2 / FAST)).collect();
    let mut slow = Client::connect(address);
    slow.send(head(ROUNDS * 1024));
    let piece = "\n".repeat(16 * 1024);
    for _ in 0..ROUNDS {
        slow.send("\n".repeat(1024));
        for upload in &mut fast {
            if upload.1 <= piece.len() {
                *upload = begin(1024);
            } else {
                upload.0.send(&piece);
                upload.1 -= piece.len();
            }
        }
    }
    assert_eq!(slow.answer().status, 200);
    assert!(proxy.stop().success());
    assert!(proxy.seen.iter().any(|line| line.contains("crowded")), "the memory was full: {:?}", proxy.seen);
}
