//! The events of an HTTP/2 connection besides its requests: heads that were read, and partial frames.
//!
//! On a connection that does not speak HTTP/2 these methods have no effect, and return 0, `None`, or the value that lets
//! reading continue.

use std::rc::Rc;

use super::Activity;
use super::state::{Event, Http2, State};
use crate::conn::event_stream::OpenRequest;
use crate::conn::frames::{Admission, Incomplete};

impl Activity {
    fn http2(&self) -> Option<Http2> {
        if let State::Http2(http2) = self.state.get() { Some(http2) } else { None }
    }

    fn change_http2<R>(&self, change: impl FnOnce(&mut Http2) -> R) -> Option<R> {
        let mut http2 = self.http2()?;
        let result = change(&mut http2);
        self.state.set(State::Http2(http2));
        Some(result)
    }

    /// Notes that an answer is still being sent after its handler has ended.
    pub fn continue_request(self: &Rc<Self>) -> OpenRequest {
        self.apply(Event::ContinueRequest);
        OpenRequest::new(Rc::clone(self))
    }

    /// Counts a frame. Returns false if it may not be read before the frames ahead of it are processed.
    pub fn admit(&self, frame: Admission) -> bool {
        self.change_http2(|http2| http2.heads.admit(frame)).unwrap_or(true)
    }

    /// True if a frame waits to be read until those ahead of it are processed.
    pub fn holds_frames(&self) -> bool {
        self.http2().is_some_and(|http2| http2.heads.are_held())
    }

    /// Notes that all frames that were read are processed. Returns true if more wait.
    pub fn accept_frames(&self) -> bool {
        self.change_http2(|http2| http2.heads.accept()).unwrap_or(false)
    }

    /// Notes that h2 handed a head over.
    pub fn note_delivered_head(&self) {
        self.change_http2(|http2| http2.heads.note_delivered());
    }

    /// Takes the number of heads that h2 has read whole and not handed over.
    pub fn take_undelivered_heads(&self) -> u32 {
        self.change_http2(|http2| http2.heads.take_undelivered(http2.incomplete.is_some())).unwrap_or(0)
    }

    /// Notes a head over the limit of bytes or of fields.
    pub fn note_oversized_head(&self) {
        self.change_http2(|http2| http2.heads.note_oversized());
    }

    /// The number of heads over a limit.
    pub fn oversized_heads(&self) -> u32 {
        self.http2().map_or(0, |http2| http2.heads.oversized())
    }

    /// Sets the partial frame at the end of the received bytes.
    pub fn set_incomplete(&self, incomplete: Option<Incomplete>) {
        self.change_http2(|http2| http2.incomplete = incomplete);
    }

    /// The partial frame at the end of the received bytes.
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.http2()?.incomplete
    }

    /// True if the peer was told that no further request is served.
    pub fn goes_away(&self) -> bool {
        self.http2().is_some_and(|http2| http2.goes_away_since.is_some())
    }
}
