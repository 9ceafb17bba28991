//! Memory that was freed, given back to the system.

use std::hint::black_box;

/// A block that mimalloc takes afresh from its arena, in bytes. It is never written to, so it takes no memory.
const BLOCK: usize = 1024 * 1024;

/// Has the allocator give memory back that was freed more than a second ago.
///
/// mimalloc does so only when it takes a page from an arena or returns one (`_mi_arenas_collect` in its `page.c`). A server
/// whose crowd has left serves small requests from the pages it has, and would keep the crowd's memory for ever.
pub(crate) fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
}
