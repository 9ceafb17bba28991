//! The configuration: the settings of all modules, each of a type that its module owns, as the command line has them.
//!
//! Every mistake is found before any is reported; no socket is opened here.

pub(crate) mod address;
pub(crate) mod arguments;
pub(crate) mod check;
pub(crate) mod flag;
pub(crate) mod flags;
pub(crate) mod help;
pub(crate) mod host;
pub(crate) mod quantity;
pub(crate) mod settings;
pub(crate) mod suggestion;
pub(crate) mod summary;
pub(crate) mod values;

use crate::api;
use crate::api::policy::PolicySettings;
use crate::config::arguments::CommandLine;
use crate::config::check::Check;
use crate::config::settings::ServerSettings;
use crate::conn::deadlines::Timeouts;
use crate::statsd::encoding::Encoding;
use crate::telemetry::log::Format;
use crate::upstream;

/// The settings of all modules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Of the process: listener, threads, connections.
    pub server: ServerSettings,
    /// Deadlines of connections.
    pub timeouts: Timeouts,
    /// Of the HTTP interface.
    pub api: api::settings::Settings,
    /// Of the HTTP interface and its TLS: those that may change while the server runs.
    pub policy: PolicySettings,
    /// How metrics are read: by what the daemons of all addresses understand.
    pub encoding: Encoding,
    /// How lines are written, for each address of StatsD.
    pub encodings: Vec<Encoding>,
    /// Of the path to StatsD.
    pub upstream: upstream::settings::Settings,
    /// How log lines look.
    pub log_format: Format,
    /// Start the embedded receiver.
    pub demo: bool,
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
    ///
    /// # Errors
    ///
    /// All mistakes of the command line and of the environment together.
    pub(crate) fn new(line: &CommandLine) -> Result<Self, ConfigErrors> {
        let mut config = Self::default();
        let mut check = Check::new(line);
        flags::fill(&mut config, &mut check);
        check.rules(&mut config);
        config.warnings = check.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
