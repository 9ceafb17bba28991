//! The validated configuration. Every mistake is found before any is reported; no socket is opened here.

pub(crate) mod arguments;
pub(crate) mod host;
pub(crate) mod quantity;
pub(crate) mod suggestion;
pub(crate) mod summary;

use std::path::PathBuf;
use std::time::Duration;

use crate::api::routes::Routes;
use crate::auth;
use crate::auth::secret::Secret;
use crate::config::arguments::{CommandLine, Given, parse_switch};
use crate::config::quantity::Range;
use crate::config::suggestion::{nearest, question};
use crate::conn::deadlines::Timeouts;
use crate::metric::Prefix;
use crate::net::tls::TlsFiles;
use crate::statsd::dialect::{DIALECTS, Dialect};
use crate::statsd::encoding::Encoding;
use crate::telemetry::log::Format;
use crate::upstream::resolver::Endpoint;

/// The port of `--demo`, which needs no root.
const DEMO_PORT: u16 = 8080;

/// The largest body of a single metric that can be allowed, in bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// The largest batch that can be allowed, in bytes: a quarter of the memory for incomplete requests is then one body.
const MAX_BATCH: u64 = 16 * 1024 * 1024;

/// The longest time a deadline can be given, in seconds: a day. Anything longer is a mistake in the unit.
const TIMEOUT_MAX: u64 = 86_400;

/// Other names of daemons, with the dialect that is right for them (see `docs/dialects.md`).
const DIALECT_SYNONYMS: [(&str, &str); 11] = [
    ("etsy", "statsd"),
    ("graphite", "statsd"),
    ("dogstatsd", "datadog"),
    ("dd", "datadog"),
    ("influx", "influxdb"),
    ("prometheus", "influxdb"),
    ("statsd_exporter", "influxdb"),
    ("statsd-exporter", "influxdb"),
    ("collectd", "plain"),
    ("statsite", "plain"),
    ("netdata", "plain"),
];

/// Everything the server needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Address to listen on; empty for any.
    pub http_host: String,
    /// TCP port to listen on; 0 for a free one.
    pub http_port: u16,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Largest request body, in bytes.
    pub max_body_size: usize,
    /// Largest body of a batch, in bytes.
    pub max_batch_size: usize,
    /// Where the routes are, and which.
    pub routes: Routes,
    /// Connections served at once.
    pub max_connections: usize,
    /// Worker threads.
    pub threads: usize,
    /// HTTPS, when set.
    pub tls: Option<TlsFiles>,
    /// Where metrics go.
    pub statsd: Endpoint,
    /// Largest datagram, in bytes.
    pub packet_size: usize,
    /// How lines are written.
    pub style: Encoding,
    /// Tokens are required when set.
    pub jwt_secret: Option<Secret>,
    /// Start the embedded receiver.
    pub demo: bool,
    /// Log every request.
    pub verbose: bool,
    /// How log lines look.
    pub log_format: Format,
    /// What is odd but no error, to be logged at start.
    pub warnings: Vec<String>,
}

/// Every mistake found, a sentence each, by flag and value; and the warnings, since a misspelt variable is often the cause
/// of what is missing.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", .1.iter().map(|warning| format!("warning: {warning}\n")).collect::<String>(), .0.join("\n"))]
pub(crate) struct ConfigErrors(pub Vec<String>, pub Vec<String>);

