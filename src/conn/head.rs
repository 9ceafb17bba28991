//! Checks rules of heads that hyper's parser does not check, and that a reverse proxy could read differently.

mod fields;

use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};
use thiserror::Error;

pub use self::fields::{Field, Fields};

/// The most bytes of a head without cookies. A request to this server has some hundred bytes, and a token up to 4 KiB.
/// Cookies are not counted, since browsers send those of a site with each beacon. The buffer of hyper bounds both together.
const MAX_HEAD: usize = 8 * 1024;

/// The most fields of a head: hyper's limit for HTTP/1.1, which h2 does not have. Each takes some 110 bytes of memory, and
/// one byte of an HTTP/2 head. All `Cookie` fields count as one.
const MAX_FIELDS: usize = 100;

/// The most `Cookie` fields: over HTTP/2 browsers send each cookie in a field of its own (RFC 9113 section 8.2.3), and keep
/// up to 180 for a site. They are dropped with the rest of the head, before the next one is read.
const MAX_COOKIE_FIELDS: usize = 256;

/// The bytes of most hosts, which need no further check. A table, since each byte of each `Host` is looked up.
static PLAIN_HOST: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'-');
        byte += 1;
    }
    plain
};

/// The reason for which a head is refused.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum HeadError {
    /// HTTP/1.1 needs exactly one valid `Host` (RFC 9112 section 3.2).
    #[error("Invalid Host specified")]
    Host,
    /// A `Transfer-Encoding` that is not exactly `chunked` (RFC 9112 section 6.1).
    #[error("Invalid Transfer-Encoding specified")]
    Framing,
    /// A known transfer coding that is not supported.
    #[error("Transfer coding not supported")]
    TransferCoding,
    /// A request target that is not a path (RFC 9112 section 3.2).
    #[error("Invalid request target specified")]
    Target,
    /// The request target alone is over the limit of a head.
    #[error("Request target too long")]
    TargetTooLong,
    /// The head without cookies has more than [`MAX_HEAD`] bytes (RFC 6585 section 5).
    #[error("Request head too large")]
    TooLarge,
    /// The head has more than [`MAX_FIELDS`] or [`MAX_COOKIE_FIELDS`] (RFC 6585 section 5).
    #[error("Too many request header fields")]
    TooManyFields,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("Expectation not supported")]
    Expectation,
}

/// Checks a head. `fields` are those of `head`.
///
/// # Errors
///
/// The first rule that the head breaks.
pub fn check(head: &Parts, fields: &Fields<'_>) -> Result<(), HeadError> {
    let with_one_cookie = head.headers.len() - fields.cookies.saturating_sub(1);
    if with_one_cookie > MAX_FIELDS || fields.cookies > MAX_COOKIE_FIELDS {
        return Err(HeadError::TooManyFields);
    }
    if head.version < Version::HTTP_2 {
        host(head.version, fields.host)?;
        transfer_encoding(fields.transfer_encoding)?;
    }
    size(head, fields)?;
    target(head)?;
    if fields.expects_other { Err(HeadError::Expectation) } else { Ok(()) }
}

fn size(head: &Parts, fields: &Fields<'_>) -> Result<(), HeadError> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_HEAD {
        return Err(HeadError::TargetTooLong);
    }
    if target + fields.bytes > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(()) }
}

fn host(version: Version, host: Field<'_>) -> Result<(), HeadError> {
    match host.single() {
        Ok(Some(host)) if is_host(host.as_bytes()) => Ok(()),
        Ok(None) if version < Version::HTTP_11 => Ok(()),
        _ => Err(HeadError::Host),
    }
}

/// True if `host` is `uri-host [":" port]` (RFC 9110 section 7.2), or empty, which means that there is no authority.
fn is_host(host: &[u8]) -> bool {
    if host.iter().all(|byte| PLAIN_HOST[usize::from(*byte)]) {
        return true;
    }
    Authority::try_from(host).is_ok_and(|authority| {
        let port_sound = match host.rsplit_once_colon() {
            Some(port) => port.is_empty() || authority.port_u16().is_some(),
            None => true,
        };
        port_sound && !host.contains(&b'@') && !host.contains(&b',')
    })
}

/// The text after the colon that begins a port.
trait PortText {
    fn rsplit_once_colon(&self) -> Option<&[u8]>;
}

impl PortText for [u8] {
    fn rsplit_once_colon(&self) -> Option<&[u8]> {
        let colon = self.iter().rposition(|b| *b == b':')?;
        // A colon inside the brackets of an IPv6 address begins no port.
        let after = &self[colon + 1..];
        (!after.contains(&b']')).then_some(after)
    }
}

fn transfer_encoding(coding: Field<'_>) -> Result<(), HeadError> {
    let Some(coding) = coding.single().map_err(|_| HeadError::Framing)? else { return Ok(()) };
    if coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    // With known codings before a final `chunked` the body could be read, but this server does not.
    let text = coding.to_str().map_err(|_| HeadError::Framing)?.to_ascii_lowercase();
    let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
    let chunked_last = names.pop() == Some("chunked");
    let known = |name: &&str| matches!(*name, "gzip" | "x-gzip" | "deflate" | "compress" | "x-compress" | "br");
    if chunked_last && !names.is_empty() && names.iter().all(known) {
        return Err(HeadError::TransferCoding);
    }
    Err(HeadError::Framing)
}

