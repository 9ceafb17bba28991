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

    /// Checks the flags that depend on each other, and fills their settings. Call it after all flags were read.
    pub(crate) fn rules(&mut self, config: &mut Config) {
        if config.demo && self.line.given(&flags::HTTP_PORT).is_none() {
            config.server.port = DEMO_PORT;
        }
        self.warn_of_endless(&[&flags::HTTP_TIMEOUT_READ, &flags::HTTP_TIMEOUT_WRITE, &flags::HTTP_TIMEOUT_IDLE]);
        config.policy.tls = self.tls();
        self.warn_of_prefix();
        self.add_tags(&mut config.encoding);
        config.policy.secret = self.secret();
        self.warn_of_compatibility();
    }

    fn refuse(&mut self, origin: &str, shown: &str, rule: &str) {
        self.errors.push(format!("{origin} {shown:?}: {rule}"));
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

    /// Adds the tags of the server. The dialect decides which ones are valid.
    fn add_tags(&mut self, encoding: &mut Encoding) {
        let Some((tags, given)) = self.value(&flags::STATSD_TAG) else { return };
        for tag in tags {
            if let Err(error) = encoding.add_tag(&tag) {
                self.refuse(&given.origin, &tag, &error.to_string());
            }
        }
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
