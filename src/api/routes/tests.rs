//! Which paths and methods lead where, and how keys are decoded.

use super::*;
use crate::api::event_feed::Feed;

/// A route in a form that can be compared.
#[derive(Debug, Eq, PartialEq)]
enum Found<'p> {
    Endpoint(&'static str),
    Metric(Kind, &'p str),
    File(&'static str),
    Events,
    Preflight(&'static str),
}

fn found<'p>(base: &str, method: &Method, path: &'p str, site: Option<&Site>) -> Result<Found<'p>, RouteError> {
    Ok(match (Routes { base: base.to_owned() }).find(method, path, site)? {
        Route::Endpoint(endpoint) => Found::Endpoint(endpoint.path),
        Route::Metric(kind, key) => Found::Metric(kind, &path[key..]),
        Route::File(file) => Found::File(file.path),
        Route::Events => Found::Events,
        Route::Preflight(allow) => Found::Preflight(allow),
    })
}

fn find<'p>(base: &str, method: &Method, path: &'p str) -> Result<Found<'p>, RouteError> {
    found(base, method, path, None)
}

const READ: &str = "GET, HEAD, OPTIONS";
const METRIC: &str = "POST, OPTIONS";
const BATCH: &str = "POST, PUT, OPTIONS";

#[test]
fn paths_lead_to_their_resources() {
    let find = |method, path| find("", method, path);
    for (path, kind) in [
        ("/count/a.b", Kind::Count),
        ("/gauge/a.b", Kind::Gauge),
        ("/timing/a.b", Kind::Timing),
        ("/set/a.b", Kind::Set),
    ] {
        assert_eq!(find(&Method::POST, path), Ok(Found::Metric(kind, "a.b")));
        assert_eq!(find(&Method::OPTIONS, path), Ok(Found::Preflight(METRIC)));
        assert_eq!(find(&Method::GET, path), Err(RouteError::MethodNotAllowed(METRIC)));
    }
    assert_eq!(find(&Method::GET, "/heartbeat"), Ok(Found::Endpoint("/heartbeat")));
    assert_eq!(find(&Method::HEAD, "/heartbeat"), Ok(Found::Endpoint("/heartbeat")));
    assert_eq!(find(&Method::POST, "/heartbeat"), Err(RouteError::MethodNotAllowed(READ)));
}

#[test]
fn a_batch_is_posted_or_put() {
    for method in [Method::POST, Method::PUT] {
        assert_eq!(find("", &method, "/batch"), Ok(Found::Endpoint("/batch")));
    }
    assert_eq!(find("", &Method::OPTIONS, "/batch"), Ok(Found::Preflight(BATCH)));
    assert_eq!(find("", &Method::GET, "/batch"), Err(RouteError::MethodNotAllowed(BATCH)));
}

#[test]
fn the_client_is_got() {
    assert_eq!(find("", &Method::GET, "/client.js"), Ok(Found::Endpoint("/client.js")));
    assert_eq!(find("/a", &Method::HEAD, "/a/client.js"), Ok(Found::Endpoint("/client.js")));
    assert_eq!(find("", &Method::POST, "/client.js"), Err(RouteError::MethodNotAllowed(READ)));
}

#[test]
fn a_page_beside_the_api_is_there_when_it_was_handed_in_and_else_unknown() {
    static FILES: [File; 2] = [
        File { path: "/", content_type: "text/html", content: b"" },
        File { path: "/demo/page.js", content_type: "text/javascript", content: b"" },
    ];
    let site = Site { files: &FILES, feed: Feed::new(&0) };
    for (path, route) in
        [("/m/", Found::File("/")), ("/m/demo/page.js", Found::File("/demo/page.js")), ("/m/events", Found::Events)]
    {
        assert_eq!(found("/m", &Method::GET, path, Some(&site)), Ok(route));
        let refused = found("/m", &Method::POST, path, Some(&site));
        assert_eq!(refused, Err(RouteError::MethodNotAllowed(READ)));
        assert_eq!(find("/m", &Method::GET, path), Err(RouteError::NotFound));
    }
    assert_eq!(found("/m", &Method::GET, "/m/demo/", Some(&site)), Err(RouteError::NotFound));
}

#[test]
fn a_base_path_is_before_all_routes_and_only_once() {
    let base = "/a/b";
    assert_eq!(find(base, &Method::GET, "/a/b/heartbeat"), Ok(Found::Endpoint("/heartbeat")));
    assert_eq!(find(base, &Method::POST, "/a/b/batch"), Ok(Found::Endpoint("/batch")));
    assert_eq!(find(base, &Method::POST, "/a/b/count/k"), Ok(Found::Metric(Kind::Count, "k")));
    for path in ["/heartbeat", "/count/k", "/a/batch", "/a/b", "/a/bbatch", "/a/b/a/b/batch", "/a//b/batch"] {
        assert_eq!(find(base, &Method::POST, path), Err(RouteError::NotFound), "{path}");
    }
}

#[test]
fn other_paths_are_not_found_by_any_method() {
    let paths = [
        "/",
        "",
        "/count",
        "/count/",
        "/count/a/b",
        "/count//a",
        "//count/a",
        "/histogram/a",
        "/heartbeat/",
        "/Count/a",
        "/batch/",
        "/batch/a",
        "/batches",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            assert_eq!(find("", &method, path), Err(RouteError::NotFound), "{path}");
        }
    }
}

#[test]
fn keys_are_decoded_strictly() {
    assert_eq!(decode_key("a%2Eb").as_deref(), Some("a.b"));
    assert_eq!(decode_key("a%25d").as_deref(), Some("a%d"));
    assert_eq!(decode_key("a+b").as_deref(), Some("a+b"));
    for bad in ["a%", "a%2", "a%zz", "%ff", "%c3%28", "%%41"] {
        assert_eq!(decode_key(bad), None, "{bad}");
    }
}
