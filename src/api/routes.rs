//! Method and path to what serves them: one table. Pure: no sockets, no hyper.

use std::borrow::Cow;

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::api::endpoints;
use crate::api::requester::Requester;
use crate::api::site::{File, Site};
use crate::conn::service::Answer;
use crate::metric::Kind;

/// What serves an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// A function of the head and its sender. The body is of no interest.
    Head(fn(&Parts, &Requester) -> Answer),
    /// Many metrics in the body.
    Batch,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// Bearers of a token, if the operator requires one.
    Token,
}

/// The methods of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Methods {
    /// To get something.
    Read,
    /// To send a metric.
    Metric,
    /// To send many.
    Batch,
}

impl Methods {
    /// The value of `Allow`.
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Read => "GET, HEAD, OPTIONS",
            Self::Metric => "POST, OPTIONS",
            Self::Batch => "POST, PUT, OPTIONS",
        }
    }

    fn has(self, method: &Method) -> bool {
        matches!(
            (self, method.as_str()),
            (Self::Read, "GET" | "HEAD") | (Self::Metric, "POST") | (Self::Batch, "POST" | "PUT")
        )
    }
}

/// A path without a key, and what serves it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Below the base path.
    path: &'static str,
    methods: Methods,
    /// Who may use it.
    pub(crate) access: Access,
    /// What serves it.
    pub(crate) handler: Handler,
}

/// Every path without a key. The metrics' paths are `/{resource}/{key}`, see [`RESOURCES`].
static ENDPOINTS: [Endpoint; 3] = [
    Endpoint {
        path: "/heartbeat",
        methods: Methods::Read,
        access: Access::Open,
        handler: Handler::Head(endpoints::heartbeat),
    },
    Endpoint {
        path: "/client.js",
        methods: Methods::Read,
        access: Access::Open,
        handler: Handler::Head(endpoints::client_script),
    },
    Endpoint { path: "/batch", methods: Methods::Batch, access: Access::Token, handler: Handler::Batch },
];

/// The first segments of the metrics' paths.
const RESOURCES: [(&str, Kind); 4] =
    [("count", Kind::Count), ("gauge", Kind::Gauge), ("timing", Kind::Timing), ("set", Kind::Set)];

/// The path of a page's live events.
const EVENTS: &str = "/events";

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// An endpoint of the table.
    Endpoint(&'static Endpoint),
    /// A metric, and the offset of its key in the path.
    Metric(Kind, usize),
    /// A file of the page beside the API.
    File(&'static File),
    /// The live events of that page.
    Events,
    /// Which requests a page may make; holds the methods to allow.
    Preflight(&'static str),
}

/// Why no route matched.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum RouteError {
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// The path is there, but not for this method; holds those that are allowed.
    #[error("the path takes {0}")]
    MethodNotAllowed(&'static str),
}

/// What `OPTIONS *` is told.
pub(crate) const ALL_METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// Where the routes are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Routes {
    /// The path before all others: empty, or `/some/path`.
    pub(crate) base: String,
}

impl Routes {
    /// Finds the route; an unknown path comes before a wrong method. `site` is the page that is served too, if there is one.
    pub(crate) fn find(&self, method: &Method, path: &str, site: Option<&Site>) -> Result<Route, RouteError> {
        let below = path.strip_prefix(self.base.as_str()).ok_or(RouteError::NotFound)?;
        let (route, methods) = match metric(below) {
            Some((kind, key)) => (Route::Metric(kind, path.len() - key.len()), Methods::Metric),
            None => named(below, site).ok_or(RouteError::NotFound)?,
        };
        match method {
            _ if methods.has(method) => Ok(route),
            &Method::OPTIONS => Ok(Route::Preflight(methods.allow())),
            _ => Err(RouteError::MethodNotAllowed(methods.allow())),
        }
    }
}

/// The route of a path without a key.
fn named(path: &str, site: Option<&Site>) -> Option<(Route, Methods)> {
    if let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| endpoint.path == path) {
        return Some((Route::Endpoint(endpoint), endpoint.methods));
    }
    let site = site?;
    let route = if path == EVENTS { Route::Events } else { Route::File(site.file(path)?) };
    Some((route, Methods::Read))
}

/// Splits `/{resource}/{key}`; the key is one segment, and not empty.
fn metric(path: &str) -> Option<(Kind, &str)> {
    let (resource, key) = path.strip_prefix('/')?.split_once('/')?;
    if key.is_empty() || key.contains('/') {
        return None;
    }
    let (_, kind) = RESOURCES.iter().find(|(name, _)| *name == resource)?;
    Some((*kind, key))
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
    use crate::api::event_feed::Feed;

    /// What was found, in a form that can be compared.
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
}
