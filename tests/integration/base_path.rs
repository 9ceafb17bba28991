//! `--http-base-path`: all resources are below it, and nothing is outside it.

use crate::support::client::post;
use crate::support::proxy::{Proxy, command, refusal};
use crate::support::receiver::Receiver;
use crate::support::request::request;

const HEARTBEAT: &str = "/heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn every_resource_is_below_the_base_path_only() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-base-path=/some/path"]);
    assert_eq!(proxy.expect(format!("GET /some/path{HEARTBEAT}"), 200).body, "OK");
    for (path, line) in [
        ("/some/path/count/a", "a:1|c"),
        ("/some/path/gauge/some", "some:1|g"),
        ("/some/path/set/path?x=y", "path:1|s"),
        ("/some/path/count/a%2Fb", "a/b:1|c"),
    ] {
        proxy.expect(post(path, "value=1"), 200);
        assert_eq!(receiver.next(), line);
    }
    proxy.expect(post("/some/path/timing/t", "time=1"), 200);
    assert_eq!(receiver.next(), "t:1|ms");
    proxy.expect(request("PUT", "/some/path/batch", &[], "b:1|c"), 200);
    assert_eq!(receiver.next(), "b:1|c");
    proxy.expect(request("OPTIONS", "/some/path/batch", &[], ""), 204);
    proxy.expect("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204);
    proxy.expect(request("GET", "/some/path/count/a", &[], ""), 405);
    for path in [
        "/count/a",
        "/batch",
        "/heartbeat",
        "/",
        "/some/path",
        "/some/path/",
        "/some/pathcount/a",
        "/some/count/a",
        "/path/count/a",
        "/some/path/some/path/count/a",
        "/some//path/count/a",
        "//some/path/count/a",
        "/Some/path/count/a",
        "/some/%70ath/count/a",
        "/x/../some/path/count/a",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            assert_eq!(proxy.expect(request(method, path, &[], ""), 404).body, "404 page not found\n", "{path}");
        }
    }
    proxy.expect(post("/some/path/count/last", ""), 200);
    assert_eq!(receiver.next(), "last:1|c");
}

#[test]
fn slashes_around_the_base_path_are_ignored() {
    for flag in ["--http-base-path=v1/in", "--http-base-path=/v1/in/", "-http-base-path=v1/in/"] {
        let receiver = Receiver::new();
        let proxy = Proxy::start(&receiver, &[flag]);
        proxy.expect(post("/v1/in/count/a", ""), 200);
        assert_eq!(receiver.next(), "a:1|c");
        proxy.expect(post("/count/a", ""), 404);
    }
    for flag in ["--http-base-path=", "--http-base-path=/"] {
        let receiver = Receiver::new();
        let proxy = Proxy::start(&receiver, &[flag]);
        proxy.assert_sent(&receiver, &[]);
    }
}

#[test]
fn a_base_path_may_come_from_the_environment() {
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let proxy = Proxy::start_with(command(&[&port]).env("STATSD_HTTP_PROXY_HTTP_BASE_PATH", "/a-b.c_d~e"));
    proxy.expect(format!("GET /a-b.c_d~e{HEARTBEAT}"), 200);
    proxy.expect(format!("GET {HEARTBEAT}"), 404);
}

#[test]
fn invalid_base_paths_are_refused_at_start() {
    for path in ["/a b", "/a//b", "/a/../b", "/.", "/a?b", "/a#b", "/a%20b", "/a;b", "http://x/y", "/größe", "*"] {
        let (code, text) = refusal(&mut command(&[&format!("--http-base-path={path}")]));
        assert_eq!(code, Some(2), "{path}: {text}");
        assert!(text.contains(&format!("--http-base-path {path:?}")), "{path:?} in {text}");
    }
    let (code, text) = refusal(command(&[]).env("STATSD_HTTP_PROXY_HTTP_BASE_PATH", "/a b"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("STATSD_HTTP_PROXY_HTTP_BASE_PATH \"/a b\""), "{text}");
}
