//! The start line, which shows the settings, and the warning for a server that needs no token.

use std::net::SocketAddr;
use std::time::Duration;

use super::Config;
use super::quantity::size;
use crate::upstream::address::{Address, Route};

impl Config {
    /// The line that says that the server listens on `http`, with all settings that affect requests.
    ///
    /// It begins with `listening on`, the URL and a comma, which start scripts look for.
    pub(crate) fn start_line(&self, http: SocketAddr) -> String {
        let scheme = if self.policy.tls.is_some() { "https" } else { "http" };
        let tokens = if self.policy.secret.is_some() { "" } else { "not " };
        let prefix = match self.encoding.prefix().as_str() {
            "" => "none".to_owned(),
            prefix => format!("{prefix:?}"),
        };
        let base = if self.api.routes.base.is_empty() { "/" } else { &self.api.routes.base };
        format!(
            "listening on {scheme}://{http}, sending to StatsD at {}, tokens {tokens}required, prefix {prefix}, \
             base path {base}, dialect {}, threads {}; {}",
            self.daemons(),
            self.dialects(),
            self.server.threads,
            self.limits(),
        )
    }

    /// The addresses of StatsD, and how metrics are spread over several.
    fn daemons(&self) -> String {
        let name = |address: &Address| {
            let dialect = address.dialect.map(|dialect| format!("{}+", dialect.name)).unwrap_or_default();
            format!("{dialect}{}", address.name)
        };
        let names: Vec<String> = self.upstream.addresses.iter().map(name).collect();
        let route = match self.upstream.route {
            _ if names.len() < 2 => "",
            Route::Shard if self.upstream.failover => " (shard, failover)",
            Route::Shard => " (shard)",
            Route::Mirror => " (mirror)",
        };
        format!("{}{route}", names.join(" and "))
    }

    /// The dialects in use, each once.
    fn dialects(&self) -> String {
        let mut names: Vec<&str> = self.encodings.iter().map(|encoding| encoding.dialect().name).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" and ")
    }

    /// The sizes of datagrams, each once.
    fn packet_sizes(&self) -> String {
        let datagrams = self.upstream.addresses.iter().filter(|address| !address.location.is_stream());
        let mut sizes: Vec<usize> = datagrams.map(|address| address.packet_size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let sizes: Vec<String> = sizes.into_iter().map(size).collect();
        if sizes.is_empty() { String::new() } else { format!(", datagram {}", sizes.join(" or ")) }
    }

    fn limits(&self) -> String {
        let timeout = |time: Option<Duration>| time.map_or("none".to_owned(), |time| format!("{} s", time.as_secs()));
        format!(
            "limits: body {}, batch {}, connections {}, read {}, write {}, idle {}{}",
            size(self.policy.limits.max_body_size),
            size(self.policy.limits.max_batch_size),
            self.server.max_connections,
            timeout(self.timeouts.read),
            timeout(self.timeouts.write),
            timeout(self.timeouts.idle),
            self.packet_sizes(),
        )
    }

    /// A warning if other machines can reach the server and need no token.
    pub(crate) fn exposure(&self, http: SocketAddr) -> Option<String> {
        let open = self.policy.secret.is_none() && !http.ip().to_canonical().is_loopback();
        open.then(|| {
            format!(
                "anyone who can reach {http} can send metrics, because no token is required: set --jwt-secret-file, or \
                 let only a reverse proxy reach the port"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::arguments::CommandLine;

    fn config(flags: &[&str]) -> Config {
        let flags = flags.iter().chain(&["--http-threads=3"]).map(std::ffi::OsString::from);
        Config::new(&CommandLine::read(flags, |_| None)).expect("sound flags")
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_start_line_has_all_settings() {
        assert_eq!(
            config(&[]).start_line(address("127.0.0.1:80")),
            "listening on http://127.0.0.1:80, sending to StatsD at 127.0.0.1:8125, tokens not required, prefix none, \
             base path /, dialect statsd, threads 3; limits: body 64 KiB, batch 1 MiB, connections 10000, read 5 s, \
             write 5 s, idle 75 s, datagram 1432 bytes"
        );
        let line = config(&[
            "--metric-prefix=web",
            "--http-base-path=/m",
            "--statsd-dialect=datadog",
            "--http-timeout-idle=0",
            "--jwt-secret=0123456789abcdef0123456789abcdef",
            "--tls-cert=c.pem",
            "--tls-key=k.pem",
        ])
        .start_line(address("[::]:443"));
        for part in [
            "https://[::]:443,",
            ", tokens required,",
            "prefix \"web.\"",
            "base path /m",
            "dialect datadog",
            "idle none",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("0123"), "{line}");
        let addresses = "--statsd-address=udp://a,datadog+unix:///b,tcp://c";
        let line = config(&[addresses, "--statsd-failover"]).start_line(address("127.0.0.1:80"));
        let daemons = "to StatsD at udp://a:8125 and datadog+unix:///b and tcp://c:8125 (shard, failover), ";
        assert!(line.contains(daemons) && line.contains("dialect datadog and statsd"), "{line}");
        assert!(line.ends_with("datagram 1432 bytes or 8 KiB"), "{line}");
        let line = config(&["--statsd-address=tcp://c"]).start_line(address("127.0.0.1:80"));
        assert!(line.contains("to StatsD at tcp://c:8125, ") && !line.contains("datagram"), "{line}");
    }

    #[test]
    fn only_a_public_server_without_tokens_is_warned_of() {
        let open = config(&[]);
        for host in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[fe80::1]:80"] {
            assert!(open.exposure(address(host)).is_some(), "{host}");
        }
        for host in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(open.exposure(address(host)).is_none(), "{host}");
        }
        let closed = config(&["--jwt-secret=0123456789abcdef0123456789abcdef"]);
        assert!(closed.exposure(address("0.0.0.0:80")).is_none());
    }
}