impl Config {
    /// Checks all flags, and reads the file of the secret.
    pub(crate) fn new(line: &CommandLine) -> Result<Self, ConfigErrors> {
        let mut check = Check { line, errors: line.errors.clone(), warnings: line.warnings.clone() };
        // Those that are true were acted upon before: this refuses what is neither true nor false.
        check.switch("version");
        check.switch("help");
        let demo = check.switch("demo");
        let http_port = match line.given("http-port") {
            None if demo => DEMO_PORT,
            _ => check.number("http-port") as u16,
        };
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let config = Self {
            http_host: match line.given("http-host") {
                Some(given) if given.value.is_empty() => String::new(),
                _ => check.host("http"),
            },
            http_port,
            timeouts: Timeouts {
                read: check.seconds("http-timeout-read"),
                write: check.seconds("http-timeout-write"),
                idle: check.seconds("http-timeout-idle"),
            },
            max_body_size: check.number("http-max-body-size") as usize,
            max_batch_size: check.number("http-max-batch-size") as usize,
            routes: Routes { base: check.base_path() },
            max_connections: check.number("http-max-connections") as usize,
            threads: match line.value("http-threads") {
                Some(_) => check.number("http-threads") as usize,
                None => cores,
            },
            tls: check.tls(),
            statsd: Endpoint { host: check.host("statsd"), port: check.number("statsd-port") as u16 },
            packet_size: check.number("statsd-packet-size") as usize,
            style: check.style(),
            jwt_secret: check.secret(),
            demo,
            verbose: check.switch("verbose"),
            log_format: check.log_format(),
            warnings: Vec::new(),
        };
        check.compatibility();
        if check.errors.is_empty() {
            Ok(Self { warnings: check.warnings, ..config })
        } else {
            Err(ConfigErrors(check.errors, line.warnings.clone()))
        }
    }
}

/// The rule of an enumeration, with a question if a name is near.
fn one_of(names: &[&str], meant: &[&str]) -> String {
    let quoted: Vec<String> = meant.iter().map(|name| format!("{name:?}")).collect();
    format!("must be one of {}{}", names.join(", "), question(&quoted, ""))
}

