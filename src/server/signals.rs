//! Handles signals on a thread of its own, so that a busy worker does not delay them. The first signal to stop begins a
//! drain, the second ends the process at once. No other signal that a tool may send ends it.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tracing::info;

use crate::server::supervisor::Supervisor;
use crate::telemetry::counters::Counters;
use crate::telemetry::log::Log;

/// The exit code that shells give to a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// The reaction to a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
    /// Finish the requests that have begun, then exit. Exit at once the second time.
    Drain,
    /// Log the counters.
    Count,
    /// Log the signal with this text.
    Tell(&'static str),
    /// None. The signal is accompanied by an error of a system call, which is handled where it occurs.
    Nothing,
}

/// The signals that are caught. The numbers are those of Linux (signal(7)). Each other signal keeps its default: it is ignored
/// (CHLD, CONT, URG, WINCH; PIPE by Rust's start-up), stops or continues the process (TSTP, TTIN, TTOU), or ends it because
/// the process is broken (SEGV, ABRT) or because a signal came that no known tool sends (real-time signals but one).
const SIGNALS: [(i32, &str, Action); 13] = [
    (15, "SIGTERM", Action::Drain),
    (2, "SIGINT", Action::Drain),
    // nginx and php-fpm drain on it, so container images use it as their stop signal.
    (3, "SIGQUIT", Action::Drain),
    // A time limit of the parent: alarm(2) outlives execve(2), `timeout -s ALRM`, `ulimit -St`.
    (14, "SIGALRM", Action::Drain),
    (24, "SIGXCPU", Action::Drain),
    // LXC stops a container with the first, and one whose image is made for systemd with the second.
    (30, "SIGPWR", Action::Drain),
    (37, "SIGRTMIN+3", Action::Drain),
    (10, "SIGUSR1", Action::Count),
    // certbot and logrotate send it, and a terminal that is closed.
    (1, "SIGHUP", Action::Tell("nothing is reloaded: for new settings or certificates, restart")),
    // nginx replaces its binary on it; other daemons reopen their logs.
    (12, "SIGUSR2", Action::Tell("ignored")),
    // Timers of a profiler; they outlive execve(2) too.
    (26, "SIGVTALRM", Action::Nothing),
    (27, "SIGPROF", Action::Nothing),
    // A log file larger than `ulimit -f`: the write fails with EFBIG.
    (25, "SIGXFSZ", Action::Nothing),
];

/// Carries the request to stop from the thread of signals to the server.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    asked: Notify,
    /// True if there may be connections to drain.
    listening: AtomicBool,
}

impl Shutdown {
    /// Notes that connections may come: a signal to stop drains from now on. Before, it ends the process at once.
    pub(crate) fn listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Waits for the first signal to stop.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }
}

/// Catches signals from now on, and handles them until the process ends.
///
/// # Errors
///
/// The event loop, the thread or a handler cannot be created.
pub(crate) fn handle_signals(
    log: &Log,
    counters: &Arc<Counters>,
    supervisor: &Supervisor,
) -> io::Result<Arc<Shutdown>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let signals = Signals::catch(&runtime)?;
    let shutdown = Arc::new(Shutdown::default());
    let handler =
        Handler { log: log.clone(), counters: Arc::clone(counters), shutdown: Arc::clone(&shutdown), draining: false };
    let supervisor = supervisor.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || supervisor.guard("handler of signals", || runtime.block_on(handler.run(signals))))?;
    Ok(shutdown)
}

/// The signals that are caught.
struct Signals(Vec<(Signal, &'static str, Action)>);

impl Signals {
    fn catch(runtime: &Runtime) -> io::Result<Self> {
        let _entered = runtime.enter();
        let caught = SIGNALS
            .into_iter()
            .map(|(number, name, action)| signal(SignalKind::from_raw(number)).map(|signal| (signal, name, action)));
        caught.collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next signal. Several of one kind may be merged into one.
    async fn next(&mut self) -> io::Result<(&'static str, Action)> {
        poll_fn(|cx| {
            for (signal, name, action) in &mut self.0 {
                match signal.poll_recv(cx) {
                    Poll::Ready(Some(())) => return Poll::Ready(Ok((*name, *action))),
                    Poll::Ready(None) => return Poll::Ready(Err(io::Error::other("no more signals are delivered"))),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }
}

struct Handler {
    log: Log,
    counters: Arc<Counters>,
    shutdown: Arc<Shutdown>,
    draining: bool,
}

impl Handler {
    /// Handles signals. Returns only if they cannot be received any more, which is an error.
    async fn run(mut self, mut signals: Signals) -> io::Result<()> {
        loop {
            let (name, action) = signals.next().await?;
            match action {
                Action::Drain => self.drain(name),
                Action::Count => {
                    for delivery in self.counters.of_each_address() {
                        info!("{name}: {delivery}");
                    }
                    info!("{name}: {}", self.counters.all());
                }
                Action::Tell(what) => info!("{name}: {what}"),
                Action::Nothing => {}
            }
        }
    }

    fn drain(&mut self, name: &str) {
        if self.draining {
            self.exit(INTERRUPTED);
        }
        if !self.shutdown.listening.load(Ordering::Relaxed) {
            info!("{name}: ending before anything has begun");
            self.exit(0);
        }
        self.draining = true;
        info!("{name}: finishing what has begun; once more ends at once");
        self.shutdown.asked.notify_one();
    }

    fn exit(&self, code: i32) -> ! {
        self.log.finish();
        std::process::exit(code);
    }
}
