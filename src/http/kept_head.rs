//! What is kept of a request's head while its body comes, and for the answer.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, Uri, Version};

const NOTHING: HeaderValue = HeaderValue::from_static("");

/// The few parts of a head that are needed after the body has come. A whole head takes some 110 bytes for each field, and an
/// HTTP/2 client names a field in one byte.
#[derive(Debug)]
pub struct KeptHead {
    /// The protocol's version.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// `Origin`, for the answer's CORS headers.
    pub origin: Option<HeaderValue>,
    /// `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// True if `Connection` is exactly `close`, as nearly all who ask for it write it.
    pub closes: bool,
}

impl KeptHead {
    /// Keeps what is needed of `head`, and drops the rest.
    pub fn new(head: Parts) -> Self {
        let Parts { method, uri, version, mut headers, .. } = head;
        // Exchanged, not removed: the map is dropped next, and to keep it in order costs as much as all else here.
        let mut take = |name| headers.get_mut(name).map(|value| std::mem::replace(value, NOTHING));
        let (origin, content_type) = (take(ORIGIN), take(CONTENT_TYPE));
        Self { version, method, origin, content_type, closes: asks_to_close(&headers), uri }
    }

    /// Bytes of text that it holds.
    pub fn size(&self) -> usize {
        let target = self.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let authority = self.uri.authority().map_or(0, |authority| authority.as_str().len());
        let value = |value: &Option<HeaderValue>| value.as_ref().map_or(0, HeaderValue::len);
        target + authority + value(&self.origin) + value(&self.content_type)
    }
}

/// True if `Connection` is exactly `close`.
pub fn asks_to_close(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(|options| options.as_bytes().eq_ignore_ascii_case(b"close"))
}
