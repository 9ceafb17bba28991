//! Log lines on standard error, as text or JSON. A thread writes them, so that neither a full disk nor a pipe that
//! nobody reads blocks a worker.

mod escape;
mod writer;

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Metadata, error, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::telemetry::counters::Counters;

pub(crate) use escape::{Escapes, escape};
pub(crate) use writer::{BoundedWriter, Priority};

/// The target of lines about single requests (`--verbose`), which must not use the reserved part of the buffer.
pub(crate) const REQUEST: &str = "request";

/// Longest wait for the last lines at the end of the process. With the drain, it stays within the grace period of
/// `docker stop`.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Format {
    /// Text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The destination of log lines.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    writer: BoundedWriter,
    counters: Arc<Counters>,
    escapes: Escapes,
}

impl Log {
    /// Starts the thread that writes to standard error.
    ///
    /// The thread has its own file descriptor, so that the lock of `io::stderr` cannot block it. If standard error was
    /// closed at start, Rust has opened `/dev/null` in its place.
    pub(crate) fn start(counters: Arc<Counters>) -> io::Result<Self> {
        let out = io::stderr().as_fd().try_clone_to_owned()?;
        // This line goes through the buffer, as all log lines do.
        let tell =
            |_: &BoundedWriter, dropped| warn!("{dropped} log lines were dropped: the log was not written fast enough");
        Ok(Self { writer: BoundedWriter::start("log", out, tell)?, counters, escapes: Escapes::Text })
    }

    /// Installs this log for all events and panics of the process.
    pub(crate) fn init(&self, format: Format) {
        let coloured = format == Format::Text && io::stderr().is_terminal();
        self.dispatch(format, coloured).init();
        let counters = Arc::clone(&self.counters);
        std::panic::set_hook(Box::new(move |panic| {
            Counters::add(&counters.panics, 1);
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or("unnamed");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            // A formatted message may hold a client's data, so only a message that is a literal in the source is shown.
            let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("message not shown");
            error!("a bug: panic in thread {thread:?} at {place}: {message}");
        }));
    }

    /// Formats the events of this crate, and of no other.
    fn dispatch(&self, format: Format, coloured: bool) -> Dispatch {
        let escapes = match format {
            Format::Json => Escapes::Json,
            Format::Text if coloured => Escapes::ColouredText,
            Format::Text => Escapes::Text,
        };
        let builder = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::INFO)
            .with_target(false)
            // It would report errors with eprintln!, which panics when standard error cannot be written.
            .log_internal_errors(false)
            .with_writer(Self { escapes, ..self.clone() })
            .with_ansi(coloured);
        // Without this hint, libraries would evaluate their trace events for nothing.
        let ours = filter_fn(is_ours).with_max_level_hint(LevelFilter::INFO);
        match format {
            Format::Text => builder.finish().with(ours).into(),
            Format::Json => builder.json().flatten_event(true).finish().with(ours).into(),
        }
    }

    /// Waits until all lines so far are written, but at most [`LAST_LINES`]. For the end of the process.
    pub(crate) fn finish(&self) {
        self.writer.finish(LAST_LINES);
    }
}

/// True if an event is from this crate. Other crates log a line for each misbehaving peer: h2 warns of each connection
/// that it closes. The sums of refusals and the counters have these facts.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target == REQUEST || target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { log: self, priority: Priority::Important }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        let routine = metadata.target() == REQUEST;
        LineWriter { log: self, priority: if routine { Priority::Routine } else { Priority::Important } }
    }
}

/// Receives one log line, which the formatter writes in one call.
#[derive(Debug)]
pub(crate) struct LineWriter<'a> {
    log: &'a Log,
    priority: Priority,
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let escaped = escape(&text, self.log.escapes);
        let escaped = escaped.as_deref().unwrap_or(&text);
        if !self.log.writer.push(escaped.as_bytes(), self.priority) {
            Counters::add(&self.log.counters.log_lines_dropped, 1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tracing::{debug, info};

    use super::*;

    /// The lines that are written for the events of `log`.
    fn written(format: Format, log: impl FnOnce()) -> String {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let tell = |_: &BoundedWriter, _| {};
        let counters = Arc::new(Counters::default());
        let writer = BoundedWriter::start("log", writer.into(), tell).expect("a thread");
        let to = Log { writer, counters, escapes: Escapes::Text };
        tracing::dispatcher::with_default(&to.dispatch(format, false), log);
        to.finish();
        drop(to);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("lines in UTF-8");
        text
    }

    #[test]
    fn only_events_of_this_crate_are_written() {
        for format in [Format::Text, Format::Json] {
            let text = written(format, || {
                warn!(target: "h2::proto::streams::streams", "foreign");
                warn!(target: "h2", "foreign");
                error!(target: "statsd_http_proxy_of_others::log", "foreign");
                info!(target: "requests", "foreign");
                debug!("too much");
                assert_eq!(LevelFilter::current(), LevelFilter::INFO);
                info!("own of a module");
                warn!(target: "statsd_http_proxy", "own of the binary");
                info!(target: REQUEST, "own of a request");
            });
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| line.contains("own of")), "{text}");
        }
    }
}