fn target(head: &Parts) -> Result<(), HeadError> {
    let path = head.uri.path();
    let asterisk = path == "*" && head.method == Method::OPTIONS;
    let userinfo = head.uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    // `:path` begins with a slash (RFC 9113 section 8.3.1), but h2 accepts `?x`, for which `Uri::path` returns `/`.
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let without_path = head.version >= Version::HTTP_2 && target.starts_with('?');
    // CONNECT and a bare word are parsed as an authority without a path.
    if (path.starts_with('/') || asterisk) && !without_path && !userinfo && head.method != Method::CONNECT {
        Ok(())
    } else {
        Err(HeadError::Target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http::header::{COOKIE, EXPECT, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};

    fn with(headers: &[(HeaderName, &str)], target: &str) -> Result<(), HeadError> {
        let mut request = Request::post(target).version(Version::HTTP_11);
        for (name, value) in headers {
            request = request.header(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let head = request.body(()).expect("a request").into_parts().0;
        check(&head, &Fields::of(&head.headers))
    }

    #[test]
    fn hosts_are_checked() {
        for good in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "", "a_b.example", "h:"] {
            assert_eq!(with(&[(HOST, good)], "/"), Ok(()), "{good}");
        }
        for bad in ["u@h", "u:p@h", "h/path", "h?q", "h#f", "a b", "a,b", "h:x", "h:99999", "a:b:c", "[::1", "h\\"] {
            assert_eq!(with(&[(HOST, bad)], "/"), Err(HeadError::Host), "{bad}");
        }
        assert_eq!(with(&[], "/"), Err(HeadError::Host));
        assert_eq!(with(&[(HOST, "a"), (HOST, "a")], "/"), Err(HeadError::Host));
    }

    #[test]
    fn only_chunked_is_a_transfer_encoding() {
        let te = |value: &str| with(&[(HOST, "h"), (TRANSFER_ENCODING, value)], "/");
        assert_eq!(te("chunked"), Ok(()));
        assert_eq!(te("Chunked"), Ok(()));
        for bad in
            ["identity, chunked", "chunked, chunked", "chunked, identity", "\"chunked\"", "", "xchunked", ", chunked"]
        {
            assert_eq!(te(bad), Err(HeadError::Framing), "{bad:?}");
        }
        assert_eq!(te("gzip, chunked"), Err(HeadError::TransferCoding));
        let twice = [(HOST, "h"), (TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")];
        assert_eq!(with(&twice, "/"), Err(HeadError::Framing));
    }

    #[test]
    fn targets_are_paths() {
        let host = [(HOST, "h")];
        assert_eq!(with(&host, "/count/a"), Ok(()));
        assert_eq!(with(&host, "http://h/count/a"), Ok(()));
        assert_eq!(with(&host, "*"), Err(HeadError::Target));
        assert_eq!(with(&host, "a"), Err(HeadError::Target));
        assert_eq!(with(&host, "http://u@h/count/a"), Err(HeadError::Target));
    }

    #[test]
    fn an_http2_target_has_a_path() {
        let check = |version, target: &str| {
            let request = Request::get(target).version(version).header(HOST, "h");
            let head = request.body(()).expect("a request").into_parts().0;
            check(&head, &Fields::of(&head.headers))
        };
        for (target, verdict) in [
            ("https://h/?x", Ok(())),
            ("https://h/count/a?x", Ok(())),
            ("https://h?x", Err(HeadError::Target)),
            ("https://h?", Err(HeadError::Target)),
        ] {
            assert_eq!(check(Version::HTTP_2, target), verdict, "{target}");
            // In the absolute form of HTTP/1.1 an empty path is `/` (RFC 9112 section 3.2.1).
            assert_eq!(check(Version::HTTP_11, target), Ok(()), "{target}");
        }
    }

    #[test]
    fn heads_are_bounded_but_for_cookies() {
        let long = "x".repeat(7 * 1024);
        let longer = "x".repeat(8 * 1024);
        assert_eq!(with(&[(HOST, "h"), (COOKIE, &long), (http::header::REFERER, &long)], "/"), Ok(()));
        assert_eq!(with(&[(HOST, "h"), (http::header::REFERER, &longer)], "/"), Err(HeadError::TooLarge));
        assert_eq!(with(&[(HOST, "h"), (http::header::REFERER, &long)], &format!("/{long}")), Err(HeadError::TooLarge));
        assert_eq!(with(&[(HOST, "h")], &format!("/{longer}")), Err(HeadError::TargetTooLong));
    }

    #[test]
    fn other_expectations_are_refused() {
        assert_eq!(with(&[(HOST, "h"), (EXPECT, "100-Continue")], "/"), Ok(()));
        assert_eq!(with(&[(HOST, "h"), (EXPECT, "100-continue"), (EXPECT, "100-continue")], "/"), Ok(()));
        for others in [&["200-ok"][..], &["100-continue", "200-ok"], &["200-ok", "100-continue"], &["100-continue", ""]]
        {
            let others = others.iter().map(|value| (EXPECT, *value));
            let fields: Vec<_> = [(HOST, "h")].into_iter().chain(others).collect();
            assert_eq!(with(&fields, "/"), Err(HeadError::Expectation), "{fields:?}");
        }
    }
}
