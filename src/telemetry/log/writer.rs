//! A writer that never blocks its callers: they append lines to a bounded buffer, and a thread writes them.
//!
//! tracing-appender 0.2 was considered first. It bounds lines but not bytes, drops a line that could not be written
//! without counting it, never reports drops in the log itself, and calls `println!` when it cannot shut down in time.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes of the buffer. The thread may hold as many again, so the sum is at most 2 MiB.
const MAX_BUFFERED_BYTES: usize = 1024 * 1024;

/// Lines of the buffer.
const MAX_BUFFERED_LINES: usize = 8192;

/// Share of both limits that is reserved for important lines, as a divisor: a flood of lines about single requests must
/// not displace a warning.
const RESERVED_SHARE: usize = 8;

/// Capacity that an empty buffer keeps, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// Pause between a failed write and the next attempt. By then the disk may have free space, or a named pipe a reader.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The priority of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Priority {
    /// A line about a single request.
    Routine,
    /// Any other line. It may use the reserved part of the buffer.
    Important,
}

/// A handle of the buffer and its thread, which writes to a file, a pipe or a terminal.
#[derive(Clone, Debug)]
pub(crate) struct BoundedWriter(Arc<Channel>);

#[derive(Debug, Default)]
struct Channel {
    state: Mutex<State>,
    /// The buffer has lines, or the writer closes.
    filled: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    lines: usize,
    /// Lines that did not fit into the buffer since the last report.
    dropped: u64,
    closing: bool,
    ended: bool,
}

impl BoundedWriter {
    /// Starts the thread that writes to `out`. After lines were dropped, the thread calls `tell` with their number as
    /// soon as it has written the lines before them.
    pub(crate) fn start(name: &str, out: OwnedFd, tell: impl Fn(&Self, u64) + Send + 'static) -> io::Result<Self> {
        let writer = Self(Arc::default());
        let own = writer.clone();
        let out = File::from(out);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || own.run(&out, tell))?;
        Ok(writer)
    }

    /// Appends a line, which ends with a line feed. Returns false if it did not fit. Never waits for the file.
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
            // Doubles the capacity, as a Vec does, but never exceeds the bound.
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

    /// Waits for the thread to write the remaining lines and to end, but at most for `patience`. Lines that are not
    /// written by then are lost.
    pub(crate) fn finish(&self, patience: Duration) {
        let mut state = self.0.lock();
        state.closing = true;
        self.0.filled.notify_one();
        let waited = self.0.ended.wait_timeout_while(state, patience, |state| !state.ended);
        drop(waited);
    }

    fn run(&self, out: &File, tell: impl Fn(&Self, u64)) {
        // If the process is in the background of a terminal with `stty tostop`, a write would stop the whole process.
        // With the signal blocked, the write succeeds (credentials(7), "Process groups"; tcsetattr(3p), TOSTOP).
        // Blocking can only fail for a signal that does not exist.
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

    /// Waits for lines, moves them into the empty `batch`, and returns the number of lines that were dropped after
    /// them. `None` at the end.
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

    /// Writes all of `rest`, with as many attempts as it takes. Returns false if a write failed and the writer closes.
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
                // Another process has made the pipe or terminal non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let most = Timespec { tv_sec: RETRY_PAUSE.as_secs().cast_signed(), tv_nsec: 0 };
                    let ready = poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&most));
                    if ready.is_err() && !self.pause() {
                        return false;
                    }
                }
                // The pipe has no reader, the disk is full, or the file has reached its limit.
                Err(_) => {
                    if !self.pause() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Waits for the next attempt. Returns false if the writer was already closing: the failed attempt was then the
    /// last.
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
    /// Ignores poisoning: no code panics while it holds the lock, and the state is valid at each moment.
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
    fn a_full_pipe_drops_lines_and_does_not_block() {
        let (mut reader, out) = io::pipe().expect("a pipe");
        let (writer, told) = start(out);
        let line = [[b'x'; 99].as_slice(), b"\n"].concat();
        // More bytes than a pipe holds: once the thread has taken them, its write blocks.
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
        // The writer stops waiting, since the pipe is not read.
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
    fn a_pipe_without_a_reader_does_not_delay_the_end() {
        let (reader, out) = io::pipe().expect("a pipe");
        drop(reader);
        let (writer, _told) = start(out);
        assert!(writer.push(b"nobody reads this\n", Priority::Important));
        let start = std::time::Instant::now();
        writer.finish(PATIENCE);
        assert!(start.elapsed() < PATIENCE, "the thread ended by itself");
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_dropped() {
        let (_reader, out) = io::pipe().expect("a pipe");
        let (writer, _told) = start(out);
        assert!(!writer.push(&vec![b'x'; MAX_BUFFERED_BYTES + 1], Priority::Important));
        assert!(writer.push(b"short\n", Priority::Important));
    }
}
