//! wrk, the load generator.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::{Server, pinned};

/// Number of connections. When a run ends, as many requests may be answered without being counted by wrk.
pub const CONNECTIONS: u64 = 64;

/// The core that wrk shares with the rest of the benchmark; the servers have the other one.
pub const CORE: usize = 1;

/// wrk with one request.
pub struct Load {
    script: PathBuf,
    metrics: u64,
}

impl Load {
    /// Writes the script of wrk to `directory`. The request has this number of `metrics`.
    pub fn new(request: &[u8], metrics: u64, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let script = directory.join("request.lua");
        // wrk calls the function once, before it starts. A table of headers would be in the order of Lua's hashes,
        // which differs from run to run. With a string, all servers read the same bytes.
        fs::write(
            &script,
            format!("local request = {}\nwrk.format = function() return request end\n", quoted(request)),
        )?;
        Ok(Self { script, metrics })
    }

    /// Metrics in each request.
    pub fn metrics(&self) -> u64 {
        self.metrics
    }

    /// Runs wrk against `server` for `span`, in whole seconds, and returns the number of requests answered with 200.
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
        // wrk prints these lines only if there were errors.
        if let Some(line) =
            text.lines().map(str::trim).find(|l| l.starts_with("Non-2xx") || l.starts_with("Socket errors"))
        {
            return Err(format!("wrk: {line}").into());
        }
        answered(&text).ok_or_else(|| format!("wrk did not say how many requests it made: {text}").into())
    }
}

/// `bytes` as a Lua string literal. A Lua string may contain any bytes, but a script should contain only printable
/// ones.
fn quoted(bytes: &[u8]) -> String {
    let mut literal = String::from('"');
    for byte in bytes {
        match byte {
            b' '..=b'~' if !b"\"\\".contains(byte) => literal.push(char::from(*byte)),
            // Decimal, always with three digits, because a digit may follow.
            _ => {
                let _ = write!(literal, "\\{byte:03}");
            }
        }
    }
    literal + "\""
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

    #[test]
    fn lua_reads_the_bytes_that_were_quoted() {
        assert_eq!(quoted(b"a 1~"), r#""a 1~""#);
        assert_eq!(quoted(b"\"\\"), r#""\034\092""#);
        assert_eq!(quoted(b"\r\n\x1f\x8b\x00\xff7"), r#""\013\010\031\139\000\2557""#);
    }
}
