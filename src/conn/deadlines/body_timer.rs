//! The deadlines of bodies: of requests, and of HTTP/2 answers that the peer does not read yet.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;

use slab::Slab;

use super::Deadlines;
use crate::conn::wake_slot::WakeSlot;

/// The deadline of one body.
#[derive(Debug)]
pub(super) struct BodyTimer {
    /// The tick at which the body is late; `None` without a limit.
    late_at: Option<u32>,
    /// True if the request was refused, and its body is only discarded.
    discarded: bool,
    expired: Cell<bool>,
    wake: WakeSlot,
}

impl BodyTimer {
    fn expire(&self) {
        self.expired.set(true);
        self.wake.wake();
    }
}

/// The bodies of a worker that have a deadline.
#[derive(Debug, Default)]
pub(super) struct BodyTimers(RefCell<Slab<Rc<BodyTimer>>>);

impl BodyTimers {
    /// Expires those that are late at the tick `now`.
    pub(super) fn expire_late(&self, now: u32) {
        for (_, body) in self.0.borrow().iter() {
            // The clock wraps after 13 years, and a limit is at most a day.
            if body.late_at.is_some_and(|late_at| now.wrapping_sub(late_at) < u32::MAX / 2) {
                body.expire();
            }
        }
    }

    /// Expires those that are only discarded.
    pub(super) fn expire_discarded(&self) {
        for (_, body) in self.0.borrow().iter().filter(|(_, body)| body.discarded) {
            body.expire();
        }
    }
}

impl Deadlines {
    /// Keeps the deadline of a body that began to arrive at the tick `since`.
    pub fn watch_body(self: &Rc<Self>, since: u32) -> BodyGuard {
        self.add_body(self.limits.read.map(|limit| since.wrapping_add(limit)), false)
    }

    /// Keeps the deadline of a body that is discarded from now on. It is also late once a shutdown begins.
    pub fn watch_discarded_body(self: &Rc<Self>) -> BodyGuard {
        self.add_body(self.limits.read.map(|limit| self.now().wrapping_add(limit)), true)
    }

    /// Keeps the deadline of the body of an answer that the peer does not read yet.
    pub fn watch_answer(self: &Rc<Self>) -> BodyGuard {
        self.add_body(self.limits.write.map(|limit| self.now().wrapping_add(limit)), false)
    }

    fn add_body(self: &Rc<Self>, late_at: Option<u32>, discarded: bool) -> BodyGuard {
        let expired = Cell::new(discarded && self.is_draining());
        let timer = Rc::new(BodyTimer { late_at, discarded, expired, wake: WakeSlot::default() });
        let key = self.bodies.0.borrow_mut().insert(Rc::clone(&timer));
        BodyGuard { key, timer, deadlines: Rc::clone(self) }
    }
}

/// Keeps the deadline of a body until it is dropped.
#[derive(Debug)]
pub struct BodyGuard {
    key: usize,
    timer: Rc<BodyTimer>,
    deadlines: Rc<Deadlines>,
}

impl BodyGuard {
    /// True if the body is late. Otherwise the task of `cx` is woken when it is.
    pub fn expired(&self, cx: &Context<'_>) -> bool {
        self.timer.wake.set(cx);
        self.timer.expired.get()
    }
}

impl Drop for BodyGuard {
    fn drop(&mut self) {
        self.deadlines.bodies.0.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::conn::deadlines::Timeouts;

    fn deadlines() -> Rc<Deadlines> {
        let seconds = |s| Some(Duration::from_secs(s));
        let timeouts = Timeouts { read: seconds(5), write: seconds(3), idle: seconds(75) };
        Rc::new(Deadlines::new(&timeouts, Arc::default()))
    }

    #[test]
    fn a_discarded_body_expires_with_the_shutdown() {
        let deadlines = deadlines();
        let (body, discarded) = (deadlines.watch_body(0), deadlines.watch_discarded_body());
        deadlines.drain();
        assert!(discarded.timer.expired.get() && !body.timer.expired.get());
        assert!(deadlines.watch_discarded_body().timer.expired.get());
    }

    #[test]
    fn a_late_body_expires() {
        let deadlines = deadlines();
        let body = deadlines.watch_body(deadlines.now());
        for _ in 0..50 {
            deadlines.sweep();
        }
        assert!(!body.timer.expired.get());
        deadlines.sweep();
        assert!(body.timer.expired.get());
        drop(body);
        assert!(deadlines.bodies.0.borrow().is_empty());
    }
}
