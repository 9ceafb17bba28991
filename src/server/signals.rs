//! Signals, on a thread of their own, so that a busy worker does not hold them up: the first that asks for the end begins a
//! drain, the second ends the process at once, and no other that a tool may send ends it at all.

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

/// The exit code of a process that a signal ended, as shells count it, for SIGINT.
const INTERRUPTED: i32 = 130;

/// What a signal makes the process do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
    /// Finish what has begun, and end; the second time, end at once.
    Drain,
    /// Log the counters.
    Count,
    /// Log that it came.
    Tell(&'static str),
    /// Nothing. The signal comes with an error of a system call, which says the same.
    Nothing,
}

/// What is caught. The numbers are those of Linux (signal(7)); all that is not here keeps its default, which is to be ignored
/// (CHLD, CONT, URG, WINCH; PIPE by Rust's start-up), to stop or go on (TSTP, TTIN, TTOU), or to end the process because
/// it is broken (SEGV, ABRT) or was told in a way that no tool is known to use (real-time signals but one).
const SIGNALS: [(i32, &str, Action); 13] = [
    (15, "SIGTERM", Action::Drain),
    (2, "SIGINT", Action::Drain),
    // nginx and php-fpm drain by it, so images have it as their stop signal.
    (3, "SIGQUIT", Action::Drain),
    // A time limit of whoever started the process: alarm(2) outlives execve(2), `timeout -s ALRM`, `ulimit -St`.
    (14, "SIGALRM", Action::Drain),
    (24, "SIGXCPU", Action::Drain),
    // LXC stops a container by the first; one whose image is made for systemd is stopped by the second.
    (30, "SIGPWR", Action::Drain),
    (37, "SIGRTMIN+3", Action::Drain),
    (10, "SIGUSR1", Action::Count),
    // certbot and logrotate send it, and a terminal that is closed.
    (1, "SIGHUP", Action::Tell("nothing is reloaded: for new settings or certificates, restart")),
    // nginx replaces its binary by it; other daemons reopen their logs.
    (12, "SIGUSR2", Action::Tell("ignored")),
    // Timers of a profiler, which outlive execve(2) too.
    (26, "SIGVTALRM", Action::Nothing),
    (27, "SIGPROF", Action::Nothing),
    // A log file over `ulimit -f`: the write fails with EFBIG.
    (25, "SIGXFSZ", Action::Nothing),
];

/// Asks for the end, from the signals' thread.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    asked: Notify,
    /// Whether there may be something to drain.
    listening: AtomicBool,
}

impl Shutdown {
    /// From now on a signal drains. Before, it ends the process at once: nothing has been accepted.
    pub(crate) fn listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Waits for the first signal that asks for the end.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }
}

/// Catches signals from now on, and handles them until the process ends.
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

    /// The next signal. Several of one kind may come as one.
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
    /// Handles signals until they cannot be received any more, which is an error.
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
