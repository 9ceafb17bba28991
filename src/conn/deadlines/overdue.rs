//! Decides which connections are late: the limits of each state.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Deadlines, Timeouts};
use crate::conn::activity::state::{AWAKE, Buffers, Http1, Http2, Phase, State};
use crate::conn::activity::{Activity, Directive};
use crate::conn::clock::{is_over, ticks};

/// The ticks for which an idle connection is kept once a shutdown has begun: its next request may have been sent already,
/// and gets an answer with `Connection: close`. Longer than any usual round trip.
pub(super) const DRAIN_IDLE: u32 = ticks(Duration::from_secs(2));

/// The ticks for which an idle connection is kept while others wait for a permit.
pub(super) const CROWDED_IDLE: u32 = ticks(Duration::from_secs(1));

/// The ticks that a peer has to notice the answer to its refused request, before the socket is closed.
const LINGER: u32 = ticks(Duration::from_secs(2));

/// The limits in ticks; `None` is no limit.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) read: Option<u32>,
    pub(super) write: Option<u32>,
    idle: Option<u32>,
}

impl Limits {
    /// The limits of `timeouts`.
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        Self { read: timeouts.read.map(ticks), write: timeouts.write.map(ticks), idle: timeouts.idle.map(ticks) }
    }
}

impl Deadlines {
    fn is_late(&self, since: u32, limit: Option<u32>) -> bool {
        limit.is_some_and(|limit| is_over(self.now(), since, limit))
    }

    /// True if a connection that is idle since the tick `since` has been so for too long.
    fn is_idle_over(&self, since: u32) -> bool {
        match self.draining_since.get() {
            Some(drain) => self.is_late(since.max(drain), Some(DRAIN_IDLE)),
            None if self.lifecycle.crowded.load(Ordering::Relaxed) => self.is_late(since, Some(CROWDED_IDLE)),
            None => self.is_late(since, self.limits.idle),
        }
    }

    /// The directive for a connection, if it is late.
    pub(super) fn overdue(&self, activity: &Activity) -> Option<Directive> {
        if activity.stuck_since().is_some_and(|stuck_since| self.is_late(stuck_since, self.limits.write)) {
            return Some(Directive::Close);
        }
        match activity.state() {
            State::New { since } => {
                let is_late = self.is_late(since, self.limits.read) || self.is_draining() && self.is_idle_over(since);
                is_late.then_some(Directive::Close)
            }
            State::Http1(http1) => self.overdue_http1(&http1),
            State::Http2(http2) => self.overdue_http2(&http2),
        }
    }

    fn overdue_http1(&self, http1: &Http1) -> Option<Directive> {
        let since = http1.since;
        match http1.phase {
            Phase::Head => self.is_late(since, self.limits.read).then_some(Directive::Close),
            Phase::Body | Phase::Handling | Phase::Answering { .. } => None,
            Phase::Linger => self.is_late(since, Some(LINGER)).then_some(Directive::Close),
            Phase::Idle { .. } if self.is_idle_over(since) => Some(Directive::Close),
            Phase::Idle { .. } => {
                let may_sleep = http1.buffers == Buffers::Lasting && self.is_late(since, Some(AWAKE));
                may_sleep.then_some(Directive::Sleep)
            }
        }
    }

    fn overdue_http2(&self, http2: &Http2) -> Option<Directive> {
        let Limits { read, write, .. } = self.limits;
        if let Some(incomplete) = http2.incomplete {
            // The request that the frame belongs to is answered first.
            let limit = if incomplete.is_other { read.map(|read| read + LINGER) } else { read };
            if self.is_late(incomplete.since, limit) {
                return Some(Directive::Close);
            }
        }
        if let Some(goes_away_since) = http2.goes_away_since {
            return self.is_late(goes_away_since, write.or(read)).then_some(Directive::Close);
        }
        (http2.requests == 0 && self.is_idle_over(http2.since)).then_some(Directive::GoAway)
    }
}
