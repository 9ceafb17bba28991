//! The real binary, over real sockets.

// Tests print measurements for manual runs.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod support;

#[path = "../shapes/mod.rs"]
mod shapes;

mod bad_input;
mod base_path;
mod batch;
mod batch_daemon;
mod budget;
mod certificates;
mod client_script;
mod command_line;
mod compression;
mod contract;
mod deadlines;
mod demo;
mod dependencies;
mod dialects;
mod documents;
mod drain;
mod examples;
mod fragments;
mod http2;
mod https;
mod keepalive_budget;
mod log_faults;
mod long_batches;
mod outage;
mod own_tags;
mod refusals;
mod require;
mod rest_json;
mod several_daemons;
mod signals;
mod starvation;
mod statsd_daemon;
mod tokens;
mod transports;
mod upstream;
mod worst_body;
