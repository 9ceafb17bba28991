//! Workers, the accept loop, and the end of both.

pub(crate) mod memory;
pub(crate) mod signals;
pub(crate) mod supervisor;
pub(crate) mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::sleep;
use tracing::warn;

use crate::api::site::Site;
use crate::config::Config;
use crate::conn::crowding::Pressure;
use crate::conn::deadlines::Lifecycle;
use crate::net::listener::Listener;
use crate::net::tls::Tls;
use crate::server::supervisor::Supervisor;
use crate::server::worker::{Accepted, ConnectionPermit, Message, Worker, WorkerConfig};
use crate::telemetry::counters::Counters;
use crate::telemetry::refusals::RefusalSummary;
use crate::telemetry::throttle::Throttle;
use crate::upstream::outage::Outage;
use crate::upstream::resolver::{self, Target};

/// How long a shutdown may take, from the signal to the exit: half of what Kubernetes and systemd grant at the least.
const DRAIN: Duration = Duration::from_secs(5);

/// How long half-open connections have to complete once new ones are refused: a round trip to the far side of the world.
const LAST_ACCEPTS: Duration = Duration::from_millis(200);

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

/// File descriptors that are not connections: standard streams, the log's, listener, signals and their event queue, a
/// look-up, the demo's; and for each worker its event queue (twice), its waker, its end of the signals, and two sockets to
/// StatsD.
const RESERVED_FILES: u64 = 20;
const RESERVED_FILES_PER_WORKER: u64 = 6;

/// Why the server cannot run.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// A worker's event loop or thread cannot be made.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
    /// A part that is needed has ended.
    #[error("the {0} ended, and nothing can be served without it: the log says above why; start the server again")]
    Ended(&'static str),
}

/// What all threads of the process share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    /// What became of metrics, requests and log lines.
    pub counters: Arc<Counters>,
    /// Notices the end of what must not end.
    pub supervisor: Supervisor,
}

/// Serves `listener` until `shutdown` ends, or a part that is needed; then drains.
///
/// Worker 0 runs on the calling thread, with the accept loop; each other worker has a thread of its own.
pub(crate) fn serve(
    config: Arc<Config>,
    listener: TcpListener,
    tls: Option<Tls>,
    site: Option<Site>,
    process: Process,
    shutdown: impl Future<Output = ()> + 'static,
) -> Result<(), ServeError> {
    let Process { counters, supervisor } = process;
    let summary = Arc::new(RefusalSummary::new(Arc::clone(&counters)));
    let outage = Arc::new(Outage::new(config.upstream.endpoint.to_string()));
    let lifecycle = Arc::new(Lifecycle::default());
    let (target_sender, target) = watch::channel(Target::Unknown);
    let mut workers = Vec::new();
    let mut worker_configs = Vec::new();
    for _ in 0..config.server.threads {
        let (sender, inbox) = mpsc::unbounded_channel();
        workers.push(WorkerHandle { sender, load: Arc::default() });
        worker_configs.push(WorkerConfig {
            config: Arc::clone(&config),
            tls: tls.clone(),
            site: site.clone(),
            target: target.clone(),
            outage: Arc::clone(&outage),
            counters: Arc::clone(&counters),
            summary: Arc::clone(&summary),
            supervisor: supervisor.clone(),
            lifecycle: Arc::clone(&lifecycle),
            inbox,
            // The accept loop's last moments come before.
            drain: DRAIN - 2 * LAST_ACCEPTS,
        });
    }
    let main_runtime = runtime().map_err(ServeError::Worker)?;
    let mut threads = Vec::new();
    let own = worker_configs.remove(0);
    for (index, worker_config) in worker_configs.into_iter().enumerate() {
        let supervisor = supervisor.clone();
        let runtime_ready = std::thread::Builder::new()
            .name(format!("worker-{}", index + 1))
            .spawn(move || supervisor.guard("worker", || runtime()?.block_on(work(worker_config))));
        threads.push(runtime_ready.map_err(ServeError::Worker)?);
    }
    let acceptor = Acceptor { workers, places: places(&config), lifecycle, supervisor: supervisor.clone() };
    let endpoint = config.upstream.endpoint.clone();
    let result = main_runtime.block_on(async {
        let listener = Listener::new(listener).map_err(ServeError::Worker)?;
        let reports = Arc::clone(&outage);
        let resolver = supervisor.spawn_endless("resolver", async move {
            tokio::join!(resolver::run(endpoint, &reports.failed, target_sender), reports.report());
        });
        // When the accept loop ends it drops the workers' inboxes, and they drain.
        supervisor.spawn("accept loop", acceptor.run(listener, shutdown));
        if let Err(error) = work(own).await {
            supervisor.report("worker", &error.to_string());
        }
        // Off this thread, whose accept loop tells the others to drain. The supervisor knows who did not end well.
        let joined = spawn_blocking(move || threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count());
        let _ = joined.await;
        resolver.abort();
        Ok(())
    });
    // A name look-up under way must not hold the exit up.
    main_runtime.shutdown_background();
    outage.finish();
    summary.finish();
    result.and_then(|()| supervisor.failure().map_or(Ok(()), |name| Err(ServeError::Ended(name))))
}

/// Runs a worker as a task: what wakes the runtime's root future costs a system call each time, a task's waking none.
async fn work(worker_config: WorkerConfig) -> io::Result<()> {
    Ok(spawn_local(Worker::run(worker_config)).await?)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// How many connections may be served at once: what was asked for, or what the limit on open files leaves.
pub(crate) fn places(config: &Config) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit.current = limit.maximum;
        }
    }
    let reserved = RESERVED_FILES + RESERVED_FILES_PER_WORKER * config.server.threads as u64;
    let files = limit.current.map_or(usize::MAX, |files| files.saturating_sub(reserved) as usize).max(1);
    if files < config.server.max_connections {
        warn!(
            "the limit on open files allows {files} connections, fewer than --http-max-connections {}: raise it with ulimit -n",
            config.server.max_connections
        );
    }
    files.min(config.server.max_connections)
}

/// One worker as the accept loop sees it.
struct WorkerHandle {
    sender: mpsc::UnboundedSender<Message>,
    load: Arc<AtomicUsize>,
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
struct Acceptor {
    workers: Vec<WorkerHandle>,
    places: usize,
    lifecycle: Arc<Lifecycle>,
    supervisor: Supervisor,
}

impl Acceptor {
    async fn run(self, listener: Listener, shutdown: impl Future<Output = ()>) {
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
                if !listener.is_waited_at() {
                    crowded_since = None;
                }
                if let Err(error) = listener.has_waiting().await {
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
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let place = ConnectionPermit { _permit: permit, load: Arc::clone(&worker.load) };
        self.lifecycle.demand.add_unserved();
        if worker.sender.send(Message::Serve(Accepted { stream, peer, place })).is_err() {
            // Only a panic ends a worker early. The others drain, and this worker looks full until then.
            worker.load.fetch_add(usize::MAX / 2, Ordering::Relaxed);
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

#[cfg(test)]
mod tests;
