//! The demo's page: three files, embedded in the binary, that load nothing from elsewhere.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};

/// What the page may do: run its own scripts, use its own styles, and talk to this server alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum File {
    /// `/`
    Page,
    /// `/demo/page.js`
    Script,
    /// `/demo/style.css`
    Style,
}

impl File {
    /// The file at a path below the base path.
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Page,
            "/demo/page.js" => Self::Script,
            "/demo/style.css" => Self::Style,
            _ => return None,
        })
    }

    /// Its content.
    pub fn content(self) -> &'static [u8] {
        match self {
            Self::Page => include_bytes!("../../demo/index.html"),
            Self::Script => include_bytes!("../../demo/page.js"),
            Self::Style => include_bytes!("../../demo/style.css"),
        }
    }

    /// Adds its headers. It is asked for anew each time: who runs a demo may run another version next.
    pub fn describe(self, answer: &mut HeaderMap) {
        let content_type = HeaderValue::from_static(match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
        });
        answer.insert(CONTENT_TYPE, content_type);
        answer.insert(CONTENT_SECURITY_POLICY, POLICY);
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}
