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
mod tests;
