//! The start line, which shows the settings, and the warning for a server that needs no token.

use std::net::SocketAddr;
use std::time::Duration;

use super::Config;
use super::quantity::size;

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
            self.upstream.endpoint,
            self.encoding.dialect().name,
            self.server.threads,
            self.limits(),
        )
    }

    fn limits(&self) -> String {
        let timeout = |time: Option<Duration>| time.map_or("none".to_owned(), |time| format!("{} s", time.as_secs()));
        format!(
            "limits: body {}, batch {}, connections {}, read {}, write {}, idle {}, datagram {}",
            size(self.policy.limits.max_body_size),
            size(self.policy.limits.max_batch_size),
            self.server.max_connections,
            timeout(self.timeouts.read),
            timeout(self.timeouts.write),
            timeout(self.timeouts.idle),
            size(self.upstream.packet_size),
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
