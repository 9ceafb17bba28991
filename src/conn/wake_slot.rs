//! The one task that waits for something.

use std::cell::Cell;
use std::fmt;
use std::task::{Context, Waker};

/// Holds the waker of a task until what it waits for happens.
#[derive(Default)]
pub(crate) struct WakeSlot(Cell<Option<Waker>>);

impl fmt::Debug for WakeSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeSlot")
    }
}

impl WakeSlot {
    /// From now on [`WakeSlot::wake`] wakes the task of `cx`, once.
    pub(crate) fn set(&self, cx: &Context<'_>) {
        let waker = match self.0.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.0.set(Some(waker));
    }

    /// Wakes the task that waits, if one does.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
