//! No answer to a POST or PUT has `Cache-Control: no-store`.
//!
//! Chromium counts a `keepalive` request against the page's 64 KiB for as long as the answer is unread, and it never
//! reads one with `no-store` to its end: such answers exhaust the budget, and the page cannot send further beacons.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::contract::cases;
use crate::support::PATIENCE;
use crate::support::coding::gzip;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::token::SECRET;

/// Sends bytes, reads to the end, and returns the head of each answer in lower case.
fn heads(proxy: &Proxy, request: &[u8]) -> Vec<String> {
    let mut stream = TcpStream::connect(proxy.address).expect("the proxy accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    // The proxy may close before it has read a bad request completely.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    text.split("http/1.").skip(1).filter_map(|part| part.split("\r\n\r\n").next()).map(str::to_owned).collect()
}

/// The status of the first answer. No answer may have `no-store`.
fn checked(proxy: &Proxy, what: &str, request: &[u8]) -> u16 {
    let heads = heads(proxy, request);
    for head in &heads {
        assert!(!head.contains("no-store"), "{what}: {head}");
        assert!(!head.contains("pragma"), "{what}: {head}");
    }
    let first = heads.first().unwrap_or_else(|| panic!("no answer to {what}"));
    first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {first}"))
}

fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn the_answers_of_the_contract_may_be_stored() {
    let cases = cases();
    let posts = cases.iter().filter(|case| case.request.starts_with("POST ") || case.request.starts_with("PUT "));
    let mut proxies: Vec<(&[String], Proxy)> = Vec::new();
    let mut count = 0;
    for case in posts {
        if !proxies.iter().any(|(flags, _)| *flags == case.flags) {
            let flags: Vec<&str> = case.flags.iter().map(String::as_str).collect();
            proxies.push((&case.flags, Proxy::start(&Receiver::new(), &flags)));
        }
        let (_, proxy) = proxies.iter().find(|(flags, _)| *flags == case.flags).expect("it was started");
        let bytes: Vec<u8> = case.request.chars().map(|c| c as u8).collect();
        checked(proxy, &case.name, &bytes);
        count += 1;
    }
    assert!(count > 50, "the contract's file was not read");
}

#[test]
fn the_answers_beyond_the_contract_may_be_stored() {
    let proxy = Proxy::start(&Receiver::new(), &["--demo", "--http-port=0", "--http-timeout-read=1"]);
    let with_token = Proxy::start(&Receiver::new(), &[&format!("--jwt-secret={SECRET}")]);
    let large = vec![b'x'; 70_000];
    let long_path = format!("/count/{}", "a".repeat(9_000));
    let cookie = format!("Cookie: {}\r\n", "c".repeat(60_000));
    let origin = "Origin: https://shop.example\r\n";
    for (status, proxy, method, path, headers, body) in [
        (200, &proxy, "POST", "/count/a", origin, &b"value=1"[..]),
        (200, &proxy, "POST", "/batch", origin, b"a:1|c\noops\n"),
        (200, &proxy, "PUT", "/batch", "", b"[{\"metric\":\"a\",\"type\":\"count\"}]"),
        (200, &proxy, "POST", "/batch", "Content-Encoding: gzip\r\n", &gzip("a:1|c")),
        (400, &proxy, "POST", "/batch", origin, b"oops"),
        (400, &proxy, "POST", "/batch", "", b"[{"),
        (400, &proxy, "POST", "/timing/a", origin, b"time=x"),
        (400, &proxy, "POST", "/count/a%0A", "", b""),
        (400, &proxy, "POST", "/count/a", "Host: b\r\n", b""),
        (401, &with_token, "POST", "/count/a", origin, b""),
        (403, &with_token, "POST", "/count/a?token=x", origin, b""),
        (404, &proxy, "POST", "/nope", origin, b""),
        (404, &proxy, "PUT", "/nope", "", b""),
        (405, &proxy, "PUT", "/count/a", origin, b""),
        (405, &proxy, "POST", "/heartbeat", "", b""),
        (405, &proxy, "POST", "/client.js", "", b""),
        (405, &proxy, "PUT", "/client.js", "", b""),
        (405, &proxy, "POST", "/events", "", b""),
        (405, &proxy, "POST", "/", "", b""),
        (413, &proxy, "POST", "/count/a", origin, &large),
        (414, &proxy, "POST", &long_path, "", b""),
        (415, &proxy, "POST", "/count/a", "Content-Encoding: br\r\n", b"x"),
        (417, &proxy, "POST", "/count/a", "Expect: other\r\n", b"x"),
        (431, &proxy, "POST", "/count/a", &cookie, b""),
    ] {
        let what = format!("{method} {} {headers:.40}", &path[..path.len().min(40)]);
        assert_eq!(checked(proxy, &what, &request(method, path, headers, body)), status, "{what}");
    }
    // A body that never ends, while the connection stays open.
    let mut slow = TcpStream::connect(proxy.address).expect("the proxy accepts");
    slow.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    slow.write_all(b"POST /count/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nval").expect("it is taken");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("it is closed");
    assert!(answer.starts_with("HTTP/1.1 408 ") && !answer.contains("no-store"), "{answer}");
}
