//! Polls for a condition of another process, which sends no notification.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two polls.
const INTERVAL: Duration = Duration::from_millis(10);

/// Polls until `condition` returns a value. The error names `what` if that takes longer than `limit`.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<Option<T>, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(format!("{what}: not within {limit:?}").into());
        }
        sleep(INTERVAL);
    }
}

/// Polls `value` until it has not changed for `quiet` and is `enough`, or until `limit` has passed. Returns it.
pub fn settled<T: Copy + PartialEq>(
    quiet: Duration,
    limit: Duration,
    enough: impl Fn(T) -> bool,
    mut value: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let begin = Instant::now();
    let mut last = value()?;
    let mut since = begin;
    while begin.elapsed() < limit && !(since.elapsed() >= quiet && enough(last)) {
        sleep(INTERVAL);
        let now = value()?;
        if now != last {
            last = now;
            since = Instant::now();
        }
    }
    Ok(last)
}
