//! A writer that never makes its callers wait: lines go into a bounded buffer, and a thread of its own writes them.
//!
//! tracing-appender 0.2 was read first. It bounds lines but not bytes, drops a line that could not be written without
//! counting it, never tells of drops in the log itself, and prints with `println!` when it cannot be shut down in time.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes that wait to be written. As many again are in the thread's hands, so 2 MiB are held at most.
const MAX_BUFFERED_BYTES: usize = 1024 * 1024;

/// Lines that wait to be written.
const MAX_BUFFERED_LINES: usize = 8192;

/// The share of both that only important lines may use, as a divisor: a flood of lines about single requests must not
/// keep a warning out.
const RESERVED_SHARE: usize = 8;

/// Memory that the buffers keep once they are empty, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// How long to wait after a failed write before it is tried again: a disk may get free space, and a named pipe a reader.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Which lines may use the last part of the buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Priority {
    /// One of many.
    Routine,
    /// Worth the reserved part.
    Important,
}

/// Lines on their way to a file, a pipe or a terminal.
#[derive(Clone, Debug)]
pub(crate) struct BoundedWriter(Arc<Channel>);

#[derive(Debug, Default)]
struct Channel {
    state: Mutex<State>,
    /// Lines have come, or the writer closes.
    filled: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    lines: usize,
    /// Lines that did not fit into the buffer since this was last told.
    dropped: u64,
    closing: bool,
    ended: bool,
}

impl BoundedWriter {
    /// Starts the thread that writes to `out`. After lines were dropped, `tell` is called with their number as soon as what
    /// stood in the way is written.
    pub(crate) fn start(name: &str, out: OwnedFd, tell: impl Fn(&Self, u64) + Send + 'static) -> io::Result<Self> {
        let writer = Self(Arc::default());
        let own = writer.clone();
        let out = File::from(out);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || own.run(&out, tell))?;
        Ok(writer)
    }

    /// Takes a line, with its line feed, and returns whether it fitted. Never waits for the file.
    pub(crate) fn push(&self, line: &[u8], priority: Priority) -> bool {
        let mut state = self.0.lock();
        let share = |most: usize| match priority {
            Priority::Routine => most - most / RESERVED_SHARE,
            Priority::Important => most,
        };
        let bytes = state.buffer.len() + line.len();
        if bytes > share(MAX_BUFFERED_BYTES) || state.lines >= share(MAX_BUFFERED_LINES) {
            state.dropped += 1;
            return false;
        }
        if bytes > state.buffer.capacity() {
            // By doubling, as a Vec grows, but never past the bound.
            let capacity = (2 * state.buffer.capacity()).clamp(bytes, MAX_BUFFERED_BYTES);
            let more = capacity - state.buffer.len();
            state.buffer.reserve_exact(more);
        }
        state.buffer.extend_from_slice(line);
        state.lines += 1;
        if state.lines == 1 {
            self.0.filled.notify_one();
        }
        true
    }

    /// Lets the thread write what it can, for at most `patience`, and end. What nobody reads is given up.
    pub(crate) fn finish(&self, patience: Duration) {
        let mut state = self.0.lock();
        state.closing = true;
        self.0.filled.notify_one();
        let waited = self.0.ended.wait_timeout_while(state, patience, |state| !state.ended);
        drop(waited);
    }

    fn run(&self, out: &File, tell: impl Fn(&Self, u64)) {
        // In the background of a terminal with `stty tostop` a write would stop the whole process; where the signal is blocked
        // the write goes through (credentials(7), "Process groups"; tcsetattr(3p), TOSTOP). It fails for no signal that exists.
        let _ = SigSet::from(Signal::SIGTTOU).thread_block();
        let mut batch = Vec::new();
        while let Some(dropped) = self.next(&mut batch) {
            if !self.write(out, &batch) {
                break;
            }
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            if dropped > 0 {
                tell(self, dropped);
            }
        }
        self.0.lock().ended = true;
        self.0.ended.notify_all();
    }

    /// Waits for lines, moves them into the empty `batch`, and returns how many did not fit behind them. `None` at the
    /// end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let state = self.0.lock();
        let waited = self.0.filled.wait_while(state, |state| state.lines == 0 && !state.closing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.lines == 0 {
            return None;
        }
        std::mem::swap(&mut state.buffer, batch);
        state.lines = 0;
        Some(std::mem::take(&mut state.dropped))
    }

    /// Writes all of `rest`, however often it takes. False if it failed, and there is no time to try again.
    fn write(&self, mut out: &File, mut rest: &[u8]) -> bool {
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(0) => {
                    if !self.pause() {
                        return false;
                    }
                }
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe or terminal that another process has made non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let most = Timespec { tv_sec: RETRY_PAUSE.as_secs().cast_signed(), tv_nsec: 0 };
                    let ready = poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&most));
                    if ready.is_err() && !self.pause() {
                        return false;
                    }
                }
                // No reader, no space on the disk, a file over its limit.
                Err(_) => {
                    if !self.pause() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Waits until it is time to try again. False if the writer closes, and has tried since.
    fn pause(&self) -> bool {
        let state = self.0.lock();
        if state.closing {
            return false;
        }
        let waited = self.0.filled.wait_timeout_while(state, RETRY_PAUSE, |state| !state.closing);
        drop(waited);
        true
    }
}

