//! `GET /client.js`: the browser client, embedded in the binary, so that a page needs no npm and no other server.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};

/// The script-tag build, as `client/build.js` writes it.
pub const SCRIPT: &[u8] = include_bytes!("../client/dist/statsd-http-proxy-client.min.js");

/// The version that a page may ask for with `?v=`, to keep the script for a year.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A year, and no question whether it has changed (RFC 8246): what the URL names never does.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Five minutes: a fix is with all pages soon after an update, and a busy page asks seldom.
const A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Names the content (RFC 9110 section 8.8.3): the first half of its SHA-256.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let hash = digest::digest(&digest::SHA256, SCRIPT);
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
});

/// Whether the client has the script already, by its `If-None-Match` (RFC 9110 section 13.1.2).
pub fn status(request: &HeaderMap) -> StatusCode {
    let tags = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = tags
        .flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == *TAG);
    if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
}

/// Adds the headers of the script, as a request with `query` is to get it.
///
/// It is the same for every origin, and may be kept by any cache, so any page may read it, whatever its isolation.
pub fn describe(query: Option<&str>, answer: &mut HeaderMap) {
    let version = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "v");
    let current = version.is_some_and(|(_, version)| version == VERSION);
    answer.insert(CACHE_CONTROL, if current { FOR_EVER } else { A_WHILE });
    if let Ok(tag) = HeaderValue::from_str(&TAG) {
        answer.insert(ETAG, tag);
    }
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
}
