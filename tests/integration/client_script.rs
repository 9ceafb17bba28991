//! The browser client as the proxy serves it.

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
    assert_eq!(answer.header("vary"), None, "one copy in a cache serves all origins");
}

#[test]
fn only_the_version_that_is_served_is_kept_for_ever() {
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
fn who_has_the_client_is_not_sent_it_again() {
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
fn the_client_lies_below_the_base_path_and_takes_no_posts() {
    let proxy = start(&["--http-base-path=/m"]);
    proxy.expect(get("/m/client.js", ""), 200);
    proxy.expect(get("/client.js", ""), 404);
    let head = Client::connect(proxy.address).send("HEAD /m/client.js HTTP/1.1\r\nHost: a\r\n\r\n").answer_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some(SCRIPT.len().to_string().as_str())));
    let answer = proxy.expect("POST /m/client.js HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}
