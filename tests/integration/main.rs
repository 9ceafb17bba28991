//! The real binary, over real sockets.

mod support;

mod bad_input;
mod command_line;
mod contract;
mod deadlines;
mod documents;
mod drain;
mod https;
mod starvation;
mod statsd_daemon;
mod tokens;
mod upstream;
