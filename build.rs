//! Passes the commit to the compiler, for `--version`.

// A build script writes its instructions for Cargo to standard output.
#![allow(clippy::print_stdout)]

use std::process::Command;

fn main() {
    let from_git = || {
        let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
        let commit = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| commit.trim().to_owned())
    };
    // A source archive has no repository; the variable can supply the commit.
    let commit = std::env::var("STATSD_HTTP_PROXY_COMMIT").ok().or_else(from_git);
    println!("cargo:rustc-env=COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rerun-if-env-changed=STATSD_HTTP_PROXY_COMMIT");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
}
