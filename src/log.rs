//! Log lines on standard error, for people or as JSON.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;

use crate::config::LogFormat;

/// Sends all that is logged from now on to standard error.
pub fn init(format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
