//! The machine and the versions of a run, without which the results have little meaning.

use std::error::Error;
use std::fs;
use std::process::Command;

use rustix::system::uname;

use crate::server::sibling;

/// Kernel, processor and versions.
pub struct Machine {
    kernel: String,
    processor: String,
    proxy: String,
    nginx: String,
    wrk: String,
}

impl Machine {
    /// Reads the version of the kernel and of each program.
    pub fn inspect() -> Result<Self, Box<dyn Error>> {
        let uname = uname();
        let kernel = format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
        let proxy = sibling("statsd-http-proxy")?;
        Ok(Self {
            kernel,
            // Some architectures do not name their processor.
            processor: processor(&fs::read_to_string("/proc/cpuinfo")?).unwrap_or("unknown").to_owned(),
            proxy: first_line(Command::new(proxy).arg("--version"))?,
            nginx: first_line(Command::new("nginx").arg("-v"))?.replace("nginx version: ", ""),
            // "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) ...", and exit code 1.
            wrk: first_line(Command::new("wrk").arg("-v"))?.split(" [").next().unwrap_or_default().to_owned(),
        })
    }

    /// A Markdown list.
    pub fn markdown(&self) -> String {
        let Self { kernel, processor, proxy, nginx, wrk } = self;
        format!("- Kernel: {kernel}\n- Processor: {processor}\n- Proxy: {proxy}\n- nginx: {nginx}\n- wrk: {wrk}\n")
    }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

/// The first line that `command` prints, on either stream.
fn first_line(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output =
        command.output().map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a b\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(processor("processor\t: 0\n"), None);
    }
}
