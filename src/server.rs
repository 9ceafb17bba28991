//! Starts the workers and the accept loop, and ends both.

mod acceptor;
pub(crate) mod memory;
pub(crate) mod signals;
pub(crate) mod supervisor;
pub(crate) mod worker;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, spawn_blocking, spawn_local};
use tracing::warn;

use crate::api::site::Site;
use crate::config::Config;
use crate::conn::deadlines::Lifecycle;
use crate::net::listener::Listener;
use crate::net::tls::Tls;
use crate::server::acceptor::{Acceptor, LAST_ACCEPTS, WorkerHandle};
use crate::server::supervisor::Supervisor;
use crate::server::worker::{Daemon, Worker, WorkerConfig};
use crate::telemetry::counters::Counters;
use crate::telemetry::delivery::Delivery;
use crate::telemetry::refusals::RefusalSummary;
use crate::upstream::address::Address;
use crate::upstream::outage::Outage;
use crate::upstream::resolver::{self, Target};

/// The longest duration of a shutdown, from the signal to the exit: half of the least that Docker, Kubernetes and systemd
/// grant by default.
const DRAIN: Duration = Duration::from_secs(5);

/// File descriptors other than connections: standard streams, log, listener, signals and their event queue, a name look-up,
/// the demo; for each worker its event queue (twice), its waker and its end of the signals; and for each StatsD of a worker
/// two sockets.
const RESERVED_FILES: u64 = 20;
const RESERVED_FILES_PER_WORKER: u64 = 4;
const RESERVED_FILES_PER_DAEMON: u64 = 2;

/// Why the server cannot run.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// The event loop or the thread of a worker cannot be created.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
    /// A task or thread that the server needs has ended.
    #[error("the {0} ended, and nothing can be served without it: the log says above why; start the server again")]
    Ended(&'static str),
}

/// The state that all threads of the process share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    /// Counters of metrics, requests and log lines.
    pub counters: Arc<Counters>,
    /// Notices the end of tasks and threads that must not end.
    pub supervisor: Supervisor,
}

/// Serves `listener` until `shutdown` or a part that the server needs ends, then drains.
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
    let (daemons, watched) = daemons(&config, &counters);
    let lifecycle = Arc::new(Lifecycle::default());
    let mut workers = Vec::new();
    let mut worker_configs = Vec::new();
    for _ in 0..config.server.threads {
        let (sender, inbox) = mpsc::unbounded_channel();
        workers.push(WorkerHandle::new(sender));
        worker_configs.push(WorkerConfig {
            config: Arc::clone(&config),
            tls: tls.clone(),
            site: site.clone(),
            daemons: daemons.clone(),
            summary: Arc::clone(&summary),
            supervisor: supervisor.clone(),
            lifecycle: Arc::clone(&lifecycle),
            inbox,
            // The accept loop ends before the workers drain.
            drain: DRAIN - 2 * LAST_ACCEPTS,
        });
    }
    let main_runtime = runtime().map_err(ServeError::Worker)?;
    let own = worker_configs.remove(0);
    let threads = start_threads(worker_configs, &supervisor).map_err(ServeError::Worker)?;
    let acceptor =
        Acceptor { workers, max_connections: max_connections(&config), lifecycle, supervisor: supervisor.clone() };
    let result = main_runtime.block_on(async {
        let listener = Listener::new(listener).map_err(ServeError::Worker)?;
        let resolvers: Vec<AbortHandle> = watched.into_iter().map(|daemon| daemon.watch(&supervisor)).collect();
        // When the accept loop ends, it drops the senders of the workers' inboxes, and the workers drain.
        supervisor.spawn("accept loop", acceptor.run(listener, shutdown));
        if let Err(error) = work(own).await {
            supervisor.report("worker", &error.to_string());
        }
        // On another thread, since this one runs the accept loop. The supervisor has noted each thread that failed.
        let joined = spawn_blocking(move || threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count());
        let _ = joined.await;
        resolvers.iter().for_each(AbortHandle::abort);
        Ok(())
    });
    // A pending name look-up must not delay the exit.
    main_runtime.shutdown_background();
    daemons.iter().for_each(|daemon| daemon.outage.finish());
    summary.finish();
    result.and_then(|()| supervisor.failure().map_or(Ok(()), |name| Err(ServeError::Ended(name))))
}

/// A StatsD whose address is looked up.
struct Watched {
    address: Address,
    target: watch::Sender<Target>,
    outage: Arc<Outage>,
}

impl Watched {
    /// Resolves its name, and logs failures, without end.
    fn watch(self, supervisor: &Supervisor) -> AbortHandle {
        supervisor.spawn_endless("resolver", async move {
            let Self { address, target, outage } = self;
            tokio::join!(resolver::run(address, &outage.failed, target), outage.report());
        })
    }
}

/// The shared state of each daemon, and the look-ups that one worker does for all.
fn daemons(config: &Config, counters: &Counters) -> (Vec<Daemon>, Vec<Watched>) {
    let delivery = |address: &Address| Delivery::new(address.name.clone(), address.location.certainty());
    let deliveries = counters.open(|| config.upstream.addresses.iter().map(delivery).collect());
    let pairs = config.upstream.addresses.iter().zip(&config.encodings).zip(deliveries);
    let daemons = pairs.map(|((address, encoding), delivery)| {
        let outage = Arc::new(Outage::new(address.name.clone()));
        let (sender, target) = watch::channel(Target::Unknown);
        let daemon = Daemon {
            address: address.clone(),
            encoding: encoding.clone(),
            target,
            outage: Arc::clone(&outage),
            delivery: Arc::clone(delivery),
        };
        (daemon, Watched { address: address.clone(), target: sender, outage })
    });
    daemons.unzip()
}

/// Starts a thread for each worker but the first.
fn start_threads(
    worker_configs: Vec<WorkerConfig>,
    supervisor: &Supervisor,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let threads = worker_configs.into_iter().enumerate().map(|(index, worker_config)| {
        let supervisor = supervisor.clone();
        std::thread::Builder::new()
            .name(format!("worker-{}", index + 1))
            .spawn(move || supervisor.guard("worker", || runtime()?.block_on(work(worker_config))))
    });
    threads.collect()
}

/// Runs a worker as a task: each wake of the runtime's root future costs a system call, that of a task none.
async fn work(worker_config: WorkerConfig) -> io::Result<()> {
    Ok(spawn_local(Worker::run(worker_config)).await?)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// The most connections that are served at once: `--http-max-connections`, or fewer if the limit on open files requires it.
pub(crate) fn max_connections(config: &Config) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit.current = limit.maximum;
        }
    }
    let daemons = config.upstream.addresses.len() as u64;
    let per_worker = RESERVED_FILES_PER_WORKER + RESERVED_FILES_PER_DAEMON * daemons;
    let reserved = RESERVED_FILES + per_worker * config.server.threads as u64;
    let files = limit.current.map_or(usize::MAX, |files| files.saturating_sub(reserved) as usize).max(1);
    if files < config.server.max_connections {
        warn!(
            "the limit on open files allows {files} connections, fewer than --http-max-connections {}: raise it with ulimit -n",
            config.server.max_connections
        );
    }
    files.min(config.server.max_connections)
}

#[cfg(test)]
mod tests;
