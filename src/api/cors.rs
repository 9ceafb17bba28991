//! Cross-origin resource sharing (Fetch standard, "HTTP-responses"): which pages may read an answer.
//!
//! Any origin may, as in the reference; access is a matter of tokens. The headers are on errors too, or a page could
//! not read them.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, VARY,
};

/// The methods of the reference's preflight answer, and the one that batches may be sent with too.
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, HEAD, OPTIONS");
const ALLOW_BATCH_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, HEAD, OPTIONS");

/// The reference's list, and what tokens and compressed bodies need.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-JWT-Token, X-Requested-With, Origin, Accept, Content-Type, Content-Encoding, Authentication, Authorization",
);

/// Seconds for which a browser may keep a preflight answer: the most that Chromium honours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// Lets the page that asked read the answer. Without an `Origin` there is no page to let.
pub(crate) fn allow_origin(origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    if let Some(origin) = origin {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(VARY, VARY_ORIGIN);
    }
}

/// Says when to come again, after so many seconds, so that a page can read it too: `Retry-After` is not safelisted.
pub(crate) fn retry_after(origin: Option<&HeaderValue>, answer: &mut HeaderMap, seconds: &'static str) {
    answer.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    if origin.is_some() {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
}

/// Says which requests a page may make of a path that takes `methods`.
pub(crate) fn allow_requests(methods: &str, request: &HeaderMap, answer: &mut HeaderMap) {
    if request.contains_key(ORIGIN) {
        let methods = if methods.contains("PUT") { ALLOW_BATCH_METHODS } else { ALLOW_METHODS };
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}
