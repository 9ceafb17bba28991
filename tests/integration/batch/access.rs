//! Batches with required tokens.

use crate::support::request::request;
use crate::support::token::{SECRET, token};

use super::{all_accepted, start};

#[test]
fn a_batch_needs_a_token() {
    let (receiver, proxy) = start(&["--jwt-secret", SECRET]);
    let good = token();
    let forged = format!("{}x", &good[..good.len() - 1]);
    let large = "a:1|c\n".repeat(20_000);
    for body in ["a:1|c", "bad", "", &large] {
        let answer = proxy.expect(request("POST", "/batch", &[], body), 401);
        assert_eq!(answer.body, "Token not specified\n");
        let answer = proxy.expect(request("PUT", "/batch", &[&format!("X-JWT-Token: {forged}")], body), 403);
        assert_eq!(answer.body, "Error parsing token\n");
        proxy.expect(request("POST", &format!("/batch?token={forged}"), &[], body), 403);
    }
    for (path, header) in [
        (format!("/batch?token={good}"), "X: y".to_owned()),
        ("/batch".to_owned(), format!("X-JWT-Token: {good}")),
        ("/batch".to_owned(), format!("Authorization: Bearer {good}")),
    ] {
        assert_eq!(proxy.expect(request("POST", &path, &[&header], "a:1|c"), 200).body, all_accepted(1));
        assert_eq!(receiver.next(), "a:1|c");
    }
}

#[test]
fn the_token_is_checked_before_the_body() {
    let (_receiver, proxy) = start(&["--jwt-secret", SECRET]);
    for headers in [&["Content-Type: application/xml"][..], &["Content-Encoding: br"], &["Content-Encoding: gzip"]] {
        proxy.expect(request("POST", "/batch", headers, "a:1|c"), 401);
    }
    proxy.expect("POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", 401);
    proxy.expect(request("GET", "/batch", &[], ""), 405);
}
