//! The validated configuration. Every mistake is found before any is reported; no socket is opened here.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::{CommandLine, Given, parse_switch};
use crate::metric::Prefix;
use crate::route::Routes;
use crate::statsd::datagram::MAX_DATAGRAM;
use crate::statsd::dialect::{DIALECTS, Dialect};
use crate::statsd::resolver::Endpoint;
use crate::statsd::style::Style;

/// The port of `--demo`, which needs no root.
const DEMO_PORT: u16 = 8080;

/// The largest batch that can be allowed, in bytes: a quarter of the room that a worker has for all bodies.
const MAX_BATCH: u64 = 16 * 1024 * 1024;

/// The least length of an HS256 key, in bytes (RFC 7518 section 3.2). Shorter secrets are in use: a warning.
const SECRET_MIN: usize = 32;

/// The longest time a deadline can be given, in seconds: a day. Anything longer is a mistake in the unit.
const TIMEOUT_MAX: u64 = 86_400;

/// A secret that no log and no error shows.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, for the one who signs or verifies.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The deadlines of a connection; `None` where there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For a request to arrive, from its first byte to its body's last; also for the first byte of a new connection.
    pub read: Option<Duration>,
    /// For a peer to take a response.
    pub write: Option<Duration>,
    /// Between two requests.
    pub idle: Option<Duration>,
}

/// Files with the certificate chain and its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// PEM.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything the server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
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
    pub style: Style,
    /// Tokens are required when set.
    pub jwt_secret: Option<Secret>,
    /// Start the embedded receiver.
    pub demo: bool,
    /// Log every request.
    pub verbose: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is odd but no error, to be logged at start.
    pub warnings: Vec<String>,
}

/// Every mistake found, a sentence each, by flag and value.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigErrors(pub Vec<String>);

impl Config {
    /// Checks all flags, and reads the file of the secret.
    pub fn new(line: &CommandLine) -> Result<Self, ConfigErrors> {
        let mut check = Check { line, errors: line.errors.clone(), warnings: Vec::new() };
        let demo = check.switch("demo");
        let http_port = match line.given("http-port") {
            None if demo => DEMO_PORT,
            _ => check.number("http-port", 0, u64::from(u16::MAX)) as u16,
        };
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let config = Self {
            http_host: match line.given("http-host") {
                Some(given) => given.value.clone(),
                None => check.text("http-host").unwrap_or_default(),
            },
            http_port,
            timeouts: Timeouts {
                read: check.seconds("http-timeout-read"),
                write: check.seconds("http-timeout-write"),
                idle: check.seconds("http-timeout-idle"),
            },
            max_body_size: check.number("http-max-body-size", 1, 64 * 1024 * 1024) as usize,
            max_batch_size: check.number("http-max-batch-size", 1, MAX_BATCH) as usize,
            routes: Routes { base: check.base_path(), demo },
            max_connections: check.number("http-max-connections", 1, 1_000_000) as usize,
            threads: match line.value("http-threads") {
                Some(_) => check.number("http-threads", 1, 1024) as usize,
                None => cores,
            },
            tls: check.tls(),
            statsd: Endpoint {
                host: check.text("statsd-host").unwrap_or_default(),
                port: check.number("statsd-port", 1, u64::from(u16::MAX)) as u16,
            },
            packet_size: check.number("statsd-packet-size", 64, MAX_DATAGRAM) as usize,
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
            Err(ConfigErrors(check.errors))
        }
    }
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

    fn text(&self, name: &str) -> Option<String> {
        self.line.value(name).map(|given| given.value)
    }

    fn switch(&mut self, name: &str) -> bool {
        let Some(given) = self.line.value(name) else { return false };
        parse_switch(&given.value).unwrap_or_else(|| {
            self.bad(&given, "must be true or false");
            false
        })
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> u64 {
        let Some(given) = self.line.value(name) else { return min };
        match u64::from_str(&given.value) {
            Ok(number) if (min..=max).contains(&number) => number,
            _ => {
                self.bad(&given, &format!("must be a whole number from {min} to {max}"));
                min
            }
        }
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        match self.number(name, 0, TIMEOUT_MAX) {
            0 => {
                if self.line.value(name).is_some_and(|given| given.value == "0") {
                    self.warnings.push(format!("--{name} 0: a peer can hold a connection for ever"));
                }
                None
            }
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.line.value("tls-cert"), self.line.value("tls-key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.value.into(), key: key.value.into() }),
            (Some(cert), None) => {
                self.bad(&cert, "needs --tls-key too");
                None
            }
            (None, Some(key)) => {
                self.bad(&key, "needs --tls-cert too");
                None
            }
            (None, None) => None,
        }
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

    fn style(&mut self) -> Style {
        let mut style = Style::new(self.prefix(), self.dialect());
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
            let names = DIALECTS.map(|dialect| dialect.name).join(", ");
            self.bad(&given, &format!("must be one of {names}"));
            DIALECTS[0]
        })
    }

    fn prefix(&mut self) -> Prefix {
        let Some(given) = self.line.value("metric-prefix") else { return Prefix::default() };
        given.value.parse().unwrap_or_else(|_| {
            self.bad(&given, "must not hold control characters, ':' or '|'");
            Prefix::default()
        })
    }

    fn secret(&mut self) -> Option<Secret> {
        let secret = match (self.line.value("jwt-secret"), self.line.value("jwt-secret-file")) {
            (Some(secret), Some(file)) => {
                self.errors.push(format!("{} and {} are both given: choose one", secret.origin, file.origin));
                return None;
            }
            (Some(secret), None) => secret.value.into_bytes(),
            (None, Some(file)) => match std::fs::read(&file.value) {
                Ok(bytes) => {
                    let bytes = bytes.strip_suffix(b"\n").map(|b| b.strip_suffix(b"\r").unwrap_or(b)).unwrap_or(&bytes);
                    if bytes.is_empty() {
                        self.bad(&file, "the file is empty");
                        return None;
                    }
                    bytes.to_vec()
                }
                Err(error) => {
                    self.bad(&file, &format!("cannot be read: {error}"));
                    return None;
                }
            },
            (None, None) => return None,
        };
        if secret.len() < SECRET_MIN {
            self.warnings.push(format!(
                "the JWT secret has {} bytes: under {SECRET_MIN}, it can be guessed from a single token",
                secret.len()
            ));
        }
        Some(Secret(secret))
    }

    fn log_format(&mut self) -> LogFormat {
        let Some(given) = self.line.value("log-format") else { return LogFormat::Text };
        match given.value.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => {
                self.bad(&given, "must be text or json");
                LogFormat::Text
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
    use crate::statsd::datagram::DEFAULT_PACKET_SIZE;

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
    fn a_zero_timeout_is_none_with_a_warning() {
        let config = config(&["--http-timeout-idle=0"]).expect("sound");
        assert_eq!((config.timeouts.idle, config.warnings.len()), (None, 1));
    }
}
