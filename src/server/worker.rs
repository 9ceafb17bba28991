//! One core's share of the work: its connections, its clock, its socket to StatsD. A request touches nothing that another
//! worker uses.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::{AbortHandle, spawn_local, yield_now};
use tokio::time::{Instant, interval, timeout_at};
use tracing::warn;

use crate::api::context::Context;
use crate::api::long_batch::Turns;
use crate::api::policy::{CurrentPolicy, Policy};
use crate::api::service::Api;
use crate::api::site::Site;
use crate::config::Config;
use crate::conn::activity::Activity;
use crate::conn::budget::Budget;
use crate::conn::clock::TICK;
use crate::conn::date::AnswerDate;
use crate::conn::deadlines::{Deadlines, Lifecycle};
use crate::conn::handshake::{Negotiated, handshake};
use crate::conn::http1::{self, Http1};
use crate::conn::http2::{self, Http2};
use crate::net::socket::Socket;
use crate::net::tls::Tls;
use crate::server::memory;
use crate::server::supervisor::Supervisor;
use crate::statsd::encoding::Encoding;
use crate::telemetry::delivery::Delivery;
use crate::telemetry::refusals::{RefusalSummary, Refusals};
use crate::upstream::address::{Address, Route};
use crate::upstream::outage::Outage;
use crate::upstream::queue::Upstream;
use crate::upstream::resolver::Target;
use crate::upstream::router::{Copies, Outlet, Router, Spread};
use crate::upstream::shard::Shards;

/// How long connections may take to end after all were told to, at the end of a shutdown.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// The interval at which freed memory is returned to the system, in ticks: a second.
const MEMORY_TICKS: u32 = 10;

/// An accepted connection that a worker is to serve.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Non-blocking, and not registered with a runtime yet.
    pub stream: std::net::TcpStream,
    /// The remote address.
    pub peer: Option<SocketAddr>,
    /// Counts it among the connections served at once.
    pub permit: ConnectionPermit,
}

/// A message of the accept loop to a worker.
#[derive(Debug)]
pub(crate) enum Message {
    /// Serve a connection.
    Serve(Accepted),
    /// Close a connection if others still wait to be accepted: see [`Deadlines::make_space`].
    MakeSpace,
}

/// The permit of one connection, which returns when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    /// Counts against the limit of the process.
    pub(crate) _permit: OwnedSemaphorePermit,
    /// The number of connections of the worker that serves it.
    pub load: Arc<AtomicUsize>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The state of a StatsD daemon that the workers share.
#[derive(Clone)]
pub(crate) struct Daemon {
    /// Its transport and host, or its path.
    pub address: Address,
    /// The format of its lines.
    pub encoding: Encoding,
    /// Its resolved address.
    pub target: watch::Receiver<Target>,
    /// Failures towards it.
    pub outage: Arc<Outage>,
    /// Counts the outcomes of its metrics.
    pub delivery: Arc<Delivery>,
}

impl Daemon {
    /// Creates the queue of one worker, and its path to the daemon.
    fn outlet(self) -> Outlet {
        let Self { address, encoding, target, outage, delivery } = self;
        Outlet { encoding, upstream: Upstream::new(address, target, outage, delivery) }
    }
}

/// The parts of a worker. It is sent to the worker's thread.
pub(crate) struct WorkerConfig {
    /// The configuration.
    pub config: Arc<Config>,
    /// TLS; `None` serves plain HTTP.
    pub tls: Option<Tls>,
    /// The demo's page; `None` without `--demo`.
    pub site: Option<Site>,
    /// The StatsD daemons, one at least.
    pub daemons: Vec<Daemon>,
    /// The refused requests of the process.
    pub summary: Arc<RefusalSummary>,
    /// Notices the end of the worker's tasks.
    pub supervisor: Supervisor,
    /// The state that the accept loop sets.
    pub lifecycle: Arc<Lifecycle>,
    /// Connections to serve, and demands to close some. The shutdown begins when it ends.
    pub inbox: mpsc::UnboundedReceiver<Message>,
    /// The longest duration of a shutdown.
    pub drain: Duration,
}

/// One core's worker.
pub(crate) struct Worker {
    context: Rc<Context>,
    date: Rc<AnswerDate>,
    http1: Rc<Http1<Api>>,
    http2: Rc<Http2<Api>>,
}

/// The sink of all metrics, which routes them to the daemons by the configuration.
fn router(config: &Config, daemons: Vec<Daemon>) -> Router {
    let urls = daemons.iter().map(|daemon| daemon.address.location.to_string());
    let shards = Shards::new(config.encoding.prefix().as_str(), urls);
    let encodings: Vec<Encoding> = daemons.iter().map(|daemon| daemon.encoding.clone()).collect();
    let spread = match config.upstream.route {
        Route::Shard if config.upstream.failover => Spread::Failover(shards),
        Route::Shard => Spread::Shard(shards),
        Route::Mirror => Spread::Mirror(Copies::new(&encodings)),
    };
    Router::new(daemons.into_iter().map(Daemon::outlet), spread)
}

