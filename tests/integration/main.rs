//! The real binary, over real sockets.

mod support;

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
mod outage;
mod own_tags;
mod rest_json;
mod starvation;
mod statsd_daemon;
mod tokens;
mod upstream;
