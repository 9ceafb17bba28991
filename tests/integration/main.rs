//! The real binary, over real sockets.

mod support;

#[path = "../shapes/mod.rs"]
mod shapes;

mod bad_input;
mod base_path;
mod batch;
mod batch_daemon;
mod budget;
mod client_script;
mod command_line;
mod compression;
mod contract;
mod deadlines;
mod demo;
mod dialects;
mod documents;
mod drain;
mod examples;
mod https;
mod own_tags;
mod rest_json;
mod starvation;
mod statsd_daemon;
mod tokens;
mod upstream;
mod worst_body;
