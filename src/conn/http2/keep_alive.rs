//! Finds dead peers of HTTP/2 by pings.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// The interval between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The longest time for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends pings to a peer.
pub(super) struct KeepAlive {
    pings: Option<PingPong>,
    awaits_pong: bool,
    /// Ends at the next ping, or when the answer to the last one is late.
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, awaits_pong: false, timer: Box::pin(sleep(PING_INTERVAL)) }
    }

    /// Ready when a ping was not answered in time.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        if self.awaits_pong && pings.poll_pong(cx).is_ready() {
            self.awaits_pong = false;
            self.timer.as_mut().reset(Instant::now() + PING_INTERVAL);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.awaits_pong {
                return Poll::Ready(());
            }
            // An error means that the connection ends, which its next poll shows.
            self.awaits_pong = pings.send_ping(Ping::opaque()).is_ok() && pings.poll_pong(cx).is_pending();
            let wait = if self.awaits_pong { PING_TIMEOUT } else { PING_INTERVAL };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
        Poll::Pending
    }
}
