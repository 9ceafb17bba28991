//! Which unfinished request is refused when the budget has no space.
//!
//! A request that has been idle for a second is the first to go, however little it holds. Among those that go on to come, the
//! time since the last bytes says only how fast a peer sends: 60 fast uploads of a megabyte would displace all slow ones of
//! some kilobytes. So these are in classes by what their connections hold, and the class that holds most in all makes the
//! space: the large uploads, if they are what fills the memory, and the small ones, if there is a crowd of them. No class
//! has less than its part of the budget.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::conn::budget::Entry;

/// A request of which no [`PROGRESS`](super::PROGRESS) has come for so long is refused before all others.
pub(super) const STALE: Duration = Duration::from_secs(1);

/// Bytes from which on a connection is in the next class: one of fewer classes would hold uploads that differ by more, and
/// each class is guaranteed less of the budget if there are more.
const CLASS_BOUNDS: [usize; 4] = [16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024];

/// The requests that may be refused for others. Bounded by the budget, since each holds some of it.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    classes: [Class; CLASS_BOUNDS.len() + 1],
}

/// Requests whose connections held about as much when the size of the request last changed.
#[derive(Debug, Default)]
struct Class {
    /// First the one that has been idle longest.
    requests: BTreeMap<u64, Rc<Entry>>,
    /// What they hold.
    bytes: usize,
}

impl Class {
    fn first(&self, but: &Entry) -> Option<&Rc<Entry>> {
        self.requests.values().find(|entry| entry.number != but.number)
    }
}

/// The class of a request, by what its connection holds now.
fn class_of(entry: &Entry) -> usize {
    CLASS_BOUNDS.partition_point(|bound| *bound <= entry.held_by_connection())
}

impl Candidates {
    /// Adds a request, as the last of its class.
    pub(super) fn insert(&mut self, entry: &Rc<Entry>) {
        let class = class_of(entry);
        entry.class.set(Some(class));
        entry.since.set(Instant::now());
        let class = &mut self.classes[class];
        class.requests.insert(entry.number.get(), Rc::clone(entry));
        class.bytes += entry.size.get();
    }

    /// Removes a request, if it is here.
    pub(super) fn remove(&mut self, entry: &Entry) {
        if let Some(class) = entry.class.take() {
            let class = &mut self.classes[class];
            class.requests.remove(&entry.number.get());
            class.bytes -= entry.size.get();
        }
    }

    /// The size of a request was `before`. It may be in another class now, where it keeps its place in the order.
    pub(super) fn note_size(&mut self, entry: &Entry, before: usize) {
        let Some(old) = entry.class.get() else { return };
        let new = class_of(entry);
        self.classes[old].bytes -= before;
        self.classes[new].bytes += entry.size.get();
        if new != old {
            entry.class.set(Some(new));
            let moved = self.classes[old].requests.remove_entry(&entry.number.get());
            self.classes[new].requests.extend(moved);
        }
    }

    /// The request to refuse at `now` for `but`; `None` if it is `but` that takes the space.
    pub(super) fn choose(&self, but: &Entry, now: Instant) -> Option<&Rc<Entry>> {
        let oldest = self.classes.iter().filter_map(|class| class.first(but)).min_by_key(|entry| entry.number.get());
        let is_stale = |entry: &&Rc<Entry>| now.saturating_duration_since(entry.since.get()) >= STALE;
        oldest.filter(is_stale).or_else(|| self.classes.iter().max_by_key(|class| class.bytes)?.first(but))
    }

    /// Bytes that they hold.
    pub(super) fn bytes(&self) -> usize {
        self.classes.iter().map(|class| class.bytes).sum()
    }

    /// True if there is none.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.requests.is_empty()) && self.bytes() == 0
    }
}
