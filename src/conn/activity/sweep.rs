//! The view of an activity that the sweep has, and the choice of a connection to close.

use std::time::Duration;

use super::state::{Event, Phase, State};
use super::{Activity, Directive};
use crate::conn::clock::TICK;
use crate::conn::crowding::Idleness;

impl Activity {
    /// The state of the connection.
    pub(in crate::conn) fn state(&self) -> State {
        self.state.get()
    }

    /// The tick since which the peer has not taken written bytes.
    pub(in crate::conn) fn stuck_since(&self) -> Option<u32> {
        self.stuck_since.get()
    }

    /// True if a request was served and not refused.
    pub(in crate::conn) fn was_served(&self) -> bool {
        self.served.get().is_some()
    }

    /// True once it was told to close to free a permit.
    pub(in crate::conn) fn gives_way(&self) -> bool {
        self.gives_way.get()
    }

    /// Tells the connection to close to free a permit.
    pub(in crate::conn) fn give_way(&self) {
        self.gives_way.set(true);
        self.direct(Directive::Close);
    }

    /// Gives the connection a directive, unless it was told to close already and its task has not run since.
    pub(in crate::conn) fn direct(&self, directive: Directive) {
        if self.directive.get() == Some(Directive::Close) {
            return;
        }
        self.apply(Event::Directed(directive));
        self.directive.set(Some(directive));
        self.wake.wake();
    }

    /// The connection's claim to its permit at `tick`, which is `exact`. `None` in three cases: a complete request is being
    /// answered to a peer that reads; the task of the connection has not read the received bytes yet; the connection was
    /// told to close to free a permit.
    pub(in crate::conn) fn idleness(&self, tick: u32, exact: Duration) -> Option<Idleness> {
        let is_answering = match self.state.get() {
            State::New { .. } => false,
            State::Http1(http1) => matches!(http1.phase, Phase::Handling | Phase::Answering { is_whole: true }),
            State::Http2(http2) => http2.requests > 0 && self.share.get().is_none_or(|share| !share.has_unfinished()),
        };
        if !self.has_waited.get() || self.gives_way.get() || is_answering && self.stuck_since.get().is_none() {
            return None;
        }
        Some(match self.served.get() {
            Some(served) => Idleness::served(TICK * tick.wrapping_sub(served)),
            None => Idleness::unserved(&self.progress, exact),
        })
    }
}
