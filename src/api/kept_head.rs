//! What is kept of a request's head while its body comes, and for the answer.

use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Version};

/// The few parts of a head that are needed after the body has come. A whole head takes some 110 bytes for each field, and an
/// HTTP/2 client names a field in one byte.
#[derive(Debug)]
pub struct KeptHead {
    /// The protocol's version.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// Path and query of the target. `CONNECT` has neither.
    target: Option<PathAndQuery>,
    /// `Origin`, for the answer's CORS headers.
    pub origin: Option<HeaderValue>,
    /// `Content-Type`.
    pub content_type: Option<HeaderValue>,
}

impl KeptHead {
    /// Keeps what is needed of `head`, whose `Origin` and `Content-Type` are given, and drops the rest. If its body may be long
    /// in coming on HTTP/2, what is kept is copied: it may be a few bytes of a frame that is in memory as a whole.
    #[inline(always)]
    pub fn new(head: Parts, origin: Option<HeaderValue>, content_type: Option<HeaderValue>, copied: bool) -> Self {
        let Parts { method, uri, version, .. } = head;
        let kept = Self { version, method, target: uri.into_parts().path_and_query, origin, content_type };
        if copied { kept.copied() } else { kept }
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }

    /// The query, without its question mark.
    #[cfg(any(test, feature = "internals"))]
    pub fn query(&self) -> Option<&str> {
        self.target.as_ref().and_then(PathAndQuery::query)
    }

    fn copied(self) -> Self {
        let value = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        // A target that was read once can be read again.
        let target = |target: &PathAndQuery| {
            PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(target.as_str().as_bytes())).ok()
        };
        Self {
            origin: self.origin.as_ref().and_then(value),
            content_type: self.content_type.as_ref().and_then(value),
            target: self.target.as_ref().and_then(target),
            ..self
        }
    }

    /// Bytes of text that it holds, which is all of its memory if it was copied.
    pub fn size(&self) -> usize {
        let target = self.target.as_ref().map_or(0, |target| target.as_str().len());
        let value = |value: &Option<HeaderValue>| value.as_ref().map_or(0, HeaderValue::len);
        target + value(&self.origin) + value(&self.content_type)
    }
}
