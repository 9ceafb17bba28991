//! `GET /client.js`: the browser client.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::support::client::{Client, exchange};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

const SCRIPT: &str = include_str!("../../client/dist/statsd-http-proxy-client.min.js");

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

fn start(flags: &[&str]) -> Proxy {
    Proxy::start(&Receiver::new(), flags)
}

#[test]
fn any_page_may_load_the_client_without_a_token() {
    let proxy = start(&["--jwt-secret=0123456789abcdef0123456789abcdef"]);
    let answer = proxy.expect(get("/client.js", "Origin: https://shop.example\r\n"), 200);
    assert_eq!(answer.body, SCRIPT);
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=300"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "one copy in a cache serves all origins");
    assert_eq!(answer.header("content-encoding"), None);
}

#[test]
fn only_the_served_version_may_be_cached_for_a_year() {
    let proxy = start(&[]);
    let cached = |query: &str| {
        let answer = exchange(proxy.address, get(&format!("/client.js{query}"), ""));
        answer.header("cache-control").map(str::to_owned)
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(cached(&format!("?v={version}")).as_deref(), Some("public, max-age=31536000, immutable"));
    for query in ["?v=0.0.1", "?v=", "?x=1", &format!("?w={version}")] {
        assert_eq!(cached(query).as_deref(), Some("public, max-age=300"), "{query}");
    }
}

#[test]
fn a_current_etag_gets_304() {
    let proxy = start(&[]);
    let mut client = Client::connect(proxy.address);
    let tag = client.send(get("/client.js", "")).answer().header("etag").map(str::to_owned).expect("an entity tag");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = client.send(get("/client.js", &format!("If-None-Match: {known}\r\n"))).answer();
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    let answer = client.send(get("/client.js", "If-None-Match: \"other\"\r\n")).answer();
    assert_eq!((answer.status, answer.body.len()), (200, SCRIPT.len()));
}

#[test]
fn the_client_is_below_the_base_path_and_refuses_posts() {
    let proxy = start(&["--http-base-path=/m"]);
    proxy.expect(get("/m/client.js", ""), 200);
    proxy.expect(get("/client.js", ""), 404);
    let head = Client::connect(proxy.address).send("HEAD /m/client.js HTTP/1.1\r\nHost: a\r\n\r\n").answer_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some(SCRIPT.len().to_string().as_str())));
    let answer = proxy.expect("POST /m/client.js HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("gzip of UTF-8");
    text
}

#[test]
fn gzip_is_sent_on_request_and_has_its_own_etag() {
    let proxy = start(&[]);
    let mut client = Client::connect(proxy.address);
    let plain = client.send(get("/client.js", "")).answer();
    let plain_tag = plain.header("etag").expect("an entity tag").to_owned();
    for accepted in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.2", "*", "identity;q=0, *;q=0.5"] {
        let (head, body) =
            client.send(get("/client.js", &format!("Accept-Encoding: {accepted}\r\n"))).answer_in_bytes();
        assert_eq!(head.header("content-encoding"), Some("gzip"), "{accepted}");
        assert_eq!(head.header("vary"), Some("Accept-Encoding"));
        assert_eq!(head.header("content-type"), plain.header("content-type"));
        assert_eq!(head.header("cache-control"), plain.header("cache-control"));
        assert!(body.len() < SCRIPT.len() * 3 / 4, "{} bytes of {}", body.len(), SCRIPT.len());
        assert_eq!(gunzip(&body), SCRIPT);
        let tag = head.header("etag").expect("an entity tag");
        assert!(tag.starts_with('"') && tag != plain_tag, "{tag}");
    }
    for accepted in ["", "identity", "gzip;q=0", "gzip;q=0, *", "br", "identity, gzip;q=0.5", "gzip;q=1.5"] {
        let answer = client.send(get("/client.js", &format!("Accept-Encoding: {accepted}\r\n"))).answer();
        assert_eq!(answer.header("content-encoding"), None, "{accepted}");
        assert_eq!(answer.header("etag"), Some(plain_tag.as_str()));
        assert_eq!(answer.body, SCRIPT);
    }
}

#[test]
fn the_etag_is_compared_with_that_of_the_negotiated_coding() {
    let proxy = start(&[]);
    let mut client = Client::connect(proxy.address);
    let gzip = "Accept-Encoding: gzip\r\n";
    let plain_tag = client.send(get("/client.js", "")).answer().header("etag").expect("an entity tag").to_owned();
    let (head, body) = client.send(get("/client.js", gzip)).answer_in_bytes();
    let gzip_tag = head.header("etag").expect("an entity tag").to_owned();
    for (accepted, own, other) in [("", &plain_tag, &gzip_tag), (gzip, &gzip_tag, &plain_tag)] {
        for known in [own.clone(), format!("W/{own}"), format!("{other}, {own}"), "*".to_owned()] {
            let answer = client.send(get("/client.js", &format!("{accepted}If-None-Match: {known}\r\n"))).answer();
            assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
            assert_eq!(answer.header("etag"), Some(own.as_str()));
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert_eq!(answer.header("content-encoding"), None);
        }
        let request = get("/client.js", &format!("{accepted}If-None-Match: {other}\r\n"));
        let (head, _) = client.send(request).answer_in_bytes();
        assert_eq!((head.status, head.header("etag")), (200, Some(own.as_str())), "the other coding's tag");
    }
    let request = format!("HEAD /client.js HTTP/1.1\r\nHost: a\r\n{gzip}\r\n");
    let head = client.send(request).answer_to_head();
    assert_eq!((head.status, head.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(head.header("etag"), Some(gzip_tag.as_str()));
    let request = format!("HEAD /client.js HTTP/1.1\r\nHost: a\r\n{gzip}If-None-Match: {gzip_tag}\r\n\r\n");
    let head = client.send(request).answer_to_head();
    assert_eq!((head.status, head.header("content-encoding")), (304, None));
}
