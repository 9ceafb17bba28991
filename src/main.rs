//! The binary: runs the library, and exits with its code.

use std::process::ExitCode;

/// The server allocates and frees thousands of small buffers. mimalloc returns unused ones to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    statsd_http_proxy::run()
}
