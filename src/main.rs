//! The exit code.

use std::process::ExitCode;

/// Thousands of small buffers come and go: this allocator gives idle ones back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    statsd_http_proxy::run()
}
