//! What every test needs: a proxy, a StatsD that shows exact bytes, and a client that sends exact bytes.

pub mod client;
pub mod coding;
pub mod crowd;
pub mod line_daemon;
pub mod network;
pub mod proxy;
pub mod receiver;
pub mod request;
pub mod statsd;
pub mod token;
pub mod unlogged;

use std::time::Duration;

/// How long a test waits for what must come. Generous: it is only ever spent when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
