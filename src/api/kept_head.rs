//! What is kept of a request's head while its body comes, and for the answer.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, ORIGIN};
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
}

impl KeptHead {
    /// Keeps what is needed of `head`, and drops the rest. If its body may be long in coming on HTTP/2, what is kept is
    /// copied: it may be a few bytes of a frame that is in memory as a whole.
    pub fn new(head: Parts, copied: bool) -> Self {
        let Parts { method, uri, version, mut headers, .. } = head;
        // Exchanged, not removed: the map is dropped next, and to keep it in order costs as much as all else here.
        let mut take = |name| headers.get_mut(name).map(|value| std::mem::replace(value, NOTHING));
        let (origin, content_type) = (take(ORIGIN), take(CONTENT_TYPE));
        let kept = Self { version, method, origin, content_type, uri };
        if copied { kept.copied() } else { kept }
    }

    fn copied(self) -> Self {
        let value = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            origin: self.origin.as_ref().and_then(value),
            content_type: self.content_type.as_ref().and_then(value),
            // Scheme and authority are not needed any more. A target that was read once can be read again.
            uri: Uri::from_maybe_shared(Bytes::copy_from_slice(target.as_bytes())).unwrap_or_default(),
            ..self
        }
    }

    /// Bytes of text that it holds, which is all of its memory if it was copied.
    pub fn size(&self) -> usize {
        let target = self.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let authority = self.uri.authority().map_or(0, |authority| authority.as_str().len());
        let value = |value: &Option<HeaderValue>| value.as_ref().map_or(0, HeaderValue::len);
        target + authority + value(&self.origin) + value(&self.content_type)
    }
}
