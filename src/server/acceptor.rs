//! The accept loop: permits, and which worker gets a connection.

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

/// How long half-open connections have to complete once new ones are refused: a round trip to the far side of the world.
pub(super) const LAST_ACCEPTS: Duration = Duration::from_millis(200);

/// How long to wait when the process or the system is out of file descriptors: the listener stays readable, and
/// without a pause the loop would take a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections may wait to be accepted, in a row, before those that are served have no grace any more.
const CROWDED_PATIENCE: Duration = Duration::from_millis(300);

/// How often the workers are asked to close a connection while others wait to be accepted: the first pause, which doubles,
/// and the longest. A look at 10,000 connections takes 0.1 ms or so.
const CROWDED_RETRY: Duration = Duration::from_millis(2);
const CROWDED_RETRY_MAX: Duration = Duration::from_millis(32);

/// How often the workers are asked so, 0.16 s in all, before connections that were served may go although others were not.
/// Nearly all of those had their grace by then; their worker may be busy.
const UNSERVED_LOOKS: u32 = 8;

/// One worker as the accept loop sees it.
pub(super) struct WorkerHandle {
    sender: mpsc::UnboundedSender<Message>,
    /// Connections that it serves.
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

/// Says to the workers that all places are taken, until it is dropped.
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

/// The accept loop: a place first, then a connection, then the worker with the fewest.
pub(super) struct Acceptor {
    /// All workers.
    pub(super) workers: Vec<WorkerHandle>,
    /// Connections that may be served at once.
    pub(super) places: usize,
    /// What all workers are told.
    pub(super) lifecycle: Arc<Lifecycle>,
    /// Notices the end of what must not end.
    pub(super) supervisor: Supervisor,
}

impl Acceptor {
    /// Accepts until `shutdown` ends, then what is in the backlog.
    pub(super) async fn run(self, listener: Listener, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.places));
        tokio::select! {
            () = shutdown => {}
            () = self.supervisor.failed() => {}
            () = self.accept_all(&listener, &places) => self.supervisor.report("accept loop", "returned"),
        }
        if let Err(error) = listener.refuse_new() {
            warn!("connections that begin in this very moment may be reset: {error}");
        }
        self.lifecycle.closing.store(true, Ordering::Relaxed);
        sleep(LAST_ACCEPTS).await;
        while let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            match listener.try_accept() {
                Ok((stream, peer)) => self.admit(permit, stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => break,
            }
        }
    }

    async fn accept_all(&self, listener: &Listener, places: &Arc<Semaphore>) {
        let full = Throttle::default();
        let failures = Throttle::default();
        let mut crowded_since = None;
        loop {
            let permit = if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
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
                full.note(1, |_| warn!("all {} places are taken: further connections wait", self.places));
                let since = *crowded_since.get_or_insert_with(Instant::now);
                match self.wait_for_place(places, since).await {
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

    /// Waits for a place, which the workers are asked to make. Others have waited since `since`.
    async fn wait_for_place(
        &self,
        places: &Arc<Semaphore>,
        since: Instant,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let _demand = StandingDemand::new(&self.lifecycle);
        let mut permit = pin!(Arc::clone(places).acquire_owned());
        let mut pause = CROWDED_RETRY;
        let mut looks = 0;
        loop {
            let urgent = since.elapsed() >= CROWDED_PATIENCE;
            self.lifecycle.demand.set(Pressure { urgent, served_too: looks >= UNSERVED_LOOKS });
            for worker in &self.workers {
                // A worker that has ended has no connections to close.
                let _ = worker.sender.send(Message::MakeSpace);
            }
            // Again and again: a connection that was to close may take its time.
            tokio::select! {
                permit = &mut permit => return permit,
                () = sleep(pause) => {}
            }
            pause = CROWDED_RETRY_MAX.min(2 * pause);
            looks += 1;
        }
    }

    /// Gives a connection to the worker with the fewest.
    fn admit(&self, permit: OwnedSemaphorePermit, stream: TcpStream, peer: Option<SocketAddr>) {
        let alive = self.workers.iter().filter(|worker| worker.alive.get());
        let Some(worker) = alive.min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let place = ConnectionPermit { _permit: permit, load: Arc::clone(&worker.load) };
        self.lifecycle.demand.add_unserved();
        if worker.sender.send(Message::Serve(Accepted { stream, peer, place })).is_err() {
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
