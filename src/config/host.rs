//! Checks the hosts of the command line: each must be an address or a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// The longest host name, in bytes (RFC 1035 section 2.3.4, as text with its final dot).
const MAX_NAME: usize = 254;

/// The error for a text that is not a host.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum HostError {
    /// A host with a port.
    #[error("must be a host without a port")]
    Port {
        /// The host; empty for all addresses.
        host: String,
        /// The port.
        port: String,
    },
    /// A text with a scheme, a path, a query or a user.
    #[error("must be a host, not a URL")]
    Url {
        /// The host of the URL, if it is valid.
        host: Option<String>,
        /// The port, if there is one.
        port: Option<String>,
    },
    /// The path of a socket.
    #[error("must be a host: Unix sockets are not supported here")]
    UnixSocket,
    /// Several hosts.
    #[error("must be one host")]
    List,
    /// A space or a control character.
    #[error("must be a host, without spaces")]
    Space,
    /// A character that is in no name and no address.
    #[error("must be an IPv4 or IPv6 address, or a name of letters, digits, '-', '_' and '.'")]
    Character,
    /// Numbers and dots that form no IPv4 address.
    #[error("must be an IPv4 address of four numbers, 0 to 255")]
    Ipv4,
    /// Colons or brackets that form no IPv6 address.
    #[error("must be an IPv6 address, such as ::1")]
    Ipv6,
}

impl HostError {
    /// The rule, and the flags to write instead. `side` is `http` or `statsd`.
    pub(crate) fn advice(&self, side: &str) -> String {
        match self {
            Self::Port { host, port } => format!("{self}; use {}", flags(side, host, Some(port))),
            Self::Url { host: Some(host), port } => format!("{self}; use {}", flags(side, host, port.as_deref())),
            Self::UnixSocket if side == "statsd" => {
                format!("{self}; use --statsd-address unix:///PATH or unix-stream:///PATH")
            }
            Self::UnixSocket => format!("{self}; use {}", flags(side, "127.0.0.1", Some("PORT"))),
            Self::Character if side == "http" => format!("{self}; --http-host= (empty) listens on all addresses"),
            _ => self.to_string(),
        }
    }
}

fn flags(side: &str, host: &str, port: Option<&str>) -> String {
    let host = if host.is_empty() { format!("--{side}-host=") } else { format!("--{side}-host {host}") };
    port.map_or_else(|| host.clone(), |port| format!("{host} --{side}-port {port}"))
}

/// Checks a host, and returns it without the brackets of an IPv6 address.
///
/// Accepts the same hosts as the resolver of the system: IPv4 in all its spellings, IPv6 with or without a zone, and
/// names.
pub(crate) fn parse(text: &str) -> Result<&str, HostError> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(HostError::Space);
    }
    if text.starts_with(['/', '.']) && text.contains('/') || text.starts_with("unix:") {
        return Err(HostError::UnixSocket);
    }
    if text.contains(['/', '?', '#', '@']) {
        return Err(url(text));
    }
    if text.contains([',', ';']) {
        return Err(HostError::List);
    }
    let bare = bracketed(text).unwrap_or(text);
    if bare.contains(':') {
        // An IPv6 address has at least two colons.
        let otherwise = |error| if text.matches(':').count() == 1 { HostError::Character } else { error };
        return ipv6(bare).map(|()| bare).map_err(|error| host_and_port(text).unwrap_or_else(|| otherwise(error)));
    }
    // The brackets hold no IPv6 address.
    if bare.len() < text.len() {
        return Err(HostError::Ipv6);
    }
    name(bare).map(|()| bare)
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

fn ipv6(text: &str) -> Result<(), HostError> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
    // `::1:8125` has the form of an address, but is a mistake: RFC 4291 section 2.5.5.1 has withdrawn the addresses of
    // `::/96`.
    let groups = address.segments();
    if groups[..6] == [0; 6] && groups[6] != 0 && !text.contains('.') {
        return Err(HostError::Ipv6);
    }
    Ok(())
}

