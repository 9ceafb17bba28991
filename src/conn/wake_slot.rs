//! The waker of the one task that waits for an event.

use std::cell::Cell;
use std::fmt;
use std::task::{Context, Waker};

/// Holds the waker of a task until its event happens.
#[derive(Default)]
pub(crate) struct WakeSlot(Cell<Option<Waker>>);

impl fmt::Debug for WakeSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeSlot")
    }
}

impl WakeSlot {
    /// Makes [`WakeSlot::wake`] wake the task of `cx`, once.
    pub(crate) fn set(&self, cx: &Context<'_>) {
        let waker = match self.0.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.0.set(Some(waker));
    }

    /// Wakes the waiting task, if there is one.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
