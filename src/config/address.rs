//! The addresses of the command line: `[dialect+]scheme://host:port`, or a path in place of host and port.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::host::{self, HostError};
use crate::config::suggestion::{nearest, question};
use crate::config::values::{BadValue, read_dialect};
use crate::upstream::address::{Address, Location, MAX_ADDRESSES, MAX_SOCKET_PATH};
use crate::upstream::resolver::Endpoint;

/// The schemes.
const SCHEMES: [&str; 4] = ["udp", "tcp", "unix", "unix-stream"];

/// Other names of the schemes, as agents and exporters have them.
const SCHEME_SYNONYMS: [(&str, &str); 5] =
    [("unixgram", "unix"), ("unix-datagram", "unix"), ("unixstream", "unix-stream"), ("udp4", "udp"), ("tcp4", "tcp")];

/// The port where a URL names none.
const DEFAULT_PORT: u16 = 8125;

/// How a mistake ends.
const EXAMPLES: &str = "such as udp://host:8125, tcp://host:8125, unix:///run/x.sock or unix-stream:///run/x.sock";

/// Reads a list of addresses, with commas between.
///
/// # Errors
///
/// One of them is no address, is given twice, or is one too many.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Address>, BadValue> {
    let mut addresses: Vec<Address> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let address = parse(part).map_err(|bad| BadValue {
            rule: bad.rule,
            // Of a list only the part that is wrong, and of that no password.
            shown: Some(bad.shown.unwrap_or_else(|| without_user(part))),
        })?;
        let refuse = |rule: &str| Err(BadValue { rule: rule.to_owned(), shown: Some(part.to_owned()) });
        if addresses.iter().any(|other| other.name == address.name) {
            return refuse("is given twice: each daemon needs one address");
        }
        if addresses.len() == MAX_ADDRESSES {
            return refuse(&format!("is one address too many: {MAX_ADDRESSES} are allowed"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn parse(text: &str) -> Result<Address, BadValue> {
    let Some((head, rest)) = text.split_once("://") else { return Err(no_scheme(text).into()) };
    let (dialect, scheme) = match head.split_once('+') {
        Some((dialect, scheme)) => (Some(read_dialect(dialect)?), scheme),
        None => (None, head),
    };
    let scheme = scheme.to_ascii_lowercase();
    let location = match scheme.as_str() {
        "udp" => Location::Udp(endpoint(rest)?),
        "tcp" => Location::Tcp(endpoint(rest)?),
        "unix" => Location::UnixDatagram(socket_path(&scheme, rest)?),
        "unix-stream" => Location::UnixStream(socket_path(&scheme, rest)?),
        other => return Err(unknown_scheme(other).into()),
    };
    Ok(Address::new(location, dialect))
}

fn no_scheme(text: &str) -> String {
    let meant = match text.split_once(':') {
        _ if text.starts_with('/') => Some(format!("unix://{text}")),
        Some(("unix", path)) if path.starts_with('/') => Some(format!("unix://{path}")),
        _ => endpoint(text).ok().map(|endpoint| format!("udp://{endpoint}")),
    };
    let meant: Vec<String> = meant.into_iter().collect();
    format!("must be a URL{}", question(&meant, &format!(", {EXAMPLES}")))
}

fn unknown_scheme(scheme: &str) -> String {
    let other = SCHEME_SYNONYMS.iter().find(|(other, _)| *other == scheme);
    let meant = other.map_or_else(|| nearest(scheme, &SCHEMES), |(_, name)| vec![*name]);
    let quoted: Vec<String> = meant.iter().map(|name| format!("{name}://")).collect();
    format!("must be a URL of the scheme {}{}", SCHEMES.join(", "), question(&quoted, ""))
}

/// Reads `host:port`, `[host]:port` or a host alone; a final slash is what some programs write at the end of a URL.
fn endpoint(text: &str) -> Result<Endpoint, BadValue> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let bare =
        |host: &str| host::parse(host).map(canonical).map_err(|error| BadValue::from(format!("its host {error}")));
    match host::parse(text) {
        Ok(_) => Ok(Endpoint { host: bare(text)?, port: DEFAULT_PORT }),
        Err(HostError::Port { host, port }) if !host.is_empty() => {
            let port = port.parse().ok().filter(|port| *port > 0);
            let port = port.ok_or_else(|| BadValue::from("its port must be 1 to 65535".to_owned()))?;
            Ok(Endpoint { host: bare(&host)?, port })
        }
        Err(HostError::Port { .. }) => Err(format!("needs a host, {EXAMPLES}").into()),
        Err(HostError::Url { .. }) => {
            Err("must end after host and port: a user, a path, a query and a fragment mean nothing here"
                .to_owned()
                .into())
        }
        Err(_) if text.is_empty() => Err(format!("needs a host, {EXAMPLES}").into()),
        Err(error) => Err(format!("its host {error}").into()),
    }
}

/// The one spelling of a host: of an IPv6 address the shortest, and of a name the lower case. A zone is the name of an
/// interface, whose case counts.
fn canonical(host: &str) -> String {
    let (address, zone) = host.find('%').map_or((host, ""), |at| host.split_at(at));
    match address.parse::<IpAddr>() {
        Ok(ip) => format!("{ip}{zone}"),
        Err(_) => format!("{}{zone}", address.to_ascii_lowercase()),
    }
}

/// Reads the path of a Unix socket, as it stands: a `%` in it is a `%`.
fn socket_path(scheme: &str, text: &str) -> Result<PathBuf, BadValue> {
    if !text.starts_with('/') {
        return Err(format!("must have an absolute path after three slashes, as in {scheme}:///run/x.sock").into());
    }
    if text.ends_with('/') || text.chars().any(char::is_control) {
        return Err("must have the path of a socket".to_owned().into());
    }
    if text.len() > MAX_SOCKET_PATH {
        return Err(format!("must have a path of at most {MAX_SOCKET_PATH} bytes, as many as the system takes").into());
    }
    // Without the steps that lead nowhere, such as `//` and `/./`.
    let path: PathBuf = Path::new(text).components().collect();
    if path.file_name().is_none() {
        return Err("must have the path of a socket".to_owned().into());
    }
    Ok(path)
}

/// What an error may show: what stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((head, _)), Some((_, rest))) => format!("{head}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, (String, Option<String>)> {
        let show = |address: &Address| {
            let dialect = address.dialect.map(|dialect| format!("{}+", dialect.name)).unwrap_or_default();
            format!("{dialect}{}", address.location)
        };
        parse_list(text).map(|list| list.iter().map(show).collect()).map_err(|bad| (bad.rule, bad.shown))
    }

    #[test]
    fn each_transport_has_its_scheme() {
        for (text, url) in [
            ("udp://127.0.0.1:8125", "udp://127.0.0.1:8125"),
            ("udp://statsd", "udp://statsd:8125"),
            ("UDP://StatsD.local:9125/", "udp://statsd.local:9125"),
            ("tcp://[::1]:1", "tcp://[::1]:1"),
            ("tcp://[::1]", "tcp://[::1]:8125"),
            ("tcp://::1", "tcp://[::1]:8125"),
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("unix-stream:///run/a%20b.sock", "unix-stream:///run/a%20b.sock"),
            ("datadog+unix:///var/run/datadog/dsd.socket", "datadog+unix:///var/run/datadog/dsd.socket"),
            ("influxdb+tcp://a:65535", "influxdb+tcp://a:65535"),
        ] {
            assert_eq!(shown(text), Ok(vec![url.to_owned()]), "{text}");
        }
        assert_eq!(shown(" udp://a , tcp://a ,"), Ok(vec!["udp://a:8125".to_owned(), "tcp://a:8125".to_owned()]));
    }

    #[test]
    fn a_mistake_is_named_with_what_to_write() {
        for (text, rule) in [
            ("127.0.0.1:8125", "must be a URL: did you mean udp://127.0.0.1:8125?"),
            ("statsd", "must be a URL: did you mean udp://statsd:8125?"),
            ("/run/x.sock", "must be a URL: did you mean unix:///run/x.sock?"),
            ("unix:/run/x.sock", "must be a URL: did you mean unix:///run/x.sock?"),
            ("unix://run/x.sock", "must have an absolute path after three slashes, as in unix:///run/x.sock"),
            ("unix:///run/", "must have the path of a socket"),
            ("unixgram:///x", "must be a URL of the scheme udp, tcp, unix, unix-stream: did you mean unix://?"),
            ("upd://a:1", "must be a URL of the scheme udp, tcp, unix, unix-stream: did you mean udp://?"),
            ("http://a:1", "must be a URL of the scheme udp, tcp, unix, unix-stream"),
            ("udp://a:0", "its port must be 1 to 65535"),
            ("udp://a:65536", "its port must be 1 to 65535"),
            ("udp://a:b", "its host must be an IPv4 or IPv6 address, or a name of letters, digits, '-', '_' and '.'"),
            (
                "udp://a:1/path",
                "must end after host and port: a user, a path, a query and a fragment mean nothing here",
            ),
            (
                "dogstats+udp://a:1",
                "must be one of statsd, datadog, telegraf, influxdb, librato, signalfx, gostatsd, plain",
            ),
        ] {
            let (got, shown) = shown(text).expect_err(text);
            assert!(got.starts_with(rule), "{text}: {got}");
            assert_eq!(shown.as_deref(), Some(text));
        }
        for text in ["udp://", "udp://:8125"] {
            let (rule, _) = shown(text).expect_err(text);
            assert!(rule.starts_with("needs a host, such as udp://host:8125"), "{text}: {rule}");
        }
    }

    #[test]
    fn an_error_shows_the_part_that_is_wrong_and_no_password() {
        let (_, shown_part) = shown("udp://a:1,tcp://user:secret@b:1").expect_err("a user");
        assert_eq!(shown_part.as_deref(), Some("tcp://b:1"));
        let long = format!("unix:///{}", "x".repeat(MAX_SOCKET_PATH));
        assert!(shown(&long).is_err());
        assert!(shown(&long[..long.len() - 1]).is_ok());
    }

    #[test]
    fn every_spelling_of_an_address_has_the_same_url() {
        for (spellings, url) in [
            (&["udp://[::1]:1", "udp://[0:0:0:0:0:0:0:1]:1", "udp://[0::0001]:00001/"][..], "udp://[::1]:1"),
            (&["tcp://[2001:DB8::A]", "tcp://2001:db8:0:0::a"], "tcp://[2001:db8::a]:8125"),
            (&["udp://[::ffff:10.0.0.1]", "udp://[::FFFF:a00:1]"], "udp://[::ffff:10.0.0.1]:8125"),
            (&["udp://[fe80::1%Eth0]:1", "udp://[FE80:0::1%Eth0]:1"], "udp://[fe80::1%Eth0]:1"),
            (
                &["udp://StatsD.example.", "udp://statsd.example", "UDP://statsd.EXAMPLE.:8125"],
                "udp://statsd.example:8125",
            ),
            (&["unix:///run/x.sock", "unix:////run/./x.sock", "unix:///run//x.sock"], "unix:///run/x.sock"),
        ] {
            for text in spellings {
                assert_eq!(shown(text), Ok(vec![url.to_owned()]), "{text}");
                let (rule, _) = shown(&format!("{text},{url}")).expect_err("twice");
                assert_eq!(rule, "is given twice: each daemon needs one address", "{text}");
            }
        }
        for text in ["unix:///.", "unix:///run/.."] {
            assert!(shown(text).is_err(), "{text}");
        }
        let list = parse_list("udp://statsd.example.").expect("an address");
        let host = list[0].location.endpoint().map(|endpoint| endpoint.host.as_str());
        assert_eq!(host, Some("statsd.example."), "the dot keeps the resolver from other domains");
    }

    #[test]
    fn each_address_is_given_once_and_at_most_64_are() {
        let (rule, part) = shown("udp://a:1,datadog+udp://A:1").expect_err("twice");
        assert_eq!(rule, "is given twice: each daemon needs one address");
        assert_eq!(part.as_deref(), Some("datadog+udp://A:1"));
        let many = |count: usize| (0..count).map(|i| format!("udp://a{i}:1")).collect::<Vec<_>>().join(",");
        assert_eq!(shown(&many(64)).map(|list| list.len()), Ok(64));
        let (rule, _) = shown(&many(65)).expect_err("one too many");
        assert_eq!(rule, "is one address too many: 64 are allowed");
    }
}
