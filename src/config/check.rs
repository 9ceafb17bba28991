//! Checks the values of flags, one by one and together, and collects the mistakes.

use std::path::PathBuf;

use crate::auth;
use crate::auth::secret::Secret;
use crate::config::arguments::{CommandLine, Given};
use crate::config::flag::{Flag, Group, Typed};
use crate::config::flags::{self, FLAGS};
use crate::config::{Config, ConfigErrors};
use crate::net::tls::TlsFiles;
use crate::statsd::encoding::Encoding;
use crate::upstream::address::{Address, Route};
use crate::upstream::resolver::Endpoint;

/// The default port with `--demo`: it needs no privilege.
const DEMO_PORT: u16 = 8080;

/// A command line that is being checked.
pub(crate) struct Check<'a> {
    line: &'a CommandLine,
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Check<'a> {
    /// Starts with the mistakes that the parser has found.
    pub(crate) fn new(line: &'a CommandLine) -> Self {
        Self { line, errors: line.errors.clone(), warnings: line.warnings.clone() }
    }

    /// Returns the warnings.
    ///
    /// # Errors
    ///
    /// Returns the mistakes, if there are any, with those warnings that may explain them.
    pub(crate) fn finish(self) -> Result<Vec<String>, ConfigErrors> {
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            Err(ConfigErrors(self.errors, self.line.warnings.clone()))
        }
    }

    /// Reads one flag, if it is given or has a default, and fills its setting.
    pub(crate) fn fill<V>(&mut self, config: &mut Config, flag: &Typed<V>) {
        let Some(given) = self.line.value(flag) else { return };
        match flag.reader.parse(&given.value) {
            Ok(value) => (flag.fill)(config, value),
            Err(bad) => self.refuse(&given.origin, bad.shown.as_ref().unwrap_or(&given.value), &bad.rule),
        }
    }

    /// The value of a flag for a rule. `None` if it is unset, or wrong: [`Check::fill`] has reported that.
    fn value<V>(&self, flag: &Typed<V>) -> Option<(V, Given)> {
        let given = self.line.value(flag)?;
        let value = flag.reader.parse(&given.value).ok()?;
        Some((value, given))
    }

    /// What was given for a flag, on the command line or in the environment, unless it is empty.
    fn typed(&self, flag: &Flag) -> Option<&'a Given> {
        self.line.given(flag).filter(|given| !given.value.is_empty())
    }

    /// Checks the flags that depend on each other, and fills their settings. Call it after all flags were read.
    pub(crate) fn rules(&mut self, config: &mut Config) {
        if config.demo && self.line.given(&flags::HTTP_PORT).is_none() {
            config.server.port = DEMO_PORT;
        }
        self.warn_of_endless(&[&flags::HTTP_TIMEOUT_READ, &flags::HTTP_TIMEOUT_WRITE, &flags::HTTP_TIMEOUT_IDLE]);
        config.policy.tls = self.tls();
        config.upstream.addresses = self.addresses();
        self.check_route(config.upstream.route, config.upstream.failover, config.upstream.addresses.len());
        self.warn_of_prefix();
        config.encodings = self.encodings(&config.encoding, &config.upstream.addresses);
        if let Some(common) = Encoding::common(&mut config.encodings) {
            config.encoding = common;
        }
        config.policy.secret = self.secret();
        self.warn_of_compatibility();
    }

    /// Notes a mistake, once: of several dialects each may find it.
    fn refuse(&mut self, origin: &str, shown: &str, rule: &str) {
        let error = format!("{origin} {shown:?}: {rule}");
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn warn_of_endless(&mut self, timeouts: &[&Flag]) {
        for flag in timeouts {
            if self.line.value(flag).is_some_and(|given| given.value.parse() == Ok(0)) {
                self.warnings.push(format!("--{} 0: a client can keep a connection open for ever", flag.name));
            }
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.value(&flags::TLS_CERT), self.value(&flags::TLS_KEY)) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (self.pem_file(cert), self.pem_file(key));
                Some(TlsFiles { cert: cert?, key: key? })
            }
            (Some(cert), None) => self.refuse_lone_file(cert, &flags::TLS_KEY),
            (None, Some(key)) => self.refuse_lone_file(key, &flags::TLS_CERT),
            (None, None) => None,
        }
    }

    fn refuse_lone_file<T>(&mut self, file: (String, Given), missing: &Flag) -> Option<T> {
        let origin = file.1.origin.clone();
        let file = self.pem_file(file)?;
        self.refuse(&origin, &file.display().to_string(), &format!("needs --{} too", missing.name));
        None
    }

    /// The name of a PEM file. A value that is itself PEM may be a private key, so the error does not show it.
    fn pem_file(&mut self, (file, given): (String, Given)) -> Option<PathBuf> {
        if file.contains("-----BEGIN") || file.contains('\n') {
            self.errors.push(format!(
                "{} holds PEM text (not shown): write it to a file, and give the name of the file",
                given.origin
            ));
            return None;
        }
        Some(file.into())
    }

    /// The daemons: those of `--statsd-address`, or the one of the two older flags.
    fn addresses(&mut self) -> Vec<Address> {
        let mut addresses = match self.value(&flags::STATSD_ADDRESS) {
            Some((addresses, given)) if !addresses.is_empty() => {
                self.refuse_mixed(&given, &[&flags::STATSD_HOST, &flags::STATSD_PORT]);
                addresses
            }
            _ => {
                let (host, port) = (self.value(&flags::STATSD_HOST), self.value(&flags::STATSD_PORT));
                host.zip(port).map(|((host, _), (port, _))| Address::udp(Endpoint { host, port })).into_iter().collect()
            }
        };
        // Its default is that of UDP alone.
        if let (Some(_), Some((bytes, _))) =
            (self.typed(&flags::STATSD_PACKET_SIZE), self.value(&flags::STATSD_PACKET_SIZE))
        {
            for address in addresses.iter_mut().filter(|address| !address.location.is_stream()) {
                address.packet_size = bytes;
            }
        }
        addresses
    }

    /// Two ways to name the daemon contradict each other, even where both mean the same.
    fn refuse_mixed(&mut self, address: &Given, others: &[&Flag]) {
        let others = others.iter().filter_map(|flag| self.typed(flag));
        let errors = others.map(|given| {
            format!(
                "{} and {} are both given: name every daemon by {}, as in udp://HOST:PORT",
                address.origin, given.origin, address.origin
            )
        });
        let errors: Vec<String> = errors.collect();
        self.errors.extend(errors);
    }

    /// What is said of several addresses where there is one, and of shards where there are none, has no effect.
    fn check_route(&mut self, route: Route, failover: bool, addresses: usize) {
        if addresses < 2 {
            let failover = self.typed(&flags::STATSD_FAILOVER).filter(|_| failover);
            let given = self.typed(&flags::STATSD_ROUTE).into_iter().chain(failover);
            let warnings = given.map(|given| format!("{} has no effect: StatsD has one address", given.origin));
            let warnings: Vec<String> = warnings.collect();
            self.warnings.extend(warnings);
        } else if failover && route == Route::Mirror {
            self.errors
                .push("--statsd-failover needs --statsd-route shard: a mirror has all metrics anyway".to_owned());
        }
    }

    fn warn_of_prefix(&mut self) {
        if let Some((prefix, given)) = self.value(&flags::METRIC_PREFIX)
            && prefix.is_daemons_own()
        {
            self.warnings.push(format!(
                "{} {:?}: StatsD daemons use this prefix for their own metrics, which any client could then change: \
                 choose another prefix",
                given.origin, given.value
            ));
        }
    }

    /// The format of the lines for each address: that of `base`, with the dialect of the address and the tags of the server.
    fn encodings(&mut self, base: &Encoding, addresses: &[Address]) -> Vec<Encoding> {
        let mut known: Vec<Encoding> = Vec::new();
        for address in addresses {
            let dialect = address.dialect.unwrap_or(base.dialect());
            let encoding = match known.iter().find(|known| std::ptr::eq(known.dialect(), dialect)) {
                Some(known) => known.clone(),
                None => self.with_tags(Encoding::new(base.prefix().clone(), dialect)),
            };
            known.push(encoding);
        }
        known
    }

    /// Adds the tags of the server. The dialect decides which ones are valid.
    fn with_tags(&mut self, mut encoding: Encoding) -> Encoding {
        let Some((tags, given)) = self.value(&flags::STATSD_TAG) else { return encoding };
        for tag in tags {
            if let Err(error) = encoding.add_tag(&tag) {
                self.refuse(&given.origin, &tag, &error.to_string());
            }
        }
        encoding
    }

    fn secret(&mut self) -> Option<Secret> {
        let (secret, origin) = match (self.value(&flags::JWT_SECRET), self.value(&flags::JWT_SECRET_FILE)) {
            (Some((_, secret)), Some((_, file))) => {
                self.errors.push(format!("{} and {} are both given: choose one", secret.origin, file.origin));
                return None;
            }
            (Some((secret, given)), None) => (Secret::new(secret.into_bytes()), given.origin),
            (None, Some((file, given))) => (self.read_secret(&file, &given.origin)?, given.origin),
            (None, None) => return None,
        };
        self.warnings.extend(secret.warnings().map(|warning| format!("{origin}: {warning}")));
        Some(secret)
    }

    fn read_secret(&mut self, file: &str, origin: &str) -> Option<Secret> {
        let error = match Secret::read(file.as_ref()) {
            Ok(secret) => return Some(secret),
            Err(error) => error,
        };
        if auth::secret::may_be_secret_itself(file) {
            self.errors.push(format!("{origin} needs the name of a file, not the secret itself (not shown): {error}"));
        } else {
            self.refuse(origin, file, &error.to_string());
        }
        None
    }

    fn warn_of_compatibility(&mut self) {
        for flag in FLAGS.iter().filter(|flag| flag.group == Group::Compatibility) {
            if let Some(given) = self.line.value(flag) {
                self.warnings.push(format!("{} is a flag of the reference, and is ignored", given.origin));
            }
        }
    }
}
