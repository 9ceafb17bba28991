//! Method and path to what is asked for. Pure: no sockets, no hyper.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::demo::page::File;
use crate::metric::Kind;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Whether the server is alive.
    Heartbeat,
    /// The browser client.
    ClientScript,
    /// A file of the demo's page.
    DemoFile(&'static File),
    /// What the demo's receiver gets, live.
    DemoEvents,
    /// Which requests a page may make; holds the methods to allow.
    Preflight(&'static str),
    /// Send a metric: `/count/{key}`, `/gauge/{key}`, `/timing/{key}` or `/set/{key}`.
    Metric(Kind),
    /// Send many metrics.
    Batch,
}

/// Why there is nothing to ask for.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum RouteError {
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// The path is there, but not for this method; holds those that are allowed.
    #[error("the path takes {0}")]
    MethodNotAllowed(&'static str),
}

const METRIC_METHODS: &str = "POST, OPTIONS";
const BATCH_METHODS: &str = "POST, PUT, OPTIONS";
const READ_METHODS: &str = "GET, HEAD, OPTIONS";

/// What `OPTIONS *` is told.
pub(crate) const ALL_METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// Where the routes are, and which.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Routes {
    /// The path before all others: empty, or `/some/path`.
    pub base: String,
    /// Whether the demo is among them.
    pub demo: bool,
}

impl Routes {
    /// Finds the route; an unknown path comes before a wrong method.
    pub fn find(&self, method: &Method, path: &str) -> Result<Route, RouteError> {
        let path = path.strip_prefix(self.base.as_str()).ok_or(RouteError::NotFound)?;
        let (route, methods) = if let Some((kind, _)) = metric(path) {
            (Route::Metric(kind), METRIC_METHODS)
        } else {
            self.named(path).ok_or(RouteError::NotFound)?
        };
        match (route, method.as_str()) {
            (_, "OPTIONS") => Ok(Route::Preflight(methods)),
            (Route::Metric(_), "POST") | (Route::Batch, "POST" | "PUT") => Ok(route),
            (Route::Metric(_) | Route::Batch, _) => Err(RouteError::MethodNotAllowed(methods)),
            (_, "GET" | "HEAD") => Ok(route),
            _ => Err(RouteError::MethodNotAllowed(methods)),
        }
    }

    /// The routes without a key.
    fn named(&self, path: &str) -> Option<(Route, &'static str)> {
        Some(match path {
            "/heartbeat" => (Route::Heartbeat, READ_METHODS),
            "/batch" => (Route::Batch, BATCH_METHODS),
            "/client.js" => (Route::ClientScript, READ_METHODS),
            "/events" if self.demo => (Route::DemoEvents, READ_METHODS),
            path if self.demo => (Route::DemoFile(File::at(path)?), READ_METHODS),
            _ => return None,
        })
    }

    /// The key of a metric's path, still encoded.
    pub fn key<'p>(&self, path: &'p str) -> Option<&'p str> {
        metric(path.strip_prefix(self.base.as_str())?).map(|(_, key)| key)
    }
}

/// Splits `/{resource}/{key}`; the key is one segment, and not empty.
fn metric(path: &str) -> Option<(Kind, &str)> {
    let (resource, key) = path.strip_prefix('/')?.split_once('/')?;
    if key.is_empty() || key.contains('/') {
        return None;
    }
    let kind = match resource {
        "count" => Kind::Count,
        "gauge" => Kind::Gauge,
        "timing" => Kind::Timing,
        "set" => Kind::Set,
        _ => return None,
    };
    Some((kind, key))
}

