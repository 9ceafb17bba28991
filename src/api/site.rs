//! A page that is served beside the API: its files and its live events. The module that owns the page passes it in.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

use crate::api::event_feed::Feed;

/// The page may run its own scripts, use its own styles, and connect to this server only.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Its files.
    pub(crate) files: &'static [File],
    /// Its live events, at `/events`.
    pub(crate) feed: Feed,
}

impl Site {
    /// The file at a path below the base path.
    pub(crate) fn file(&self, path: &str) -> Option<&'static File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// A file of the page, embedded in the binary.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct File {
    /// The path below the base path.
    pub(crate) path: &'static str,
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// Its bytes.
    pub(crate) content: &'static [u8],
}

impl File {
    /// Its bytes.
    pub(crate) fn content(&self) -> Bytes {
        Bytes::from_static(self.content)
    }

    /// Adds its headers. Browsers must revalidate it each time, since another version of the demo may run next.
    pub(crate) fn describe(&self, answer: &mut HeaderMap) {
        answer.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        answer.insert(CONTENT_SECURITY_POLICY, POLICY);
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // The URL of the page may contain a token.
        answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}
