//! Finds the handler of a method and a path in one table. Pure: no sockets, no hyper.

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

/// The code that serves an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// A function of the head and its sender. The body is not read.
    Head(fn(&Parts, &Requester) -> Answer),
    /// Reads metrics from the body.
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
    /// GET and HEAD.
    Read,
    /// POST, for one metric.
    Metric,
    /// POST and PUT, for many metrics.
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

/// A path without a key, and its handler.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The path below the base path.
    path: &'static str,
    methods: Methods,
    /// Who may use it.
    pub(crate) access: Access,
    /// Serves it.
    pub(crate) handler: Handler,
}

/// All paths without a key. Those of metrics are `/{resource}/{key}`, see [`RESOURCES`].
static ENDPOINTS: &[Endpoint] = &[
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

/// The first segments of the paths of metrics.
const RESOURCES: [(&str, Kind); 4] =
    [("count", Kind::Count), ("gauge", Kind::Gauge), ("timing", Kind::Timing), ("set", Kind::Set)];

/// The path of the live events of a page.
const EVENTS: &str = "/events";

/// The target of a request.
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
    /// A preflight request, with the methods to allow.
    Preflight(&'static str),
}

/// Why no route matched.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum RouteError {
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// The path exists, but not with this method. Contains the allowed methods.
    #[error("the path takes {0}")]
    MethodNotAllowed(&'static str),
}

/// The methods in the answer to `OPTIONS *`.
pub(crate) const ALL_METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// The place of the routes below the base path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Routes {
    /// The prefix of all paths: empty, or `/some/path`.
    pub(crate) base: String,
}

impl Routes {
    /// Finds the route. `site` is the page beside the API, if there is one.
    ///
    /// # Errors
    ///
    /// The path is unknown, or known without this method. An unknown path takes precedence.
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

/// Splits `/{resource}/{key}`. The key is one segment, and not empty.
fn metric(path: &str) -> Option<(Kind, &str)> {
    let (resource, key) = path.strip_prefix('/')?.split_once('/')?;
    if key.is_empty() || key.contains('/') {
        return None;
    }
    let (_, kind) = RESOURCES.iter().find(|(name, _)| *name == resource)?;
    Some((*kind, key))
}

/// Decodes the percent-encoding of a key (RFC 3986 section 2.1). `None` if a `%` begins no triplet, or the bytes are not
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
mod tests;
