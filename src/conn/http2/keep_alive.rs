//! Pings that find dead peers of HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// How often a peer is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a peer may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a quiet peer again and again whether it is still there.
pub(super) struct KeepAlive {
    pings: Option<PingPong>,
    awaits_pong: bool,
    /// Until the next ping, or until the answer to the last one is late.
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
            // An error means that the connection ends, which its next poll tells.
            self.awaits_pong = pings.send_ping(Ping::opaque()).is_ok() && pings.poll_pong(cx).is_pending();
            let wait = if self.awaits_pong { PING_TIMEOUT } else { PING_INTERVAL };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
        Poll::Pending
    }
}
