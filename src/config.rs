//! The configuration: composes the settings of all modules from the command line. Each module owns the type of its
//! settings.
//!
//! All mistakes are collected before the first is reported. Nothing here opens a socket.

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
    /// The process: listener, threads, connections.
    pub server: ServerSettings,
    /// The deadlines of connections.
    pub timeouts: Timeouts,
    /// The HTTP interface.
    pub api: api::settings::Settings,
    /// The settings of the HTTP interface and of TLS that may change while the server runs.
    pub policy: PolicySettings,
    /// The format by which metrics are read: what the daemons of all addresses understand.
    pub encoding: Encoding,
    /// The format of the lines for each address of StatsD.
    pub encodings: Vec<Encoding>,
    /// The paths to StatsD.
    pub upstream: upstream::settings::Settings,
    /// The format of log lines.
    pub log_format: Format,
    /// True to start the embedded receiver.
    pub demo: bool,
    /// Settings that are valid but probably a mistake; they are logged at start.
    pub warnings: Vec<String>,
}

/// All mistakes, one sentence each with flag and value; and the warnings, because a missing setting is often a misspelt
/// variable.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", .1.iter().map(|warning| format!("warning: {warning}\n")).collect::<String>(), .0.join("\n"))]
pub(crate) struct ConfigErrors(pub Vec<String>, pub Vec<String>);

impl Config {
    /// Checks all flags, and reads the secret's file.
    ///
    /// # Errors
    ///
    /// Returns all mistakes of the command line and of the environment together.
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
