//! wrk, the load generator.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::scenario::Scenario;
use crate::server::{Server, pinned};

/// Connections at once. As many requests may be on their way when a run ends: answered, but not counted by wrk.
pub const CONNECTIONS: u64 = 64;

/// The core that wrk shares with the rest of the benchmark; the servers have the other one.
pub const CORE: usize = 1;

/// wrk with one scenario's request.
pub struct Load {
    script: PathBuf,
}

impl Load {
    /// Writes wrk's script to `directory`.
    pub fn new(scenario: &Scenario, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let script = directory.join("request.lua");
        // wrk asks for the request once, before it starts. A table of headers would come in the order of Lua's hashes,
        // which differs from run to run; this way all servers read the same bytes. Rust and Lua quote ASCII alike.
        fs::write(
            &script,
            format!("local request = {:?}\nwrk.format = function() return request end\n", scenario.request),
        )?;
        Ok(Self { script })
    }

    /// Loads `server` for `span`, in whole seconds, and returns how many requests were answered 200.
    pub fn run(&self, server: &Server, span: Duration) -> Result<u64, Box<dyn Error>> {
        let output = pinned(CORE, "wrk")
            .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", span.as_secs()), "-s"])
            .arg(&self.script)
            .arg(server.url())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("wrk: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
        }
        // wrk has these lines only when there is something to tell.
        if let Some(line) =
            text.lines().map(str::trim).find(|l| l.starts_with("Non-2xx") || l.starts_with("Socket errors"))
        {
            return Err(format!("wrk: {line}").into());
        }
        answered(&text).ok_or_else(|| format!("wrk did not say how many requests it made: {text}").into())
    }
}

/// The number before "requests in".
fn answered(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains(" requests in "))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_the_report() {
        let report =
            "  Thread Stats   Avg\n    Req/Sec    14.83k     5.49k\n  16199 requests in 1.10s, 601.13KB read\n";
        assert_eq!(answered(report), Some(16199));
        assert_eq!(answered("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
    }
}