impl Worker {
    /// Serves until the inbox ends, then drains.
    pub(crate) async fn run(worker_config: WorkerConfig) {
        let WorkerConfig { config, tls, site, daemons, summary, supervisor, lifecycle, mut inbox, drain } =
            worker_config;
        let context = Rc::new(Context {
            settings: config.api.clone(),
            policy: CurrentPolicy::new(Policy::new(&config.policy, tls)),
            encoding: config.encoding.clone(),
            router: router(&config, daemons),
            budget: Budget::new(config.policy.limits.largest(), config.server.threads),
            turns: Turns::default(),
            refusals: Refusals::new(summary),
            site,
            deadlines: Rc::new(Deadlines::new(&config.timeouts, lifecycle)),
        });
        let api = Rc::new(Api(Rc::clone(&context)));
        let date = Rc::new(AnswerDate::default());
        let worker = Rc::new(Self {
            http1: Rc::new(Http1::new(Rc::clone(&api), Rc::clone(&date))),
            http2: Rc::new(Http2::new(api, context.budget.clone())),
            context,
            date,
        });
        let flushers = worker.flush(&supervisor);
        let sweeper = worker.sweep(&supervisor);
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Serve(accepted) => worker.connect(accepted),
                Message::MakeSpace if worker.context.deadlines.is_space_demanded() => {
                    // New connections first read what their peers have sent.
                    yield_now().await;
                    worker.context.deadlines.make_space();
                }
                Message::MakeSpace => {}
            }
        }
        let deadline = Instant::now() + drain;
        worker.drain(deadline).await;
        flushers.iter().for_each(AbortHandle::abort);
        worker.finish(deadline).await;
        sweeper.abort();
        worker.context.refusals.tick();
    }

    /// Sends to each daemon in a task of its own, so that an unreachable one delays no other.
    fn flush(&self, supervisor: &Supervisor) -> Vec<AbortHandle> {
        let outlets = self.context.router.outlets().enumerate();
        let flushers = outlets.map(|(index, _)| {
            let context = Rc::clone(&self.context);
            supervisor.spawn_endless("flusher", async move {
                if let Some(outlet) = context.router.outlets().nth(index) {
                    outlet.upstream.run().await;
                }
            })
        });
        flushers.collect()
    }

    /// Sends the waiting lines of all daemons concurrently, until `deadline` at the latest.
    async fn finish(&self, deadline: Instant) {
        let mut ends: Vec<_> =
            self.context.router.outlets().map(|outlet| Box::pin(outlet.upstream.finish(deadline))).collect();
        poll_fn(|cx| {
            ends.retain_mut(|end| end.as_mut().poll(cx).is_pending());
            if ends.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn sweep(&self, supervisor: &Supervisor) -> AbortHandle {
        let (context, date) = (Rc::clone(&self.context), Rc::clone(&self.date));
        supervisor.spawn_endless("sweeper", async move {
            let mut ticks = interval(TICK);
            loop {
                ticks.tick().await;
                context.deadlines.sweep();
                date.look();
                context.refusals.tick();
                if context.deadlines.now().is_multiple_of(MEMORY_TICKS) {
                    memory::give_back();
                }
            }
        })
    }

    /// Serves one connection in a task of its own.
    fn connect(self: &Rc<Self>, accepted: Accepted) {
        let Accepted { stream, peer, permit } = accepted;
        let stream = Socket::new(stream);
        let guard = self.context.deadlines.watch_connection();
        guard.activity().set_peer(peer);
        if let Some(tls) = self.context.policy.get().tls.clone() {
            let worker = Rc::clone(self);
            spawn_local(async move {
                let _permit = permit;
                worker.serve_tls(&tls, stream, guard.activity()).await;
                drop(guard);
            });
        } else {
            let http1 = Rc::clone(&self.http1);
            spawn_local(async move {
                let _permit = permit;
                http1::serve(stream, http1, Rc::clone(guard.activity())).await;
                drop(guard);
            });
        }
    }

    async fn serve_tls(self: &Rc<Self>, tls: &Tls, stream: Socket, activity: &Rc<Activity>) {
        let activity = Rc::clone(activity);
        match Box::pin(handshake(tls.acceptor(), stream, &activity)).await {
            Some((stream, Negotiated::Http2)) => Box::pin(http2::serve(stream, Rc::clone(&self.http2), activity)).await,
            Some((stream, Negotiated::Http1)) => http1::serve(Box::new(stream), Rc::clone(&self.http1), activity).await,
            None => {}
        }
    }

    async fn drain(&self, deadline: Instant) {
        self.context.deadlines.drain();
        if timeout_at(deadline, self.context.deadlines.drained()).await.is_err() {
            warn!("{} connections cut at the end of the shutdown", self.context.deadlines.connections());
            self.context.deadlines.close_all();
            // Connections that do not end now end with the process.
            let _ = timeout_at(Instant::now() + LAST_MOMENT, self.context.deadlines.drained()).await;
        }
        // Long batches of clients that have left.
        if timeout_at(deadline, self.context.turns.drained()).await.is_err() {
            warn!("{} long batches cut at the end of the shutdown", self.context.turns.under_way());
        }
    }
}
