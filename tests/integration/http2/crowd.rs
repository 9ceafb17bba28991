//! Unfinished requests of a few do not take the memory from others.

use std::io::Write;

use crate::https::{Https, TlsClient, frame};
use crate::support::coding::gzip;

use super::{DATA, field, open, post_to};

/// Connections of the attack, each with as many requests as it may have under way.
const CROWD: usize = 24;

#[test]
fn bodies_that_begin_and_stay_do_not_refuse_others() {
    let https = Https::start(&["--http-timeout-read=60"]);
    let head = [post_to("/batch"), field("content-encoding", "gzip")].concat();
    let begun = &gzip("a:1|c\n".repeat(1000))[..20];
    let mut crowd: Vec<TlsClient> = Vec::new();
    for _ in 0..CROWD {
        let mut client = https.http2();
        for i in 0..64 {
            client.write_all(&[open(2 * i + 1, &head), frame(DATA, 0, 2 * i + 1, begun)].concat()).expect("taken");
        }
        crowd.push(client);
    }
    // Batches that come in pieces, so that they need memory, and in one piece.
    let whole = "b:1|c\n".repeat(150_000);
    let mut good = https.connect(&["http/1.1"]);
    for body in ["one:1|c", &whole[..900_000]] {
        let request =
            format!("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = crate::https::one_request(&mut good, &request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    let packed = gzip("c:1|c\n".repeat(50_000));
    let (first, rest) = packed.split_at(packed.len() / 2);
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    good.write_all(head.as_bytes()).expect("the head is taken");
    good.write_all(first).expect("the body is taken");
    good.flush().expect("the body is taken");
    let answer = {
        good.write_all(rest).expect("the body is taken");
        crate::https::one_request(&mut good, "")
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}
