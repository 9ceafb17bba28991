//! The accept loop: permits for connections, and the choice of a worker for each.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tracing::warn;

use crate::conn::crowding::Pressure;
use crate::conn::deadlines::Lifecycle;
use crate::net::listener::Listener;
use crate::server::supervisor::Supervisor;
use crate::server::worker::{Accepted, ConnectionPermit, Message};
use crate::telemetry::throttle::Throttle;

/// How long half-open connections may take to complete once new ones are refused: the longest round trip on Earth.
pub(super) const LAST_ACCEPTS: Duration = Duration::from_millis(200);

/// The pause when the process or the system is out of file descriptors: the listener stays readable, and the loop would take
/// a core without it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections wait to be accepted, without interruption, before the grace of those that are served ends.
const CROWDED_PATIENCE: Duration = Duration::from_millis(300);

/// The pause between two demands on the workers to close a connection while others wait to be accepted: the first, which
/// doubles, and the longest. A worker takes some 0.1 ms to look at 10,000 connections.
const CROWDED_RETRY: Duration = Duration::from_millis(2);
const CROWDED_RETRY_MAX: Duration = Duration::from_millis(32);

/// The number of demands, 0.16 s in all, after which connections that were served may be closed although others were not
/// served. By then the grace of nearly all of these has ended; their worker may be busy.
const UNSERVED_DEMANDS: u32 = 8;

/// One worker as the accept loop sees it.
pub(super) struct WorkerHandle {
    sender: mpsc::UnboundedSender<Message>,
    /// The number of connections that it serves.
    load: Arc<AtomicUsize>,
    /// False once a message could not be sent to it.
    alive: Cell<bool>,
}

impl WorkerHandle {
    /// The worker that `sender` reaches.
    pub(super) fn new(sender: mpsc::UnboundedSender<Message>) -> Self {
        Self { sender, load: Arc::default(), alive: Cell::new(true) }
    }
}

/// Tells the workers that all permits are taken, until it is dropped.
struct StandingDemand<'a>(&'a Lifecycle);

impl<'a> StandingDemand<'a> {
    fn new(lifecycle: &'a Lifecycle) -> Self {
        lifecycle.crowded.store(true, Ordering::Relaxed);
        Self(lifecycle)
    }
}

impl Drop for StandingDemand<'_> {
    fn drop(&mut self) {
        self.0.demand.clear();
        self.0.crowded.store(false, Ordering::Relaxed);
    }
}

/// The accept loop: takes a permit, then a connection, and gives it to the worker with the fewest.
pub(super) struct Acceptor {
    /// All workers.
    pub(super) workers: Vec<WorkerHandle>,
    /// The most connections that are served at once.
    pub(super) max_connections: usize,
    /// The state that all workers share.
    pub(super) lifecycle: Arc<Lifecycle>,
    /// Notices the end of tasks that must not end.
    pub(super) supervisor: Supervisor,
}

impl Acceptor {
    /// Accepts until `shutdown` ends, then empties the backlog.
    pub(super) async fn run(self, listener: Listener, shutdown: impl Future<Output = ()>) {
        let permits = Arc::new(Semaphore::new(self.max_connections));
        tokio::select! {
            () = shutdown => {}
            () = self.supervisor.failed() => {}
            () = self.accept_all(&listener, &permits) => self.supervisor.report("accept loop", "returned"),
        }
        if let Err(error) = listener.refuse_new() {
            warn!("connections that begin at this moment may be reset: {error}");
        }
        self.lifecycle.closing.store(true, Ordering::Relaxed);
        sleep(LAST_ACCEPTS).await;
        while let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            match listener.try_accept() {
                Ok((stream, peer)) => self.admit(permit, stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => break,
            }
        }
    }

    async fn accept_all(&self, listener: &Listener, permits: &Arc<Semaphore>) {
        let full = Throttle::default();
        let failures = Throttle::default();
        let mut crowded_since = None;
        loop {
            let permit = if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
                crowded_since = None;
                permit
            } else {
                if !listener.has_pending() {
                    crowded_since = None;
                }
                if let Err(error) = listener.pending().await {
                    failures.note(1, |times| warn!("cannot accept connections ({times} times): {error}"));
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                full.note(1, |_| {
                    warn!("the limit of {} connections is reached: further ones wait", self.max_connections);
                });
                let since = *crowded_since.get_or_insert_with(Instant::now);
                match self.wait_for_permit(permits, since).await {
                    Ok(permit) => permit,
                    // Nobody closes the semaphore.
                    Err(_) => return,
                }
            };
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(permit, stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    failures.note(1, |times| warn!("cannot accept connections ({times} times): {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits for a permit, and demands of the workers to close a connection for it. Others have waited since `since`.
    async fn wait_for_permit(
        &self,
        permits: &Arc<Semaphore>,
        since: Instant,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let _demand = StandingDemand::new(&self.lifecycle);
        let mut permit = pin!(Arc::clone(permits).acquire_owned());
        let mut pause = CROWDED_RETRY;
        let mut demands = 0;
        loop {
            let urgent = since.elapsed() >= CROWDED_PATIENCE;
            self.lifecycle.demand.set(Pressure { urgent, served_too: demands >= UNSERVED_DEMANDS });
            for worker in &self.workers {
                // A worker that has ended has no connections to close.
                let _ = worker.sender.send(Message::MakeSpace);
            }
            // Repeated, since a connection that was told to close may take its time.
            tokio::select! {
                permit = &mut permit => return permit,
                () = sleep(pause) => {}
            }
            pause = CROWDED_RETRY_MAX.min(2 * pause);
            demands += 1;
        }
    }

    /// Gives a connection to the worker with the fewest.
    fn admit(&self, permit: OwnedSemaphorePermit, stream: TcpStream, peer: Option<SocketAddr>) {
        let alive = self.workers.iter().filter(|worker| worker.alive.get());
        let Some(worker) = alive.min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let permit = ConnectionPermit { _permit: permit, load: Arc::clone(&worker.load) };
        self.lifecycle.demand.add_unserved();
        if worker.sender.send(Message::Serve(Accepted { stream, peer, permit })).is_err() {
            // Only a panic ends a worker early. The others drain.
            worker.alive.set(false);
            self.lifecycle.demand.remove_unserved();
            warn!("a worker has ended: its connections go to the others");
        }
    }
}

/// Errors of `accept` that concern the connection, not the listener (accept(2), "Error handling").
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
