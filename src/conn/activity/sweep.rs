//! What the sweep and the choice of a connection to close see of an activity.

use std::time::Duration;

use super::state::{Event, Phase, State};
use super::{Activity, Directive};
use crate::conn::clock::TICK;
use crate::conn::crowding::Idleness;

impl Activity {
    /// What the connection is doing.
    pub(in crate::conn) fn state(&self) -> State {
        self.state.get()
    }

    /// The tick since which the peer has not taken what was written.
    pub(in crate::conn) fn stuck_since(&self) -> Option<u32> {
        self.stuck_since.get()
    }

    /// True if a request was served that was not refused.
    pub(in crate::conn) fn was_served(&self) -> bool {
        self.served.get().is_some()
    }

    /// True once it was told to close for others.
    pub(in crate::conn) fn gives_way(&self) -> bool {
        self.gives_way.get()
    }

    /// Tells the connection to close for others.
    pub(in crate::conn) fn give_way(&self) {
        self.gives_way.set(true);
        self.direct(Directive::Close);
    }

    /// Tells the connection what to do, unless it was told to close already and its task has not run since.
    pub(in crate::conn) fn direct(&self, directive: Directive) {
        if self.directive.get() == Some(Directive::Close) {
            return;
        }
        self.apply(Event::Directed(directive));
        self.directive.set(Some(directive));
        self.wake.wake();
    }

    /// How little the connection has to show at `tick`, which is `exact`. `None` while a request that came whole is being
    /// answered to a peer that takes it, until the connection's task has looked at what came, and once it was told to close
    /// for others.
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