/// Collects mistakes while values are read.
struct Check<'a> {
    line: &'a CommandLine,
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Check<'_> {
    fn bad(&mut self, given: &Given, rule: &str) {
        self.errors.push(format!("{} {:?}: {rule}", given.origin, given.value));
    }

    /// The host of one side, `http` or `statsd`.
    fn host(&mut self, side: &str) -> String {
        let Some(given) = self.line.value(&format!("{side}-host")) else { return String::new() };
        match host::parse(&given.value) {
            Ok(host) => host.to_owned(),
            Err(error) => {
                let advice = error.advice(side);
                // What stands before an `@` may be a password.
                let shown = given.value.rsplit('@').next().unwrap_or_default().to_owned();
                self.bad(&Given { value: shown, ..given }, &advice);
                String::new()
            }
        }
    }

    fn switch(&mut self, name: &str) -> bool {
        let Some(given) = self.line.value(name) else { return false };
        parse_switch(&given.value).unwrap_or_else(|| {
            let meant = question(&nearest(&given.value, &["true", "false"]), "");
            self.bad(&given, &format!("must be true or false{meant}"));
            false
        })
    }

    fn number(&mut self, name: &str) -> u64 {
        let (Some(given), Some(range)) = (self.line.value(name), Range::of(name)) else { return 0 };
        range.parse(&given.value).unwrap_or_else(|rule| {
            self.bad(&given, &rule);
            range.least
        })
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        match self.number(name) {
            0 => {
                if self.line.value(name).is_some_and(|given| given.value.parse() == Ok(0)) {
                    self.warnings.push(format!("--{name} 0: a peer can hold a connection for ever"));
                }
                None
            }
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.line.value("tls-cert"), self.line.value("tls-key")) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (self.pem_file(cert), self.pem_file(key));
                Some(TlsFiles { cert: cert?, key: key? })
            }
            (Some(given), None) => {
                let file = self.pem_file(given.clone())?;
                self.bad(&Given { value: file.display().to_string(), ..given }, "needs --tls-key too");
                None
            }
            (None, Some(given)) => {
                let file = self.pem_file(given.clone())?;
                self.bad(&Given { value: file.display().to_string(), ..given }, "needs --tls-cert too");
                None
            }
            (None, None) => None,
        }
    }

    /// The name of a PEM file. A value that is PEM itself may be a private key, so no error shows it.
    fn pem_file(&mut self, given: Given) -> Option<PathBuf> {
        if given.value.contains("-----BEGIN") || given.value.contains('\n') {
            self.errors.push(format!(
                "{} holds PEM text, which is not shown: write it to a file, and give the file's name",
                given.origin
            ));
            return None;
        }
        Some(given.value.into())
    }

    fn base_path(&mut self) -> String {
        let Some(given) = self.line.value("http-base-path") else { return String::new() };
        let path = given.value.trim_matches('/');
        let sound = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
        };
        match path {
            "" => String::new(),
            path if path.split('/').all(sound) => format!("/{path}"),
            _ => {
                self.bad(&given, "must be a path like /some/path, of letters, digits and - . _ ~");
                String::new()
            }
        }
    }

    fn style(&mut self) -> Encoding {
        let mut style = Encoding::new(self.prefix(), self.dialect());
        if let Some(given) = self.line.value("statsd-tag") {
            for tag in given.value.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                if let Err(error) = style.add_tag(tag) {
                    self.bad(&Given { value: tag.to_owned(), ..given.clone() }, &error.to_string());
                }
            }
        }
        style
    }

    fn dialect(&mut self) -> &'static Dialect {
        let Some(given) = self.line.value("statsd-dialect") else { return DIALECTS[0] };
        Dialect::find(&given.value).unwrap_or_else(|| {
            let names = DIALECTS.map(|dialect| dialect.name);
            let other = DIALECT_SYNONYMS.iter().find(|(other, _)| given.value.eq_ignore_ascii_case(other));
            let meant = other.map_or_else(|| nearest(&given.value, &names), |(_, name)| vec![*name]);
            self.bad(&given, &one_of(&names, &meant));
            DIALECTS[0]
        })
    }

    fn prefix(&mut self) -> Prefix {
        let Some(given) = self.line.value("metric-prefix") else { return Prefix::default() };
        let prefix: Prefix = given.value.parse().unwrap_or_else(|_| {
            self.bad(&given, "must not hold control characters, ':' or '|'");
            Prefix::default()
        });
        if prefix.is_daemons_own() {
            self.warnings.push(format!(
                "{} {:?}: so daemons name their own metrics, and whoever may send metrics can change those too: choose \
                 another prefix",
                given.origin, given.value
            ));
        }
        prefix
    }

    fn secret(&mut self) -> Option<Secret> {
        let (secret, given) = match (self.line.value("jwt-secret"), self.line.value("jwt-secret-file")) {
            (Some(secret), Some(file)) => {
                self.errors.push(format!("{} and {} are both given: choose one", secret.origin, file.origin));
                return None;
            }
            (Some(given), None) => (Secret::new(given.value.clone().into_bytes()), given),
            (None, Some(given)) => match Secret::read(given.value.as_ref()) {
                Ok(secret) => (secret, given),
                Err(error) => {
                    if auth::secret::may_be_secret_itself(&given.value) {
                        let origin = &given.origin;
                        self.errors.push(format!("{origin} takes a file's name, not the secret (not shown): {error}"));
                    } else {
                        self.bad(&given, &error.to_string());
                    }
                    return None;
                }
            },
            (None, None) => return None,
        };
        self.warnings.extend(secret.warnings().map(|warning| format!("{}: {warning}", given.origin)));
        Some(secret)
    }

    fn log_format(&mut self) -> Format {
        let Some(given) = self.line.value("log-format") else { return Format::Text };
        match given.value.as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            other => {
                let names = ["text", "json"];
                self.bad(&given, &one_of(&names, &nearest(other, &names)));
                Format::Text
            }
        }
    }

    fn compatibility(&mut self) {
        for name in ["http-router-name", "statsd-client-name", "profiler-http-port"] {
            if let Some(given) = self.line.value(name) {
                self.warnings.push(format!("{} is accepted for old start scripts, and does nothing", given.origin));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statsd::packer::DEFAULT_PACKET_SIZE;

    fn config(args: &[&str]) -> Result<Config, ConfigErrors> {
        Config::new(&CommandLine::read(args.iter().map(std::ffi::OsString::from), |_| None))
    }

    #[test]
    fn defaults_are_those_of_the_documents() {
        let config = config(&[]).expect("the defaults are sound");
        assert_eq!((config.http_host.as_str(), config.http_port), ("127.0.0.1", 80));
        assert_eq!(config.statsd.to_string(), "127.0.0.1:8125");
        let seconds = |timeout: Option<Duration>| timeout.map(|t| t.as_secs());
        let Timeouts { read, write, idle } = config.timeouts;
        assert_eq!((seconds(read), seconds(write), seconds(idle)), (Some(5), Some(5), Some(75)));
        assert_eq!((config.max_body_size, config.max_connections, config.packet_size), (65536, 10000, 1432));
        assert!(config.jwt_secret.is_none() && config.tls.is_none() && config.warnings.is_empty());
    }

    #[test]
    fn the_default_packet_size_is_the_one_that_is_explained() {
        assert_eq!(config(&[]).expect("the defaults are sound").packet_size, DEFAULT_PACKET_SIZE);
    }

    #[test]
    fn all_mistakes_are_reported_together_by_flag_and_value() {
        let bad =
            ["--http-port=99999", "--statsd-port=x", "--log-format=xml", "--nope", "--tls-cert=c.pem", "--verbose=si"];
        let errors = config(&bad).expect_err("all are wrong").0;
        assert_eq!(errors.len(), bad.len(), "{errors:?}");
        for part in
            ["--http-port \"99999\"", "--statsd-port \"x\"", "--log-format \"xml\"", "--nope", "--tls-key", "\"si\""]
        {
            assert!(errors.iter().any(|e| e.contains(part)), "{part} in {errors:?}");
        }
    }

    #[test]
    fn an_empty_host_is_any_address() {
        assert_eq!(config(&["--http-host="]).expect("sound").http_host, "");
        assert_eq!(config(&["--http-host", ""]).expect("sound").http_host, "");
    }

    #[test]
    fn the_demo_has_a_port_of_its_own_unless_one_is_given() {
        assert_eq!(config(&["--demo"]).expect("sound").http_port, 8080);
        assert_eq!(config(&["--demo", "--http-port=81"]).expect("sound").http_port, 81);
    }

    #[test]
    fn old_flags_are_accepted_with_a_warning() {
        let config = config(&["-http-router-name", "HttpRouter", "-profiler-http-port=6060"]).expect("sound");
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = "s3cr3t-that-must-not-be-seen-anywhere";
        let config = config(&["--jwt-secret", secret]).expect("sound");
        assert!(config.warnings.is_empty());
        assert!(!format!("{config:?}").contains("s3cr3t"));
        let errors = super::Config::new(&CommandLine::read(
            ["--jwt-secret".into(), secret.into(), "--jwt-secret-file=f".into()],
            |_| None,
        ));
        assert!(!errors.expect_err("both are given").to_string().contains("s3cr3t"));
    }

    #[test]
    fn a_short_secret_is_warned_of() {
        assert_eq!(config(&["--jwt-secret=short"]).expect("sound").warnings.len(), 1);
    }

    #[test]
    fn a_prefix_of_a_daemons_own_metrics_is_warned_of() {
        for prefix in ["statsd", "statsd.", "statsd.web", "stat\u{a0}sd", "statsd_exporter"] {
            let config = config(&["--metric-prefix", prefix]).expect("sound");
            assert_eq!(config.warnings.len(), 1, "{prefix:?}: {:?}", config.warnings);
            assert!(config.warnings[0].contains("choose another prefix"), "{:?}", config.warnings);
        }
        for prefix in ["", "web", "web.statsd", "statsd2", "Statsd"] {
            assert!(config(&["--metric-prefix", prefix]).expect("sound").warnings.is_empty(), "{prefix:?}");
        }
    }

    #[test]
    fn a_zero_timeout_is_none_with_a_warning() {
        let config = config(&["--http-timeout-idle=0"]).expect("sound");
        assert_eq!((config.timeouts.idle, config.warnings.len()), (None, 1));
    }
}
