//! A StatsD HTTP proxy: receives metrics over HTTP(S) from browsers, apps and scripts, and sends them as UDP datagrams.
//!
//! `docs/architecture.md` describes the modules and the direction of their dependencies. Only the binary and the tests
//! of the documents use the public items.

#![forbid(unsafe_code)]
#![cfg_attr(all(feature = "internals", not(test)), deny(unreachable_pub))]

mod api;
mod auth;
mod config;
mod conn;
mod demo;
mod ingest;
#[cfg(any(test, feature = "internals"))]
pub mod internals;
mod metric;
mod net;
mod process;
mod server;
mod sinks;
mod statsd;
mod telemetry;
mod upstream;

pub use process::run;

/// Tables of the code that the tests compare with the documents.
pub mod tables {
    pub use crate::config::flag::{Flag, Kind as FlagKind};
    pub use crate::config::flags::FLAGS;
    pub use crate::metric::Kind as MetricKind;
    pub use crate::statsd::dialect::{DIALECTS, Dialect, PRESENT};
}
