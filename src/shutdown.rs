//! Signals: the first asks for a drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// The exit code of a process that a signal ended, as shells count it, for SIGINT.
const INTERRUPTED: i32 = 130;

/// Ends at the first SIGINT or SIGTERM. From then on another one ends the process without a drain.
pub async fn requested() {
    let (mut interrupt, mut terminate) = match (listen(SignalKind::interrupt()), listen(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!("signals end the process without a drain: {error}");
            return std::future::pending().await;
        }
    };
    let name = either(&mut interrupt, &mut terminate).await;
    info!("{name}: finishing what has begun; once more ends at once");
    tokio::task::spawn_local(async move {
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED);
    });
}

fn listen(kind: SignalKind) -> io::Result<Signal> {
    signal(kind)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