/// Decodes a key's percent-encoding (RFC 3986 section 2.1). `None` when a `%` begins no triplet, or the bytes are not
/// UTF-8.
pub fn decode_key(key: &str) -> Option<Cow<'_, str>> {
    let bytes = key.as_bytes();
    let broken = bytes.iter().enumerate().any(|(i, b)| {
        *b == b'%' && !matches!(bytes.get(i + 1..i + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    });
    if broken {
        return None;
    }
    percent_decode_str(key).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(base: &str, method: &Method, path: &str) -> Result<Route, RouteError> {
        Routes { base: base.to_owned(), demo: false }.find(method, path)
    }

    fn key<'p>(base: &str, path: &'p str) -> Option<&'p str> {
        Routes { base: base.to_owned(), demo: false }.key(path)
    }

    #[test]
    fn paths_lead_to_their_resources() {
        let find = |method, path| find("", method, path);
        for (path, kind) in [
            ("/count/a.b", Kind::Count),
            ("/gauge/a.b", Kind::Gauge),
            ("/timing/a.b", Kind::Timing),
            ("/set/a.b", Kind::Set),
        ] {
            assert_eq!(find(&Method::POST, path), Ok(Route::Metric(kind)));
            assert_eq!(key("", path), Some("a.b"));
            assert_eq!(find(&Method::OPTIONS, path), Ok(Route::Preflight(METRIC_METHODS)));
            assert_eq!(find(&Method::GET, path), Err(RouteError::MethodNotAllowed(METRIC_METHODS)));
        }
        assert_eq!(find(&Method::GET, "/heartbeat"), Ok(Route::Heartbeat));
        assert_eq!(find(&Method::HEAD, "/heartbeat"), Ok(Route::Heartbeat));
        assert_eq!(find(&Method::POST, "/heartbeat"), Err(RouteError::MethodNotAllowed(READ_METHODS)));
    }

    #[test]
    fn a_batch_is_posted_or_put() {
        for method in [Method::POST, Method::PUT] {
            assert_eq!(find("", &method, "/batch"), Ok(Route::Batch));
        }
        assert_eq!(find("", &Method::OPTIONS, "/batch"), Ok(Route::Preflight(BATCH_METHODS)));
        assert_eq!(find("", &Method::GET, "/batch"), Err(RouteError::MethodNotAllowed(BATCH_METHODS)));
    }

    #[test]
    fn the_client_is_got() {
        assert_eq!(find("", &Method::GET, "/client.js"), Ok(Route::ClientScript));
        assert_eq!(find("/a", &Method::HEAD, "/a/client.js"), Ok(Route::ClientScript));
        assert_eq!(find("", &Method::POST, "/client.js"), Err(RouteError::MethodNotAllowed(READ_METHODS)));
    }

    #[test]
    fn the_demo_is_there_when_it_runs_and_else_unknown() {
        let demo = Routes { base: "/m".to_owned(), demo: true };
        let file = |path| Route::DemoFile(File::at(path).expect("a file of the page"));
        for (path, route) in [
            ("/m/", file("/")),
            ("/m/demo/page.js", file("/demo/page.js")),
            ("/m/demo/style.css", file("/demo/style.css")),
            ("/m/events", Route::DemoEvents),
        ] {
            assert_eq!(demo.find(&Method::GET, path), Ok(route));
            assert_eq!(demo.find(&Method::POST, path), Err(RouteError::MethodNotAllowed(READ_METHODS)));
            assert_eq!(find("/m", &Method::GET, path), Err(RouteError::NotFound));
        }
        assert_eq!(demo.find(&Method::GET, "/m/demo/"), Err(RouteError::NotFound));
    }

    #[test]
    fn a_base_path_is_before_all_routes_and_only_once() {
        let base = "/a/b";
        assert_eq!(find(base, &Method::GET, "/a/b/heartbeat"), Ok(Route::Heartbeat));
        assert_eq!(find(base, &Method::POST, "/a/b/batch"), Ok(Route::Batch));
        assert_eq!(find(base, &Method::POST, "/a/b/count/k"), Ok(Route::Metric(Kind::Count)));
        assert_eq!(key(base, "/a/b/count/k"), Some("k"));
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
}
