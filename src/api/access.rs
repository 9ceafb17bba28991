//! Decides which browsers get the demo's page and its events: those that were given this server's address, and none that
//! reached it under the name of a foreign site.
//!
//! A site whose name first resolves to its own server and later to a loopback address makes its pages same-origin with
//! any server that listens there ("DNS rebinding"). Such a request has the name of the site in `Host`. An IP address in
//! `Host` cannot be rebound.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{StatusCode, Uri};
use thiserror::Error;

/// W3C Fetch Metadata, section 2.3. Browsers add it for loopback addresses and for HTTPS, and no page can change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The reason for which the demo is not shown.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum AccessError {
    /// `Host` is a name that may belong to a foreign site.
    #[error(
        "The demo is shown under localhost, an IP address or the name in --http-host only: any other name could be a \
         foreign site's (DNS rebinding)"
    )]
    Host,
    /// A page of another site requests the events.
    #[error("The demo's events are shown to its own page only, not to pages of other sites")]
    Origin,
}

impl AccessError {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }
}

/// Checks that the request is for localhost, for an IP address, or for `listen_host`, the value of `--http-host`.
pub(crate) fn check_host(uri: &Uri, headers: &HeaderMap, listen_host: &str) -> Result<(), AccessError> {
    let authority = authority(uri, headers).ok_or(AccessError::Host)?;
    // Nothing may stand before the host (userinfo), and only a port after it.
    let port = authority.as_str().strip_prefix(authority.host());
    let port_is_sound = port.is_some_and(|port| matches!(port, "" | ":") || authority.port_u16().is_some());
    if port_is_sound && is_own(authority.host(), listen_host) { Ok(()) } else { Err(AccessError::Host) }
}

/// Checks that no page of another site sent the request. Browsers send `Origin` with each request whose answer a page of
/// another site could read, and `Sec-Fetch-Site` with others.
pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), AccessError> {
    let foreign = |site: &HeaderValue| *site != "same-origin" && *site != "none";
    if headers.get_all(SEC_FETCH_SITE).iter().any(foreign) {
        return Err(AccessError::Origin);
    }
    let own = authority(uri, headers);
    let is_own = |origin: &HeaderValue| {
        let (_, origin) = origin.to_str().ok()?.split_once("://")?;
        // The scheme is not compared: a reverse proxy may end TLS.
        own.as_ref().filter(|own| own.as_str().eq_ignore_ascii_case(origin))
    };
    if headers.get_all(ORIGIN).iter().all(|origin| is_own(origin).is_some()) {
        Ok(())
    } else {
        Err(AccessError::Origin)
    }
}

/// The authority that the request is for. HTTP/2 and proxies have it in the target, which takes precedence over `Host` (RFC
/// 9112 section 3.2.2).
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => Authority::try_from(headers.get(HOST)?.as_bytes()).ok(),
    }
}

fn is_own(host: &str, listen_host: &str) -> bool {
    // With a final dot it is the same name (RFC 1034 section 3.1).
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    if !listen_host.is_empty() && name.eq_ignore_ascii_case(listen_host) {
        return true;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    fn host(host: &str, listen_host: &str) -> Result<(), AccessError> {
        check_host(&Uri::from_static("/"), &headers(&[(HOST, host)]), listen_host)
    }

    #[test]
    fn addresses_and_own_names_are_accepted_and_others_not() {
        for own in [
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "192.0.2.7",
            "[::1]:8080",
            "[::1]",
            "[2001:db8::1]:1",
            "[::ffff:127.0.0.1]:8080",
        ] {
            assert_eq!(host(own, "127.0.0.1"), Ok(()), "{own}");
        }
        for foreign in [
            "",
            "attacker.example",
            "attacker.example:8080",
            "attacker.example@localhost",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "127.0.0.1.nip.io:8080",
            "localhost:80.attacker.example",
            "notlocalhost",
            "1",
            "0x7f000001",
            "2130706433",
            "127.1",
            "0177.0.0.1",
            "[::1",
            "[attacker.example]",
            "localhost..",
            "metrics.example.com",
        ] {
            assert_eq!(host(foreign, "127.0.0.1"), Err(AccessError::Host), "{foreign}");
            assert_eq!(host(foreign, ""), Err(AccessError::Host), "{foreign}");
        }
        assert_eq!(host("metrics.example.com:8080", "metrics.example.com"), Ok(()));
        assert_eq!(host("Metrics.Example.com.", "metrics.example.com"), Ok(()));
        assert_eq!(check_host(&Uri::from_static("/"), &HeaderMap::new(), "127.0.0.1"), Err(AccessError::Host));
    }

    #[test]
    fn the_target_takes_precedence_over_host() {
        let local = headers(&[(HOST, "localhost")]);
        let foreign = Uri::from_static("http://attacker.example/");
        assert_eq!(check_host(&foreign, &local, "127.0.0.1"), Err(AccessError::Host));
        assert_eq!(check_host(&Uri::from_static("https://localhost:8080/"), &HeaderMap::new(), ""), Ok(()));
    }

    #[test]
    fn only_the_own_origin_gets_events() {
        let check = |list: &[(HeaderName, &str)]| {
            let mut headers = headers(list);
            headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
            check_origin(&Uri::from_static("/events"), &headers)
        };
        for own in ["http://localhost:8080", "https://localhost:8080", "http://LOCALHOST:8080"] {
            assert_eq!(check(&[(ORIGIN, own)]), Ok(()), "{own}");
        }
        for foreign in [
            "http://attacker.example",
            "http://localhost",
            "http://localhost:8081",
            "http://127.0.0.1:8080",
            "null",
            "",
            "localhost:8080",
            "http://localhost:8080.attacker.example",
            "http://localhost:8080/",
        ] {
            assert_eq!(check(&[(ORIGIN, foreign)]), Err(AccessError::Origin), "{foreign}");
        }
        assert_eq!(check(&[]), Ok(()));
        for (site, expected) in [
            ("same-origin", Ok(())),
            ("none", Ok(())),
            ("cross-site", Err(AccessError::Origin)),
            ("same-site", Err(AccessError::Origin)),
        ] {
            assert_eq!(check(&[(SEC_FETCH_SITE, site)]), expected, "{site}");
        }
    }
}
