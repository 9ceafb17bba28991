//! What an HTTP/2 connection notes beside its requests: heads that were read, and partial frames.
//!
//! On a connection that does not speak HTTP/2 these methods note nothing, and return 0, `None`, or what lets reading go on.

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

    /// The answer of a request goes on after the request has ended for its handler.
    pub fn continue_request(self: &Rc<Self>) -> OpenRequest {
        self.apply(Event::ContinueRequest);
        OpenRequest::new(Rc::clone(self))
    }

    /// False if the frame may not be read before those that were are taken up.
    pub fn admit(&self, frame: Admission) -> bool {
        self.change_http2(|http2| http2.heads.admit(frame)).unwrap_or(true)
    }

    /// True if a frame waits to be read until those before it are taken up.
    pub fn holds_frames(&self) -> bool {
        self.http2().is_some_and(|http2| http2.heads.are_held())
    }

    /// All frames that were read are taken up. Returns true if more wait.
    pub fn accept_frames(&self) -> bool {
        self.change_http2(|http2| http2.heads.accept()).unwrap_or(false)
    }

    /// h2 handed a head over.
    pub fn note_delivered_head(&self) {
        self.change_http2(|http2| http2.heads.note_delivered());
    }

    /// How many heads h2 did not hand over of those that it has read whole.
    pub fn take_undelivered_heads(&self) -> u32 {
        self.change_http2(|http2| http2.heads.take_undelivered(http2.incomplete.is_some())).unwrap_or(0)
    }

    /// A head was larger than it may be, or had more fields.
    pub fn note_oversized_head(&self) {
        self.change_http2(|http2| http2.heads.note_oversized());
    }

    /// How many heads were larger than they may be.
    pub fn oversized_heads(&self) -> u32 {
        self.http2().map_or(0, |http2| http2.heads.oversized())
    }

    /// Notes the partial frame that the bytes so far end with.
    pub fn set_incomplete(&self, incomplete: Option<Incomplete>) {
        self.change_http2(|http2| http2.incomplete = incomplete);
    }

    /// The partial frame that the bytes so far end with.
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.http2()?.incomplete
    }

    /// True if the peer was told that no further request is served.
    pub fn goes_away(&self) -> bool {
        self.http2().is_some_and(|http2| http2.goes_away_since.is_some())
    }
}
