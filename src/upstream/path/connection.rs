//! Connections and Unix sockets: kept open, broken off, ended in order; and what is in doubt afterwards.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use nix::libc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::statsd::packer::Packer;
use crate::telemetry::delivery::Delivery;
use crate::upstream::address::Location;
use crate::upstream::outage::Trouble;
use crate::upstream::path::{Flush, KEEP, Path, errno};
use crate::upstream::resolver::Target;
use crate::upstream::stream::{Doubt, StreamSender};
use crate::upstream::transport::Transport;

/// How long the end of the process waits until the daemon has read what was written to its connection.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Path {
    /// Waits until a connection is made, and then until it ends.
    pub(super) async fn watch_connection(&self, connection: &StreamSender) -> io::Result<()> {
        connection.made().await?;
        self.outage.sent();
        connection.ended().await
    }

    /// Opens a socket again where there is none. A connection or a Unix socket is opened when its pause is over, whether or not
    /// anything waits: then the log tells of an outage before it costs a metric, and of its end. A UDP socket is opened by those
    /// who send.
    pub(super) async fn reopen(&self, queue: &RefCell<Packer>) {
        if matches!(self.address.location, Location::Udp(_)) {
            return self.reopened.notified().await;
        }
        let mut target = self.target();
        let is_known = matches!(*target.borrow_and_update(), Target::At(_) | Target::Local);
        let paused = self.backoff.borrow().pausing(Instant::now);
        let due = async {
            match paused {
                _ if !is_known => {
                    // Whoever waits for the address opens the socket, too.
                    let _ = target.changed().await;
                    self.reopened.notified().await;
                }
                Some((until, _)) => sleep_until(until).await,
                None => {}
            }
        };
        tokio::select! {
            biased;
            () = self.reopened.notified() => {}
            () = due => {
                // What goes wrong is told, and makes for the next pause.
                let _ = self.open(queue);
            }
        }
    }

    /// Gives up a connection or a Unix socket that has failed, with `error` if it was one, or was closed by the daemon.
    pub(super) fn break_off(
        &self,
        queue: &RefCell<Packer>,
        socket: &Rc<Transport>,
        error: Option<&io::Error>,
    ) -> Flush {
        let is_current = self.socket.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, socket));
        if !is_current {
            // Another one has taken its place, and its doubt was counted.
            return Flush::Blocked;
        }
        let was_made = match &**socket {
            Transport::Stream(connection) => {
                self.count_doubt(queue, connection.doubt(error));
                connection.was_made()
            }
            Transport::Unix(socket) => {
                self.count_doubt(queue, Doubt { metrics: socket.maybe_lost(), is_oldest_cut: false });
                true
            }
            Transport::Udp(_) => true,
        };
        self.socket.take();
        self.socket_changed();
        let trouble = match error.map(errno) {
            None | Some(libc::EPIPE) => Trouble::Closed,
            Some(errno) if was_made => Trouble::Broken(errno),
            Some(errno) => Trouble::Attempt(errno),
        };
        self.pause(queue, trouble)
    }

    /// Waits until `socket` takes something again, or another one has replaced it: what waits must not stay behind a connection
    /// that was given up.
    pub(super) async fn writable_or_replaced(&self, socket: &Rc<Transport>) {
        let replaced = self.replaced.notified();
        let is_current = self.socket.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, socket));
        if is_current {
            tokio::select! {
                biased;
                () = replaced => {}
                () = socket.writable() => {}
            }
        }
    }

    /// Waits as [`Path::writable`] does, and gives up a connection or a Unix socket whose daemon has read nothing for [`KEEP`].
    pub(crate) async fn writable_or_given_up(&self, queue: &RefCell<Packer>) {
        let socket = self.socket.borrow().clone();
        let Some(socket) = socket else { return };
        let waited = timeout(KEEP, self.writable_or_replaced(&socket)).await;
        if waited.is_err() && !matches!(*socket, Transport::Udp(_)) {
            self.break_off(queue, &socket, Some(&io::Error::from_raw_os_error(libc::ETIMEDOUT)));
        }
    }

    /// Counts what a socket leaves in doubt. A packet that was written in part is among it: its rest on another connection
    /// would be another line.
    pub(super) fn count_doubt(&self, queue: &RefCell<Packer>, doubt: Doubt) {
        let mut metrics = doubt.metrics;
        if doubt.is_oldest_cut {
            let cut = queue.borrow_mut().pop(1);
            Delivery::add(&self.delivery.handed, cut);
            Delivery::add(&self.delivery.handed_datagrams, 1);
            metrics += cut;
        }
        if metrics > 0 {
            Delivery::add(&self.delivery.maybe_lost, metrics);
            self.outage.note(Trouble::MaybeLost, metrics);
        }
    }

    /// Ends a connection in order, and waits until the daemon has taken what was written, until `deadline` at the latest.
    pub(crate) async fn finish(&self, queue: &RefCell<Packer>, deadline: Instant) {
        let socket = self.socket.borrow().clone();
        if let Some(Transport::Stream(connection)) = socket.as_deref() {
            connection.finish();
            let deadline = deadline.min(Instant::now() + LAST_WORDS);
            let _ = timeout_at(deadline, connection.taken()).await;
        }
        self.close(queue);
    }
}
