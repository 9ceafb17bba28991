//! The demo's page: its files, embedded in the binary, load nothing from elsewhere.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// What the page may do: run its own scripts, use its own styles, and talk to this server alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of the page.
#[derive(Debug, Eq, PartialEq)]
pub struct File {
    /// Below the base path.
    path: &'static str,
    /// Its media type.
    content_type: &'static str,
    /// All of it.
    pub content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! file {
    ($path:literal, $content_type:ident, $source:literal) => {
        File { path: $path, content_type: $content_type, content: include_bytes!(concat!("../../demo/", $source)) }
    };
}

static FILES: [File; 6] = [
    file!("/", HTML, "index.html"),
    file!("/demo/style.css", STYLE, "style.css"),
    file!("/demo/page.js", SCRIPT, "page.js"),
    file!("/demo/card.js", SCRIPT, "card.js"),
    file!("/demo/send.js", SCRIPT, "send.js"),
    file!("/demo/web-vitals.js", SCRIPT, "web-vitals.js"),
];

impl File {
    /// The file at a path below the base path.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path == path)
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
