//! A StatsD HTTP proxy: metrics come in over HTTP(S) from browsers, apps and scripts, and leave as UDP datagrams.
//!
//! `docs/architecture.md` has the map of the modules, and the direction of their dependencies. The public items are those that
//! the binary and the tests of the documents need.

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

/// The tables that the documents are held against.
pub mod tables {
    pub use crate::config::flag::{Flag, Kind as FlagKind};
    pub use crate::config::flags::FLAGS;
    pub use crate::metric::Kind as MetricKind;
    pub use crate::statsd::dialect::{DIALECTS, Dialect, PRESENT};
}
