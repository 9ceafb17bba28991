//! The CPU time, the memory and the children of a process, from the kernel.

use std::error::Error;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// CPU time that the threads of `pid` have used so far, in user space and in the kernel.
///
/// The nanoseconds of the scheduler, if the kernel has them; otherwise the times of the process, in ticks of 10 ms.
pub fn cpu_time(pid: u32) -> Result<Duration, Box<dyn Error>> {
    if !fs::exists(format!("/proc/{pid}/schedstat"))? {
        return cpu_ticks(pid);
    }
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        match fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(line) => nanos += field(&line, 0)?,
            // The thread has ended since it was listed. No server ends a thread that serves requests.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Duration::from_nanos(nanos))
}

fn cpu_ticks(pid: u32) -> Result<Duration, Box<dyn Error>> {
    let stat = stat(pid)?;
    let ticks = field(&stat, 11)? + field(&stat, 12)?;
    Ok(Duration::from_secs(ticks).div_f64(clock_ticks_per_second() as f64))
}

/// Resident anonymous memory of `pid`, in bytes: heap and stacks, without the binary.
pub fn anonymous_memory(pid: u32) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("/proc has no RssAnon")?;
    Ok(field(kib, 0)? * 1024)
}

/// A child of `parent`, if it has one.
pub fn child(parent: u32) -> Result<Option<u32>, Box<dyn Error>> {
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A process may end after it was listed.
        let Ok(stat) = stat(pid) else { continue };
        if field(&stat, 1)? == u64::from(parent) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// `/proc/PID/stat` from its third field on: the second field is the name of the program, which may contain any
/// character.
fn stat(pid: u32) -> io::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The number with this index, from 0.
fn field(line: &str, index: usize) -> Result<u64, Box<dyn Error>> {
    let field = line.split_ascii_whitespace().nth(index).ok_or_else(|| format!("no field {index} in {line:?}"))?;
    Ok(field.parse()?)
}
