//! Returns freed memory to the system.

use std::hint::black_box;

/// The size of a block that mimalloc takes from its arena each time, in bytes. It is never written to, so it takes no memory.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Makes the allocator return memory that was freed more than a second ago.
///
/// mimalloc does so only when it takes a page from an arena or returns one (`_mi_arenas_collect` in its `page.c`). After a
/// crowd of connections has left, the server serves small requests from the pages that it has, and would keep the memory of
/// the crowd for ever.
pub(crate) fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}
