//! The table of flags, the only one.
//!
//! A row holds the name of a flag, its default, its heading, its type with its unit and range, its help, and the
//! setting that it fills. Code names a flag by its constant: a misspelt constant does not compile, and neither does a
//! value in a setting of another type. A new flag is a row here and a field in the settings of its module. The parser,
//! `--help` and the tables in the documents read [`FLAGS`]; nothing else names a flag.

use std::time::Duration;

use crate::config::Config;
use crate::config::check::Check;
use crate::config::flag::{Flag, Group, Typed, by_rule};
use crate::config::quantity::Unit;
use crate::config::values;
use crate::metric::Prefix;
use crate::statsd::dialect::Dialect;
use crate::statsd::encoding::Encoding;
use crate::statsd::packer::MAX_DATAGRAM;
use crate::telemetry::log::Format;
use crate::upstream::address::{Address, Route};

/// The largest value of `--http-max-body-size`, in bytes.
const MAX_BODY: u32 = 64 * 1024 * 1024;

/// The largest value of `--http-max-batch-size`, in bytes. One such body takes a quarter of the memory for incomplete
/// requests.
const MAX_BATCH: u32 = 16 * 1024 * 1024;

/// Expands each row to a constant, and all rows to the table and to the function that reads them, so that none of the
/// three can lack a row.
macro_rules! table {
    ($($name:ident: $value:ty = $flag:expr;)*) => {
        $(pub(crate) const $name: Typed<$value> = $flag;)*

        /// All flags, in the order of `--help`.
        pub const FLAGS: &[Flag] = &[$($name.flag),*];

        /// Reads all flags, and fills their settings.
        pub(super) fn fill(config: &mut Config, check: &mut Check<'_>) {
            $(check.fill(config, &$name);)*
        }
    };
}

