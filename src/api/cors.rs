//! Cross-origin resource sharing (Fetch standard, "HTTP responses"): which pages may read an answer.
//!
//! Pages of each origin may, as with the reference; tokens restrict access. Errors have the headers too, since a page
//! cannot read them otherwise.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, VARY,
};

/// The methods of the reference's preflight answer, and those for batches, which add PUT.
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, HEAD, OPTIONS");
const ALLOW_BATCH_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, HEAD, OPTIONS");

/// The reference's list, and the headers of tokens and compressed bodies.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-JWT-Token, X-Requested-With, Origin, Accept, Content-Type, Content-Encoding, Authentication, Authorization",
);

/// The seconds for which a browser may cache a preflight answer: the most that Chromium accepts.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// Allows the page of `origin` to read the answer. Requests without `Origin` need no permission.
pub(crate) fn allow_origin(origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    if let Some(origin) = origin {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(VARY, VARY_ORIGIN);
    }
}

/// Adds `Retry-After` with `seconds`, and exposes it to pages: it is not a safelisted header.
pub(crate) fn retry_after(origin: Option<&HeaderValue>, answer: &mut HeaderMap, seconds: &'static str) {
    answer.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    if origin.is_some() {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
}

/// Tells a page which requests it may send to a path with these `methods`.
pub(crate) fn allow_requests(methods: &str, request: &HeaderMap, answer: &mut HeaderMap) {
    if request.contains_key(ORIGIN) {
        let methods = if methods.contains("PUT") { ALLOW_BATCH_METHODS } else { ALLOW_METHODS };
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}
