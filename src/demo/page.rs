//! The files of the demo's page. They are embedded in the binary, and load nothing from other servers.

use crate::api::site::File;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! file {
    ($path:literal, $content_type:ident, $source:literal) => {
        File { path: $path, content_type: $content_type, content: include_bytes!(concat!("../../demo/", $source)) }
    };
}

/// All files of the page.
pub(crate) static FILES: [File; 6] = [
    file!("/", HTML, "index.html"),
    file!("/demo/style.css", STYLE, "style.css"),
    file!("/demo/page.js", SCRIPT, "page.js"),
    file!("/demo/card.js", SCRIPT, "card.js"),
    file!("/demo/send.js", SCRIPT, "send.js"),
    file!("/demo/web-vitals.js", SCRIPT, "web-vitals.js"),
];
