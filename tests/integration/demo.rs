//! `--demo`: the page and its events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::client::{exchange, post};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

/// More viewers than a page needs, and one more than the limit.
const VIEWERS: usize = 32;

fn start(flags: &[&str]) -> Proxy {
    // One worker, because there is no order between workers.
    let mut all = vec!["--demo", "--http-threads=1"];
    all.extend(flags);
    Proxy::start_with(command(&all).stdout(Stdio::null()))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A viewer of the events.
struct Viewer(BufReader<TcpStream>);

impl Viewer {
    fn watch(proxy: &Proxy, path: &str) -> Self {
        Self::ask(proxy, &get(path))
    }

    fn ask(proxy: &Proxy, request: &str) -> Self {
        let mut stream = TcpStream::connect(proxy.address).expect("the proxy accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut viewer = Self(BufReader::new(stream));
        assert!(viewer.line_with("HTTP/1.1 ").ends_with("200 OK"));
        viewer
    }

    /// The next line with `part`.
    fn line_with(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("a line in time") > 0, "ended before a line with {part:?}");
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// The data of the next event of this name.
    fn event(&mut self, name: &str) -> serde_json::Value {
        self.line_with(&format!("event: {name}"));
        let line = self.line_with("data: ");
        serde_json::from_str(line.trim_start_matches("data: ")).expect("JSON")
    }
}

#[test]
fn the_page_is_served_and_cannot_load_from_other_servers() {
    let proxy = start(&["--http-base-path=/m"]);
    for (path, content_type) in [
        ("/m/", "text/html; charset=utf-8"),
        ("/m/demo/page.js", "text/javascript; charset=utf-8"),
        ("/m/demo/card.js", "text/javascript; charset=utf-8"),
        ("/m/demo/send.js", "text/javascript; charset=utf-8"),
        ("/m/demo/web-vitals.js", "text/javascript; charset=utf-8"),
        ("/m/demo/style.css", "text/css; charset=utf-8"),
    ] {
        let answer = proxy.expect(get(path), 200);
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(proxy.expect(post("/m/", ""), 405).header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn without_the_demo_there_is_no_page() {
    let proxy = Proxy::start(&Receiver::new(), &[]);
    for path in ["/", "/demo/page.js", "/demo/style.css", "/events"] {
        proxy.expect(get(path), 404);
        proxy.expect(post(path, ""), 404);
    }
}

#[test]
fn a_viewer_sees_lines_and_metrics() {
    let proxy = start(&[]);
    let mut viewer = Viewer::watch(&proxy, "/events");
    assert_eq!(viewer.event("hello")["flushInterval"], 1000);
    for (path, body) in [
        ("/count/demo.clicks", "value=3"),
        ("/gauge/demo.level", "value=-5"),
        ("/timing/demo.load", "time=12.5"),
        ("/set/demo.users", "value=7"),
    ] {
        proxy.expect(post(path, body), 200);
    }
    let mut lines = Vec::new();
    while lines.len() < 5 {
        lines.extend(viewer.event("lines")["lines"].as_array().expect("lines").clone());
    }
    let expected = ["demo.clicks:3|c", "demo.level:0|g", "demo.level:-5|g", "demo.load:12.5|ms", "demo.users:7|s"];
    assert_eq!(lines, expected);
    let mut clicks = 0.0;
    // The four metrics may be in two intervals.
    let last = loop {
        let flush = viewer.event("flush");
        clicks += flush["counters"]["demo.clicks"]["value"].as_f64().unwrap_or_default();
        if flush["sets"]["demo.users"]["value"] == 1 {
            break flush;
        }
    };
    assert_eq!(clicks, 3.0);
    assert_eq!(last["gauges"]["demo.level"], -5.0);
    assert_eq!(last["badLines"], 0);
}

/// A page that is opened later shows earlier metrics.
#[test]
fn a_viewer_sees_earlier_metrics() {
    let proxy = start(&[]);
    for (path, body) in [
        ("/count/early.clicks", "value=3"),
        ("/count/early.clicks", "value=4"),
        ("/gauge/early.level", "value=5"),
        ("/timing/early.load", "time=12.5"),
        ("/set/early.users", "value=7"),
    ] {
        proxy.expect(post(path, body), 200);
    }
    // Two intervals end before this viewer connects. An earlier viewer, which then leaves, waits for the second one.
    let mut first = Viewer::watch(&proxy, "/events");
    first.event("flush");
    first.event("flush");
    drop(first);
    let mut viewer = Viewer::watch(&proxy, "/events");
    let flush = viewer.event("flush");
    assert_eq!(flush["counters"]["early.clicks"], json!({ "value": 0.0, "rate": 0.0, "total": 7.0 }));
    assert_eq!(flush["gauges"]["early.level"], 5.0);
    assert_eq!(flush["sets"]["early.users"], json!({ "value": 0, "total": 1 }));
    let load = &flush["timers"]["early.load"];
    assert_eq!((&load["total"], &load["mean"], &load["fresh"]), (&json!(1.0), &json!(12.5), &json!(false)));
    assert_eq!(flush["lines"], 5);
}

/// A page of a site whose name was rebound to this address, and other sites' pages, get neither page nor events.
#[test]
fn foreign_names_and_foreign_pages_are_refused() {
    let named = |path: &str, host: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    let proxy = start(&[]);
    for path in ["/", "/demo/page.js", "/demo/style.css", "/events"] {
        for host in ["attacker.example", "attacker.example:8080", "localhost.attacker.example", "127.0.0.1.nip.io", ""]
        {
            let answer = proxy.expect(named(path, host, ""), 421);
            assert!(answer.body.contains("DNS rebinding"), "{}", answer.body);
        }
        let absolute = format!("GET http://attacker.example{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        proxy.expect(absolute, 421);
    }
    for host in ["localhost", "localhost:1", "127.0.0.1:9", "192.0.2.1:8080", "[::1]:8080", "[2001:db8::7]"] {
        proxy.expect(named("/", host, ""), 200);
    }
    for from in ["Origin: http://attacker.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let answer = proxy.expect(named("/events", "localhost:8080", from), 403);
        assert!(answer.body.contains("other sites"), "{}", answer.body);
        // Any site may link to the page.
        proxy.expect(named("/", "localhost:8080", from), 200);
    }
    let own = "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\n";
    let mut viewer = Viewer::ask(&proxy, &named("/events", "localhost:8080", own));
    viewer.event("hello");
    // Metrics are accepted from any site, under any name.
    proxy.expect(named("/heartbeat", "attacker.example", ""), 200);
    proxy.expect("POST /count/a HTTP/1.1\r\nHost: attacker.example\r\nContent-Length: 0\r\n\r\n", 200);
}

#[test]
fn the_demo_is_served_under_the_listen_name() {
    let proxy = start(&["--http-host=localhost"]);
    proxy.expect(get("/"), 200);
    proxy.expect("GET / HTTP/1.1\r\nHost: ip6-localhost\r\n\r\n", 421);
}

#[test]
fn viewers_need_the_same_token_as_senders() {
    let proxy = start(&["--jwt-secret=0123456789abcdef0123456789abcdef"]);
    assert_eq!(proxy.expect(get("/events"), 401).body, "Token not specified\n");
    proxy.expect(get("/events?token=x.y.z"), 403);
    proxy.expect(get("/"), 200);
}

#[test]
fn viewers_are_bounded_and_end_with_the_server() {
    let mut proxy = start(&["--http-timeout-idle=1"]);
    let mut viewers: Vec<Viewer> = (0..VIEWERS).map(|_| Viewer::watch(&proxy, "/events")).collect();
    assert_eq!(exchange(proxy.address, get("/events")).status, 503);
    // Longer than the idle timeout: a connection with a streamed answer is not idle.
    for _ in 0..3 {
        viewers[0].event("flush");
    }
    viewers.pop();
    proxy.signal(rustix::process::Signal::TERM);
    for viewer in &mut viewers {
        // The chunk that ends the body, not a reset.
        let mut last = String::new();
        while viewer.0.read_line(&mut last).expect("an end without an error") > 0 {
            if last.trim_end() != "0" {
                last.clear();
            }
        }
        assert!(last.starts_with("0\r\n"), "{last:?}");
    }
    assert!(proxy.wait().success());
}
