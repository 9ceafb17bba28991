//! The memory that one unfinished request holds, and its body while it arrives.

use std::rc::Rc;
use std::task::Context;

use crate::conn::budget::{Budget, Entry, NoSpace, PROGRESS, UNFINISHED_PART};

/// The memory that one request holds until this is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(super) budget: Budget,
    pub(super) entry: Rc<Entry>,
}

impl Holding {
    /// True if the request was refused to free memory for others: its body is dropped. Otherwise the task of `cx` is woken
    /// when that happens.
    pub(crate) fn is_refused(&self, cx: &Context<'_>) -> bool {
        self.entry.wake.set(cx);
        self.entry.refused.get()
    }

    /// Appends a piece of the body, whose expected length is `length` bytes.
    ///
    /// # Errors
    ///
    /// The request was refused, or there is no space.
    pub(crate) fn append(&self, piece: &[u8], length: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        let mut content = self.entry.content.borrow_mut();
        if content.capacity() - content.len() < piece.len() {
            // The capacity doubles, so that little is moved, up to the expected length.
            let needed = content.len() + piece.len();
            let capacity = needed.max(length.min(2 * content.capacity()));
            let additional = capacity - content.len();
            content.reserve_exact(additional);
        }
        content.extend_from_slice(piece);
        drop(content);
        self.note_progress(piece.len());
        self.resize()
    }

    /// Notes that `bytes` of the body have arrived.
    pub(crate) fn note_progress(&self, bytes: usize) {
        let (ledger, entry) = (&*self.budget.0, &self.entry);
        entry.progress.set(entry.progress.get() + bytes);
        let is_unfinished = entry.class.get().is_some();
        if entry.progress.get() >= PROGRESS && is_unfinished {
            ledger.forget(entry);
            ledger.put_last(entry);
        }
    }

    /// Passes the received bytes to `look`.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.entry.content.borrow())
    }

    /// Takes the complete body. It counts until the holding is dropped. The request is not refused for others any more.
    ///
    /// # Errors
    ///
    /// The request was refused before.
    pub(crate) fn finish(&self) -> Result<Vec<u8>, NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.budget.0.forget(&self.entry);
        Ok(self.entry.content.take())
    }

    /// Notes that the body, which came whole, waits for its turn.
    ///
    /// # Errors
    ///
    /// Bodies that came whole leave too little of the budget to those that still come.
    pub(crate) fn wait(&self) -> Result<(), NoSpace> {
        let ledger = &*self.budget.0;
        let whole = ledger.held.get() - ledger.unfinished.borrow().bytes();
        if whole > ledger.total - ledger.total / UNFINISHED_PART { Err(NoSpace) } else { Ok(()) }
    }

    /// Notes that another form of the body, of `size` bytes, has replaced it.
    ///
    /// # Errors
    ///
    /// The request was refused, or there is no space.
    pub(crate) fn replaced_by(&self, size: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        self.set(self.entry.elsewhere + size)
    }

    /// Notes that the partial frame takes `size` bytes.
    ///
    /// # Errors
    ///
    /// The connection is to be closed for others, or there is no space.
    pub(crate) fn resize_partial_frame(&self, size: usize) -> Result<(), NoSpace> {
        if self.entry.refused.get() {
            return Err(NoSpace);
        }
        let before = self.entry.size.get();
        // A smaller one is another frame.
        self.note_progress(if size < before { PROGRESS } else { size - before });
        self.set(size)
    }

    pub(super) fn resize(&self) -> Result<(), NoSpace> {
        let capacity = self.entry.content.borrow().capacity();
        self.set(self.entry.elsewhere + capacity)
    }

    fn set(&self, size: usize) -> Result<(), NoSpace> {
        let (ledger, entry) = (&*self.budget.0, &*self.entry);
        ledger.set_size(entry, size);
        while entry.share.held.get() > ledger.per_connection {
            if !ledger.refuse_of_connection(entry) {
                return Err(NoSpace);
            }
        }
        while ledger.held.get() > ledger.total {
            if !ledger.refuse_any(entry) {
                return Err(NoSpace);
            }
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let (ledger, entry) = (&*self.budget.0, &*self.entry);
        if entry.refused.get() {
            ledger.leaving.set(ledger.leaving.get() - entry.size.get());
            // Only now, so that the answer is sent before the connection is closed.
            entry.note_refused();
        } else {
            ledger.forget(entry);
            ledger.set_size(entry, 0);
        }
    }
}
