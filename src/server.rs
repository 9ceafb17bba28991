//! Workers, the accept loop, and the end of both.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::sleep;
use tracing::warn;

use crate::config::Config;
use crate::demo::feed::Feed;
use crate::flood::Flood;
use crate::http::deadline::Doors;
use crate::listener::Listener;
use crate::statsd::counters::Counters;
use crate::statsd::outage::Outage;
use crate::statsd::resolver::{self, Target};
use crate::tls::Tls;
use crate::worker::{Accepted, Blueprint, Place, Worker};

/// How long a shutdown may take, from the signal to the exit: half of what Kubernetes and systemd grant at the least.
const DRAIN: Duration = Duration::from_secs(5);

/// How long half-open connections have to complete once new ones are refused: a round trip to the far side of the world.
const LAST_ACCEPTS: Duration = Duration::from_millis(200);

/// How long to wait when the process or the system is out of file descriptors: the listener stays readable, and
/// without a pause the loop would take a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// File descriptors that are not connections: standard streams, listener, signals, a look-up; and for each worker its
/// event queue, its waker and two sockets to StatsD.
const RESERVED_FILES: u64 = 16;
const RESERVED_FILES_PER_WORKER: u64 = 4;

/// Why the server cannot run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A worker's event loop or thread cannot be made.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
}

/// Serves `listener` until `shutdown` ends, then drains. Returns what became of the metrics.
///
/// Worker 0 runs on the calling thread, with the accept loop; each other worker has a thread of its own.
pub fn serve(
    config: Arc<Config>,
    listener: TcpListener,
    tls: Option<Tls>,
    feed: Option<Feed>,
    shutdown: impl Future<Output = ()> + 'static,
) -> Result<Arc<Counters>, ServeError> {
    let counters = Arc::new(Counters::default());
    let outage = Arc::new(Outage::new(config.statsd.to_string()));
    let doors = Arc::new(Doors::default());
    let (target_sender, target) = watch::channel(Target::Unknown);
    let mut desks = Vec::new();
    let mut blueprints = Vec::new();
    for _ in 0..config.threads {
        let (sender, inbox) = mpsc::unbounded_channel();
        desks.push(Desk { sender, load: Arc::default() });
        blueprints.push(Blueprint {
            config: Arc::clone(&config),
            tls: tls.clone(),
            feed: feed.clone(),
            target: target.clone(),
            outage: Arc::clone(&outage),
            counters: Arc::clone(&counters),
            doors: Arc::clone(&doors),
            inbox,
            // The accept loop's last moments come before.
            drain: DRAIN - 2 * LAST_ACCEPTS,
        });
    }
    let main_runtime = runtime().map_err(ServeError::Worker)?;
    let mut threads = Vec::new();
    let own = blueprints.remove(0);
    for (index, blueprint) in blueprints.into_iter().enumerate() {
        let runtime_ready = std::thread::Builder::new().name(format!("worker-{}", index + 1)).spawn(move || {
            let runtime = runtime()?;
            runtime.block_on(work(blueprint))
        });
        threads.push(runtime_ready.map_err(ServeError::Worker)?);
    }
    let entrance = Entrance { desks, places: places(&config), doors };
    let endpoint = config.statsd.clone();
    let result = main_runtime.block_on(async {
        let listener = Listener::new(listener).map_err(ServeError::Worker)?;
        let reports = Arc::clone(&outage);
        spawn_local(
            async move { tokio::join!(resolver::run(endpoint, &reports.failed, target_sender), reports.report()) },
        );
        // When the accept loop ends it drops the workers' inboxes, and they drain.
        spawn_local(entrance.run(listener, shutdown));
        work(own).await.map_err(ServeError::Worker)?;
        // Off this thread, which still has a second signal to listen for.
        let joined = spawn_blocking(move || threads.into_iter().try_for_each(join)).await;
        joined.unwrap_or_else(|error| Err(error.into())).map_err(ServeError::Worker)
    });
    // A name look-up under way must not hold the exit up.
    main_runtime.shutdown_background();
    outage.finish();
    result.map(|()| counters)
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
}

/// Runs a worker as a task: what wakes the runtime's root future costs a system call each time, a task's waking none.
async fn work(blueprint: Blueprint) -> io::Result<()> {
    Ok(spawn_local(Worker::run(blueprint)).await?)
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// How many connections may be served at once: what was asked for, or what the limit on open files leaves.
fn places(config: &Config) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit.current = limit.maximum;
        }
    }
    let reserved = RESERVED_FILES + RESERVED_FILES_PER_WORKER * config.threads as u64;
    let files = limit.current.map_or(usize::MAX, |files| files.saturating_sub(reserved) as usize).max(1);
    if files < config.max_connections {
        warn!(
            "the limit on open files leaves room for {files} connections, not for --http-max-connections {}: raise it with ulimit -n",
            config.max_connections
        );
    }
    files.min(config.max_connections)
}

/// One worker as the accept loop sees it.
struct Desk {
    sender: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
}

/// The accept loop: a place first, then a connection, then the worker with the fewest.
struct Entrance {
    desks: Vec<Desk>,
    places: usize,
    doors: Arc<Doors>,
}

impl Entrance {
    async fn run(self, listener: Listener, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.places));
        tokio::select! {
            () = shutdown => {}
            () = self.accept_all(&listener, &places) => {}
        }
        if let Err(error) = listener.refuse_new() {
            warn!("connections that begin in this very moment may be reset: {error}");
        }
        self.doors.closing.store(true, Ordering::Relaxed);
        sleep(LAST_ACCEPTS).await;
        while let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            match listener.try_accept() {
                Ok(stream) => self.admit(permit, stream),
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => break,
            }
        }
    }

    async fn accept_all(&self, listener: &Listener, places: &Arc<Semaphore>) {
        let full = Flood::default();
        let failures = Flood::default();
        loop {
            let permit = match Arc::clone(places).try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    self.doors.crowded.store(true, Ordering::Relaxed);
                    full.note(1, |_| warn!("all {} places are taken: further connections wait", self.places));
                    let permit = Arc::clone(places).acquire_owned().await;
                    self.doors.crowded.store(false, Ordering::Relaxed);
                    match permit {
                        Ok(permit) => permit,
                        // Nobody closes the semaphore.
                        Err(_) => return,
                    }
                }
            };
            match listener.accept().await {
                Ok(stream) => self.admit(permit, stream),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    failures.note(1, |times| warn!("cannot accept connections ({times} times): {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Gives a connection to the worker with the fewest.
    fn admit(&self, permit: OwnedSemaphorePermit, stream: TcpStream) {
        let Some(desk) = self.desks.iter().min_by_key(|desk| desk.load.load(Ordering::Relaxed)) else { return };
        desk.load.fetch_add(1, Ordering::Relaxed);
        let place = Place { permit, load: Arc::clone(&desk.load) };
        if desk.sender.send(Accepted { stream, place }).is_err() {
            // Only a panic ends a worker early. The others go on, and this desk looks full from now on.
            desk.load.fetch_add(usize::MAX / 2, Ordering::Relaxed);
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