impl Channel {
    /// Nothing panics while it holds the lock, and if it did, the lines would still be lines.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn start(out: impl Into<OwnedFd>) -> (BoundedWriter, mpsc::Receiver<u64>) {
        let (sender, told) = mpsc::channel();
        let tell = move |_: &BoundedWriter, dropped| sender.send(dropped).expect("the test listens");
        (BoundedWriter::start("test", out.into(), tell).expect("a thread"), told)
    }

    #[test]
    fn lines_arrive_in_order_before_the_end() {
        let (mut reader, out) = io::pipe().expect("a pipe");
        let (writer, told) = start(out);
        let expected: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        for line in expected.split_inclusive('\n') {
            assert!(writer.push(line.as_bytes(), Priority::Routine));
        }
        writer.finish(PATIENCE);
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text, and the end");
        assert_eq!(text, expected);
        assert!(told.recv().is_err(), "nothing was dropped");
    }

    #[test]
    fn a_full_pipe_costs_lines_not_time() {
        let (mut reader, out) = io::pipe().expect("a pipe");
        let (writer, told) = start(out);
        let line = [[b'x'; 99].as_slice(), b"\n"].concat();
        // More than a pipe holds: once the thread has taken it, it is in the middle of a write.
        let first = vec![b'x'; 512 * 1024];
        assert!(writer.push(&first, Priority::Routine));
        while writer.0.lock().lines > 0 {
            std::thread::yield_now();
        }
        let push = |count, priority| (0..count).filter(|_| writer.push(&line, priority)).count();
        let reserve = MAX_BUFFERED_LINES / RESERVED_SHARE;
        assert_eq!(push(100_000, Priority::Routine), MAX_BUFFERED_LINES - reserve);
        assert_eq!(push(100_000, Priority::Important), reserve);
        assert!(writer.0.lock().buffer.capacity() <= MAX_BUFFERED_BYTES);
        // An end that nobody lets be reached is given up.
        writer.finish(Duration::from_millis(1));
        let count = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).expect("bytes, and the end");
            bytes.len()
        });
        assert_eq!(told.iter().sum::<u64>(), 200_000 - MAX_BUFFERED_LINES as u64);
        drop(writer);
        assert_eq!(count.join().expect("no panic"), first.len() + MAX_BUFFERED_LINES * line.len());
    }

    #[test]
    fn a_pipe_without_a_reader_holds_up_no_end() {
        let (reader, out) = io::pipe().expect("a pipe");
        drop(reader);
        let (writer, _told) = start(out);
        assert!(writer.push(b"nobody reads this\n", Priority::Important));
        let start = std::time::Instant::now();
        writer.finish(PATIENCE);
        assert!(start.elapsed() < PATIENCE, "the thread ended by itself");
    }

    #[test]
    fn a_line_without_a_bound_is_not_taken() {
        let (_reader, out) = io::pipe().expect("a pipe");
        let (writer, _told) = start(out);
        assert!(!writer.push(&vec![b'x'; MAX_BUFFERED_BYTES + 1], Priority::Important));
        assert!(writer.push(b"short\n", Priority::Important));
    }
}
