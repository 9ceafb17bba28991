//! The parts of a head that are kept while the body arrives, and for the answer.

use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Version};

/// The few parts of a head that are needed after the body has arrived. A whole head takes some 110 bytes per field, which an
/// HTTP/2 client can name in one byte.
#[derive(Debug)]
pub struct KeptHead {
    /// The version of HTTP.
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
    /// Keeps the needed parts of `head`, whose `Origin` and `Content-Type` are given, and drops the rest. `copied` is for
    /// HTTP/2 requests whose body may take long: uncopied, a few bytes keep their whole frame in memory.
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
        // A target that was parsed once can be parsed again.
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

    /// The bytes of text that it holds, which are all of its memory if it was copied.
    pub fn size(&self) -> usize {
        let target = self.target.as_ref().map_or(0, |target| target.as_str().len());
        let value = |value: &Option<HeaderValue>| value.as_ref().map_or(0, HeaderValue::len);
        target + value(&self.origin) + value(&self.content_type)
    }
}