table! {
    HTTP_HOST: String = Typed::new(
        "http-host", "127.0.0.1", Group::Http, values::LISTEN_HOST,
        "Address to listen on; --http-host= (empty) listens on all addresses, IPv4 and IPv6",
        |config, host| {
            config.server.host.clone_from(&host);
            config.api.listen_host = host;
        },
    ).or_empty();
    HTTP_PORT: u16 = Typed::new(
        "http-port", "80", Group::Http, values::port(0),
        "TCP port to listen on; 0 chooses a free port",
        |config, port| config.server.port = port,
    );
    HTTP_TIMEOUT_READ: Option<Duration> = Typed::new(
        "http-timeout-read", "5", Group::Http, values::TIMEOUT,
        "Timeout in seconds for receiving a request, head and body; 0 disables it",
        |config, time| config.timeouts.read = time,
    );
    HTTP_TIMEOUT_WRITE: Option<Duration> = Typed::new(
        "http-timeout-write", "5", Group::Http, values::TIMEOUT,
        "Timeout in seconds while the client does not read the response; 0 disables it",
        |config, time| config.timeouts.write = time,
    );
    HTTP_TIMEOUT_IDLE: Option<Duration> = Typed::new(
        "http-timeout-idle", "75", Group::Http, values::TIMEOUT,
        "Timeout in seconds for the next request on an open connection; 0 disables it",
        |config, time| config.timeouts.idle = time,
    );
    HTTP_MAX_BODY_SIZE: usize = Typed::new(
        "http-max-body-size", "65536", Group::Http, values::bytes(1, MAX_BODY),
        "Largest body of a single metric in bytes, before and after decompression",
        |config, bytes| config.policy.limits.max_body_size = bytes,
    );
    HTTP_MAX_BATCH_SIZE: usize = Typed::new(
        "http-max-batch-size", "1048576", Group::Http, values::bytes(1, MAX_BATCH),
        "Largest body of a batch in bytes, before and after decompression",
        |config, bytes| config.policy.limits.max_batch_size = bytes,
    );
    HTTP_BASE_PATH: String = Typed::new(
        "http-base-path", "", Group::Http, values::BASE_PATH,
        "Path prefix of all endpoints, such as /some/path; nothing is served outside it",
        |config, base| config.api.routes.base = base,
    );
    HTTP_MAX_CONNECTIONS: usize = Typed::new(
        "http-max-connections", "10000", Group::Http, values::count(Unit::Connections, 1_000_000),
        "Maximum number of open connections; further ones wait in the kernel's backlog",
        |config, count| config.server.max_connections = count,
    );
    HTTP_THREADS: usize = Typed::new(
        "http-threads", "", Group::Http, values::count(Unit::Threads, 1024),
        "Worker threads (default: one per core)",
        |config, count| config.server.threads = count,
    );
    TLS_CERT: String = Typed::new(
        "tls-cert", "", Group::Tls, values::text("FILE"),
        "Certificate chain in PEM; together with --tls-key, serves HTTPS instead of HTTP",
        by_rule,
    );
    TLS_KEY: String = Typed::new(
        "tls-key", "", Group::Tls, values::text("FILE"),
        "Private key in PEM",
        by_rule,
    );
    STATSD_HOST: String = Typed::new(
        "statsd-host", "127.0.0.1", Group::Statsd, values::STATSD_HOST,
        "Address or name of StatsD; a name is resolved again every 30 s",
        by_rule,
    );
    STATSD_PORT: u16 = Typed::new(
        "statsd-port", "8125", Group::Statsd, values::port(1),
        "UDP port of StatsD",
        by_rule,
    );
    STATSD_ADDRESS: Vec<Address> = Typed::new(
        "statsd-address", "", Group::Statsd, values::STATSD_ADDRESSES,
        "Replaces host and port: udp://HOST:PORT, tcp://HOST:PORT, unix:///PATH or unix-stream:///PATH; a dialect may stand \
         before it, as in datadog+unix:///PATH; may be given several times",
        by_rule,
    );
    STATSD_ROUTE: Route = Typed::new(
        "statsd-route", "shard", Group::Statsd, values::ROUTE,
        "With several addresses: shard chooses one for each metric by its name, mirror sends every metric to all",
        |config, route| config.upstream.route = route,
    );
    STATSD_FAILOVER: bool = Typed::new(
        "statsd-failover", "false", Group::Statsd, values::SWITCH,
        "With shard: while an address is unreachable, send its metrics to the others, which then hold parts of its series",
        |config, on| config.upstream.failover = on,
    );
    STATSD_PACKET_SIZE: usize = Typed::new(
        "statsd-packet-size", "1432", Group::Statsd, values::bytes(64, MAX_DATAGRAM as u32),
        "Largest datagram in bytes, by default 8192 to a Unix socket; a longer line gets a datagram of its own",
        by_rule,
    );
    STATSD_DIALECT: &'static Dialect = Typed::new(
        "statsd-dialect", "statsd", Group::Statsd, values::DIALECT,
        "Dialect of the daemon: statsd, datadog, telegraf, influxdb, librato, signalfx, gostatsd or plain",
        |config, dialect| config.encoding = Encoding::new(config.encoding.prefix().clone(), dialect),
    );
    STATSD_TAG: Vec<String> = Typed::new(
        "statsd-tag", "", Group::Statsd, values::list("KEY=VALUE"),
        "Tag of every metric, which no client can change; may be repeated",
        by_rule,
    );
    METRIC_PREFIX: Prefix = Typed::new(
        "metric-prefix", "", Group::Statsd, values::PREFIX,
        "Prefix of every metric name, with or without its final dot",
        |config, prefix| config.encoding = Encoding::new(prefix, config.encoding.dialect()),
    );
    JWT_SECRET: String = Typed::new(
        "jwt-secret", "", Group::Access, values::text("SECRET"),
        "Require JSON Web Tokens signed with this secret; ps shows it, so prefer the file or the environment",
        by_rule,
    );
    JWT_SECRET_FILE: String = Typed::new(
        "jwt-secret-file", "", Group::Access, values::text("FILE"),
        "File with that secret; one final newline is not part of it",
        by_rule,
    );
    DEMO: bool = Typed::new(
        "demo", "false", Group::Operation, values::SWITCH,
        "Start a StatsD receiver too, print its lines, and show them on a page at /; the default port is then 8080",
        |config, on| config.demo = on,
    );
    VERBOSE: bool = Typed::new(
        "verbose", "false", Group::Operation, values::SWITCH,
        "Log every request",
        |config, on| config.api.verbose = on,
    );
    LOG_FORMAT: Format = Typed::new(
        "log-format", "text", Group::Operation, values::LOG_FORMAT,
        "Format of log lines: text or json",
        |config, format| config.log_format = format,
    );
    VERSION: bool = Typed::new(
        "version", "false", Group::Operation, values::SWITCH,
        "Print name, version and commit, and exit",
        by_rule,
    );
    HELP: bool = Typed::new(
        "help", "false", Group::Operation, values::SWITCH,
        "Print this help, and exit",
        by_rule,
    );
    HTTP_ROUTER_NAME: String = Typed::new(
        "http-router-name", "", Group::Compatibility, values::text("NAME"),
        "Ignored; chooses the router of the reference",
        by_rule,
    );
    STATSD_CLIENT_NAME: String = Typed::new(
        "statsd-client-name", "", Group::Compatibility, values::text("NAME"),
        "Ignored; chooses the StatsD client of the reference",
        by_rule,
    );
    PROFILER_HTTP_PORT: String = Typed::new(
        "profiler-http-port", "", Group::Compatibility, values::text("PORT"),
        "Ignored; opens the Go profiler of the reference",
        by_rule,
    );
}

/// Finds a flag by its name, without dashes.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}
