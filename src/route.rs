//! Method and path to what is asked for. Pure: no sockets, no hyper.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// The metric resources, one for each StatsD type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// `/count/{key}`
    Count,
    /// `/gauge/{key}`
    Gauge,
    /// `/timing/{key}`
    Timing,
    /// `/set/{key}`
    Set,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Whether the server is alive.
    Heartbeat,
    /// Which requests a page may make; holds the methods to allow.
    Preflight(&'static str),
    /// Send a metric.
    Metric(Resource),
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
const HEARTBEAT_METHODS: &str = "GET, HEAD, OPTIONS";

/// What `OPTIONS *` is told.
pub const ALL_METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Finds the route; an unknown path comes before a wrong method.
pub fn find(method: &Method, path: &str) -> Result<Route, RouteError> {
    let (route, methods) = if let Some((resource, _)) = metric(path) {
        (Route::Metric(resource), METRIC_METHODS)
    } else if path == "/heartbeat" {
        (Route::Heartbeat, HEARTBEAT_METHODS)
    } else {
        return Err(RouteError::NotFound);
    };
    match (route, method.as_str()) {
        (Route::Metric(_), "POST") | (Route::Heartbeat, "GET" | "HEAD") => Ok(route),
        (_, "OPTIONS") => Ok(Route::Preflight(methods)),
        _ => Err(RouteError::MethodNotAllowed(methods)),
    }
}

/// Splits `/{resource}/{key}`; the key is one segment, and not empty.
fn metric(path: &str) -> Option<(Resource, &str)> {
    let (resource, key) = path.strip_prefix('/')?.split_once('/')?;
    if key.is_empty() || key.contains('/') {
        return None;
    }
    let resource = match resource {
        "count" => Resource::Count,
        "gauge" => Resource::Gauge,
        "timing" => Resource::Timing,
        "set" => Resource::Set,
        _ => return None,
    };
    Some((resource, key))
}

/// The key of a metric's path, still encoded.
pub fn key(path: &str) -> Option<&str> {
    metric(path).map(|(_, key)| key)
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

    #[test]
    fn paths_lead_to_their_resources() {
        for (path, resource) in [
            ("/count/a.b", Resource::Count),
            ("/gauge/a.b", Resource::Gauge),
            ("/timing/a.b", Resource::Timing),
            ("/set/a.b", Resource::Set),
        ] {
            assert_eq!(find(&Method::POST, path), Ok(Route::Metric(resource)));
            assert_eq!(key(path), Some("a.b"));
            assert_eq!(find(&Method::OPTIONS, path), Ok(Route::Preflight(METRIC_METHODS)));
            assert_eq!(find(&Method::GET, path), Err(RouteError::MethodNotAllowed(METRIC_METHODS)));
        }
        assert_eq!(find(&Method::GET, "/heartbeat"), Ok(Route::Heartbeat));
        assert_eq!(find(&Method::HEAD, "/heartbeat"), Ok(Route::Heartbeat));
        assert_eq!(find(&Method::POST, "/heartbeat"), Err(RouteError::MethodNotAllowed(HEARTBEAT_METHODS)));
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
        ];
        for path in paths {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                assert_eq!(find(&method, path), Err(RouteError::NotFound), "{path}");
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
