//! `GET /client.js`: the browser client, embedded in the binary, so that a page needs neither npm nor another server.

use std::io::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};

/// The script-tag build, as `client/build.js` writes it.
pub(crate) const SCRIPT: &[u8] = include_bytes!("../../client/dist/statsd-http-proxy-client.min.js");

/// The version. A page that requests it with `?v=` may cache the script for a year.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A year, without revalidation (RFC 8246): the content of a URL with a version never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Five minutes: pages get a fix soon after an update, and a busy page rarely requests the script.
const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// One content coding of the script, with its own validator.
///
/// The validators are strong (RFC 9110 section 8.8.1), so the codings, which differ in their bytes, must not share one
/// (section 8.8.3.3).
pub(crate) struct Representation {
    coding: Option<HeaderValue>,
    content: Bytes,
    tag: String,
}

static IDENTITY: LazyLock<Representation> = LazyLock::new(|| Representation {
    coding: None,
    content: Bytes::from_static(SCRIPT),
    tag: format!("\"{}\"", hash()),
});

/// Compressed once per process. `None` if that fails, which it does not with a buffer in memory.
static GZIP: LazyLock<Option<Representation>> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(SCRIPT).ok()?;
    let content = Bytes::from(encoder.finish().ok()?);
    Some(Representation {
        coding: Some(HeaderValue::from_static("gzip")),
        content,
        tag: format!("\"{}-gzip\"", hash()),
    })
});

/// The first half of the SHA-256 of the script, in hexadecimal.
fn hash() -> String {
    let hash = digest::digest(&digest::SHA256, SCRIPT);
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Compresses the script now, so that no request has to wait for it.
pub(crate) fn prepare() {
    LazyLock::force(&IDENTITY);
    LazyLock::force(&GZIP);
}

/// The representation that a request prefers, by its `Accept-Encoding`.
pub(crate) fn choose(request: &HeaderMap) -> &'static Representation {
    GZIP.as_ref().filter(|_| prefers_gzip(request)).unwrap_or(&IDENTITY)
}

/// True if gzip is acceptable, and preferred at least as much as no coding (RFC 9110 section 12.5.3).
///
/// Without the header all codings are acceptable, and the script is sent without one.
fn prefers_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for element in values.flat_map(|value| value.split(',')) {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let slot = match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            coding if coding.eq_ignore_ascii_case("identity") => &mut identity,
            "*" => &mut any,
            _ => continue,
        };
        // Of a repeated coding the least weight counts: a coding that is not understood breaks a page, a long answer does
        // not.
        let weight = weight(parameters);
        *slot = Some(slot.map_or(weight, |other: u16| other.min(weight)));
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight in thousandths (RFC 9110 section 12.4.2); 0 if it is malformed.
fn weight(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1000;
    }
    let Some(value) = parameters.strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('=')) else {
        return 0;
    };
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let thousandths =
        decimals.bytes().chain(std::iter::repeat(b'0')).take(3).fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

impl Representation {
    /// The body of the answer.
    pub(crate) fn content(&self) -> Bytes {
        self.content.clone()
    }

    /// 304 if `If-None-Match` names this representation (RFC 9110 section 13.1.2), otherwise 200.
    pub(crate) fn status(&self, request: &HeaderMap) -> StatusCode {
        let tags = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = tags
            .flat_map(|tags| tags.split(','))
            .map(|tag| tag.trim())
            // Weak comparison: a reverse proxy that changes the coding may have marked the tag as weak.
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag);
        if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
    }

    /// Adds the headers of the script, for a request with `query`.
    ///
    /// The script is the same for each origin, and any cache may keep it. So each page may read it, whatever its isolation.
    pub(crate) fn describe(&self, status: StatusCode, query: Option<&str>, answer: &mut HeaderMap) {
        let version = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "v");
        let current = version.is_some_and(|(_, version)| version == VERSION);
        answer.insert(CACHE_CONTROL, if current { IMMUTABLE } else { SHORT });
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            answer.insert(ETAG, tag);
        }
        // With both codings, and with 304 (RFC 9110 section 15.4.5): a cache must know that there are two.
        answer.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(coding) = self.coding.as_ref().filter(|_| status == StatusCode::OK) {
            answer.insert(CONTENT_ENCODING, coding.clone());
        }
        answer.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip_for(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).expect("a header's value"));
        }
        prefers_gzip(&headers)
    }

    #[test]
    fn gzip_goes_to_those_who_prefer_it() {
        for values in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["GZip"],
            &["x-gzip"],
            &["*"],
            &["br", "gzip"],
            &["gzip;q=0.001"],
            &["gzip ; q=0.5"],
            &["gzip;Q=1.000"],
            &["br;q=1, *;q=0.1"],
            &["identity;q=0.5, gzip;q=0.5"],
            &["identity;q=0, gzip"],
            &["*;q=0, gzip"],
        ] {
            assert!(gzip_for(values), "{values:?}");
        }
    }

    #[test]
    fn all_others_get_the_script_as_it_is() {
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["identity, gzip;q=0.9"],
            &["gzip;q=0", "gzip"],
            &["gzip;q=2"],
            &["gzip;q=1.001"],
            &["gzip;q=0.0001"],
            &["gzip;q=-1"],
            &["gzip;q="],
            &["gzip;q=x"],
            &["gzip;level=9"],
            &["gzipped"],
        ] {
            assert!(!gzip_for(values), "{values:?}");
        }
    }

    #[test]
    fn the_codings_do_not_share_a_validator() {
        let gzip = GZIP.as_ref().expect("it was compressed");
        assert_ne!(gzip.tag, IDENTITY.tag);
        assert!(gzip.content.len() < SCRIPT.len() * 3 / 4, "{} of {}", gzip.content.len(), SCRIPT.len());
    }
}
