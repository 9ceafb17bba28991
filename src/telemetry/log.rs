//! Log lines on standard error, for people or as JSON: written by a thread of their own, so that a log which nobody reads,
//! or whose disk is full, stops nothing.

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

/// The target of lines about single requests (`--verbose`), which may not use the reserved part of the buffer.
pub(crate) const REQUEST: &str = "request";

/// How long the end of the process waits for lines to be written: within what `docker stop` grants after the drain.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where log lines go.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    writer: BoundedWriter,
    counters: Arc<Counters>,
    escapes: Escapes,
}

impl Log {
    /// Starts the thread that writes to standard error.
    ///
    /// It has a descriptor of its own, so nothing that holds the lock of `io::stderr` can hold it up. Rust has opened
    /// `/dev/null` in place of a standard stream that was closed at start.
    pub(crate) fn start(counters: Arc<Counters>) -> io::Result<Self> {
        let out = io::stderr().as_fd().try_clone_to_owned()?;
        // What is told goes the way of all log lines.
        let tell =
            |_: &BoundedWriter, dropped| warn!("{dropped} log lines were dropped: the log was not written fast enough");
        Ok(Self { writer: BoundedWriter::start("log", out, tell)?, counters, escapes: Escapes::Text })
    }

    /// Sends all that is logged from now on to standard error, the message of a panic too.
    pub(crate) fn init(&self, format: Format) {
        let coloured = format == Format::Text && io::stderr().is_terminal();
        self.dispatch(format, coloured).init();
        let counters = Arc::clone(&self.counters);
        std::panic::set_hook(Box::new(move |panic| {
            Counters::add(&counters.panics, 1);
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or("unnamed");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            // A formatted message may hold a client's data: only one that stands in the source is shown.
            let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("no fixed message");
            error!("a bug: panic in thread {thread:?} at {place}: {message}");
        }));
    }

    /// Makes lines of the events of this crate, and of no other.
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
        // With the level, since else crates below would work out what they trace.
        let ours = filter_fn(is_ours).with_max_level_hint(LevelFilter::INFO);
        match format {
            Format::Text => builder.finish().with(ours).into(),
            Format::Json => builder.json().flatten_event(true).finish().with(ours).into(),
        }
    }

    /// Waits until the lines so far are written, for half a second at most; for the end of the process.
    pub(crate) fn finish(&self) {
        self.writer.finish(LAST_LINES);
    }
}

/// Whether an event is of this crate. Other crates log what a peer does, a line each time: h2 warns of each connection that it
/// ends. What matters of it is in the sums of refusals and in the counters.
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

/// Takes a log line, which the formatter writes in one piece.
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

    /// What is written of the events that `log` makes.
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
