//! A StatsD HTTP proxy: metrics come in over HTTP(S) from browsers, apps and scripts, and leave as UDP datagrams.
//!
//! The map of the house. Data flows one way, one room for each step:
//!
//! `accept -> TLS -> HTTP head -> route -> CORS -> auth -> body -> metric -> StatsD line -> datagram`
//!
//! [`handler`] reads as that list. The pure rooms, [`route`], [`metric`], [`form`], [`json`], [`batch`] and [`statsd::line`],
//! know neither sockets nor hyper.

pub mod auth;
pub mod batch;
pub mod cli;
pub mod client_script;
pub mod config;
pub mod content_type;
pub mod cors;
pub mod demo;
pub mod error;
pub mod flood;
pub mod form;
pub mod handler;
pub mod http;
#[cfg(any(test, feature = "internals"))]
pub mod internals;
pub mod json;
pub mod listener;
pub mod log;
pub mod long_batch;
pub mod memory;
pub mod metric;
pub mod params;
pub mod refusals;
pub mod request_log;
pub mod route;
pub mod server;
pub mod shared;
pub mod shutdown;
pub mod statsd;
pub mod supervise;
pub mod tls;
pub mod worker;
