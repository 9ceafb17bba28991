//! Support of all tests: a proxy, a StatsD receiver with exact bytes, and a client that sends exact bytes.

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

/// Longest wait of a test for an event that must occur. It is long, because only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);
