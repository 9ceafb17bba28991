//! The socket towards StatsD: one for each worker, with the lines that wait for it.
//!
//! A line is handed over by [`Upstream::push`] and leaves when the worker has polled everything that was ready: the
//! flusher is a task like the others, woken by the first line, so it runs after those that were woken before it.
//! When idle that is at once; under load the turns of a millisecond share their datagrams.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::metric::MetricError;
use crate::statsd::packer::{Packer, Push};
use crate::telemetry::delivery::Delivery;
use crate::upstream::address::Address;
use crate::upstream::outage::{Outage, Trouble};
use crate::upstream::path::{Flush, Path};
use crate::upstream::resolver::Target;
use crate::upstream::udp::MAX_SEGMENTS;

/// The least time between two flushes of a worker, unless a datagram is full. A lone metric leaves at once; from a
/// thousand flushes a second on, those of a millisecond travel together. A StatsD that waits in `recv` on the same host is
/// woken by each datagram: one for every turn of a busy loop made a request cost 1.48 times the bare epoll loop, not 1.23.
const GATHER: Duration = Duration::from_millis(1);

/// The most bytes that wait for the end of a turn, whatever the size of datagrams: two of the largest, and a quarter of the
/// queue, so that a long turn fills the queue only when the kernel takes no more.
const FLUSH_BYTES: usize = 128 * 1024;

/// One worker's way to StatsD.
pub(crate) struct Upstream {
    queue: RefCell<Packer>,
    path: Path,
    /// Set while the flusher waits for lines.
    flusher: Cell<Option<Waker>>,
    /// How many datagrams must wait for the flusher to be woken.
    wanted: Cell<usize>,
    /// Whether the last flush left something behind: only the flusher tries again.
    stalled: Cell<bool>,
    /// Metrics that found the queue full, and are not counted yet.
    overflow: Cell<u64>,
}

impl Upstream {
    /// An upstream that sends to `address`, which is where `target` says.
    pub(crate) fn new(
        address: Address,
        target: watch::Receiver<Target>,
        outage: Arc<Outage>,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self {
            queue: RefCell::new(Packer::new(address.packet_size)),
            path: Path::new(address, target, outage, delivery),
            flusher: Cell::new(None),
            wanted: Cell::new(1),
            stalled: Cell::new(false),
            overflow: Cell::new(0),
        }
    }

    /// Hands over the line of `count` measurements that `write` appends. Never waits: when the queue is full, it is dropped
    /// and counted.
    ///
    /// The one error is a line that is too long.
    pub(crate) fn push(&self, count: u32, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), MetricError> {
        let (push, waiting, bytes) = {
            let mut queue = self.queue.borrow_mut();
            (queue.push(count, write), queue.len(), queue.bytes())
        };
        match push {
            Push::TooLong => return Err(MetricError::TooLong),
            // Counted by the flusher, which tries again soon: a lock for each would be dear in an overload.
            Push::Full => self.overflow.set(self.overflow.get() + u64::from(count)),
            // A very long turn must not overrun the bound of a queue that could have been sent.
            Push::Taken if (waiting >= MAX_SEGMENTS || bytes >= FLUSH_BYTES) && !self.stalled.get() => {
                self.flush();
            }
            Push::Taken if waiting >= self.wanted.get() => {
                if let Some(flusher) = self.flusher.take() {
                    flusher.wake();
                }
            }
            Push::Taken => {}
        }
        Ok(())
    }

    /// Whether the daemon is known to be away.
    pub(crate) fn is_away(&self) -> bool {
        self.path.is_away()
    }

    /// Whether it is time to send a metric to a daemon that is away, to find out whether it is back.
    pub(crate) fn takes_probe(&self) -> bool {
        self.path.takes_probe()
    }

    /// Sends what is pushed, and takes in what comes back, for ever.
    pub(crate) async fn run(&self) {
        tokio::select! {
            biased;
            () = self.send_for_ever() => {}
            () = self.path.watch(&self.queue) => {}
        }
    }

    async fn send_for_ever(&self) {
        let mut target = self.path.target();
        loop {
            match self.flush() {
                Flush::Empty => {
                    tokio::select! {
                        biased;
                        () = self.gathered() => {}
                        changed = target.changed() => match changed {
                            Ok(()) => self.path.start_anew(&self.queue),
                            // The resolver has ended: the last address it gave stays.
                            Err(_) => self.gathered().await,
                        }
                    }
                }
                Flush::Blocked => {
                    tokio::select! {
                        () = self.path.writable_or_given_up(&self.queue) => {}
                        Ok(()) = target.changed() => self.path.start_anew(&self.queue),
                    }
                }
                Flush::NoBuffers(until) | Flush::NoPath(until, _) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        Ok(()) = target.changed() => self.path.start_anew(&self.queue),
                    }
                }
                Flush::NoTarget => {
                    if target.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what waits, until `deadline`; then drops and counts the rest. A path that fails is tried once more.
    pub(crate) async fn finish(&self, deadline: Instant) {
        let mut last_attempt = false;
        loop {
            let waited = match self.flush() {
                Flush::Empty => break,
                Flush::Blocked => timeout_at(deadline, self.path.writable()).await.is_ok(),
                Flush::NoBuffers(until) => timeout_at(deadline, sleep_until(until)).await.is_ok(),
                Flush::NoPath(..) if !last_attempt => {
                    last_attempt = true;
                    self.path.end_pause();
                    true
                }
                Flush::NoPath(_, errno) => {
                    self.path.drop_all(&self.queue, Trouble::Failed(errno));
                    break;
                }
                Flush::NoTarget => {
                    let mut target = self.path.target();
                    matches!(timeout_at(deadline, target.changed()).await, Ok(Ok(())))
                }
            };
            if !waited {
                self.path.drop_all(&self.queue, Trouble::NoTimeLeft);
                break;
            }
        }
        self.path.finish(&self.queue, deadline).await;
    }

    /// Waits for something to send: a first line, and if lines have just left, a full datagram or the end of [`GATHER`].
    async fn gathered(&self) {
        self.waiting(1).await;
        if let Some(due) = self.path.flushed().map(|flushed| flushed + GATHER)
            && Instant::now() < due
        {
            // Either way it is time.
            let _ = timeout_at(due, self.waiting(2)).await;
        }
    }

    /// Waits until so many datagrams wait; all but the last are full.
    async fn waiting(&self, wanted: usize) {
        self.wanted.set(wanted);
        poll_fn(|cx| {
            if self.queue.borrow().len() >= wanted {
                return Poll::Ready(());
            }
            self.flusher.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Sends all that waits, without ever waiting itself.
    fn flush(&self) -> Flush {
        let overflow = self.overflow.take();
        if overflow > 0 {
            self.path.count_overflow(overflow);
        }
        let result = self.path.send_all(&self.queue);
        self.stalled.set(result != Flush::Empty);
        result
    }
}

#[cfg(test)]
mod tests;
