//! Signals: the first asks for a drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// The exit code of a process that a signal ended, as shells count it, for SIGINT.
const INTERRUPTED: i32 = 130;

/// SIGINT and SIGTERM, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches both signals; needs a runtime.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Ends at the first signal. From then on another one ends the process without a drain.
    pub async fn first(mut self) {
        let name = self.next().await;
        info!("{name}: finishing what has begun; once more ends at once");
        tokio::task::spawn_local(async move {
            self.next().await;
            std::process::exit(INTERRUPTED);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
