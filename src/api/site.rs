//! A page that is served beside the API: its files, and its live events. Who makes it hands it in from above.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

use crate::api::event_feed::Feed;

/// What the page may do: run its own scripts, use its own styles, and talk to this server alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A page and what belongs to it.
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
    /// Below the base path.
    pub(crate) path: &'static str,
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// All of it.
    pub(crate) content: &'static [u8],
}

impl File {
    /// All of it.
    pub(crate) fn content(&self) -> Bytes {
        Bytes::from_static(self.content)
    }

    /// Adds its headers. It is asked for anew each time: who runs a demo may run another version next.
    pub(crate) fn describe(&self, answer: &mut HeaderMap) {
        answer.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        answer.insert(CONTENT_SECURITY_POLICY, POLICY);
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // The page's address may have a token.
        answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}