/// Splits `host:port`, `[host]:port` and `:port`.
fn host_and_port(text: &str) -> Option<HostError> {
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bare = match bracketed(host) {
        Some(bare) => ipv6(bare).map(|()| bare).ok()?,
        None if host.contains(':') => ipv6(host).map(|()| host).ok()?,
        None if host.is_empty() => host,
        None => name(host).map(|()| host).ok()?,
    };
    Some(HostError::Port { host: bare.to_owned(), port: port.to_owned() })
}

/// The host and the port of a URL. A user and a password are left out.
fn url(text: &str) -> HostError {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match parse(authority) {
        Ok(host) if !host.is_empty() => (Some(host.to_owned()), None),
        Err(HostError::Port { host, port }) => (Some(host), Some(port)),
        _ => (None, None),
    };
    HostError::Url { host, port }
}

fn name(text: &str) -> Result<(), HostError> {
    let labels = text.strip_suffix('.').unwrap_or(text);
    // Names beyond ASCII are not in the DNS, but may be in /etc/hosts.
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(allowed) || labels.split('.').any(str::is_empty) {
        return Err(HostError::Character);
    }
    let numbers: Vec<&str> = text.split('.').collect();
    let is_quad = numbers.len() == 4 && numbers.iter().all(|n| n.bytes().all(|b| b.is_ascii_digit()));
    // The C library reads a number with a leading zero as octal, which is never meant. Rust refuses it.
    if is_quad && text.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Ipv4);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken() {
        for (text, bare) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("::", "::"),
            ("2001:db8::1:8125", "2001:db8::1:8125"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("localhost", "localhost"),
            ("statsd.example.com.", "statsd.example.com."),
            ("statsd_1", "statsd_1"),
            ("8125", "8125"),
            ("bücher.example", "bücher.example"),
        ] {
            assert_eq!(parse(text), Ok(bare), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_to_write() {
        for (text, advice) in [
            ("127.0.0.1:8125", "must be a host without a port; use --statsd-host 127.0.0.1 --statsd-port 8125"),
            ("statsd:8125", "must be a host without a port; use --statsd-host statsd --statsd-port 8125"),
            ("[::1]:8125", "must be a host without a port; use --statsd-host ::1 --statsd-port 8125"),
            ("::1:8125", "must be a host without a port; use --statsd-host ::1 --statsd-port 8125"),
            (":8125", "must be a host without a port; use --statsd-host= --statsd-port 8125"),
            ("udp://10.0.0.1:8125", "must be a host, not a URL; use --statsd-host 10.0.0.1 --statsd-port 8125"),
            ("http://statsd/", "must be a host, not a URL; use --statsd-host statsd"),
            ("udp://[::1]:8125", "must be a host, not a URL; use --statsd-host ::1 --statsd-port 8125"),
            ("u:p@statsd", "must be a host, not a URL; use --statsd-host statsd"),
            ("statsd/metrics?x=1", "must be a host, not a URL; use --statsd-host statsd"),
            ("udp://", "must be a host, not a URL"),
            (
                "/run/statsd.sock",
                "must be a host: Unix sockets are not supported here; use --statsd-address unix:///PATH or unix-stream:///PATH",
            ),
            (
                "unix:///run/statsd.sock",
                "must be a host: Unix sockets are not supported here; use --statsd-address unix:///PATH or unix-stream:///PATH",
            ),
            ("a,b", "must be one host"),
            (" 127.0.0.1", "must be a host, without spaces"),
            ("127.0.0.1\n", "must be a host, without spaces"),
            ("127.0.0.1 8125", "must be a host, without spaces"),
            ("256.0.0.1", "must be an IPv4 address of four numbers, 0 to 255"),
            ("010.0.0.1", "must be an IPv4 address of four numbers, 0 to 255"),
            ("::g", "must be an IPv6 address, such as ::1"),
            ("[::1", "must be an IPv6 address, such as ::1"),
            ("[localhost]", "must be an IPv6 address, such as ::1"),
        ] {
            assert_eq!(parse(text).expect_err("no host").advice("statsd"), advice, "{text:?}");
        }
        for text in ["", "*", "statsd:", "statsd:port", "a..b", ".", "\"localhost\"", "$HOST", "a\\b", &"a".repeat(300)]
        {
            assert_eq!(parse(text), Err(HostError::Character), "{text:?}");
        }
    }
}
