// SPDX-License-Identifier: MIT
//! numatally for Rust: its heap, its nodes and its pools as allocators, and a wrapper that
//! counts any allocator. No crate is needed besides; libnumatally is (build.rs finds it).
//!
//! ```
//! use numatally::{Heap, TrackingAllocator};
//!
//! #[global_allocator]
//! static ALLOCATOR: TrackingAllocator<Heap> = TrackingAllocator::new(Heap);
//!
//! let before = ALLOCATOR.stats();
//! let v = vec![0u8; 1000];
//! let now = ALLOCATOR.stats();
//! assert_eq!(now.active_allocations, before.active_allocations + 1);
//! assert_eq!(now.active_bytes, before.active_bytes + 1000);
//! drop(v);
//! ```
#![warn(missing_docs)]

mod ffi;
mod figures;
mod pool;
mod tracking;

pub use figures::{node_here, node_of, nodes, report, Format};
pub use pool::{Pool, PoolError, PoolOptions};
pub use tracking::{Stats, TrackingAllocator};

use std::alloc::{GlobalAlloc, Layout};

/// The process's heap: the nodes by the policy in force, `local` unless set otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: the calls have malloc's contract; alignments above 16 go to nt_aligned_alloc, which
// serves every power of two. Blocks of all calls go back by nt_free.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ffi::nt_aligned_alloc(layout.align(), layout.size()).cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ffi::ALIGNED {
            return ffi::nt_calloc(1, layout.size()).cast();
        }
        let block = self.alloc(layout);
        if !block.is_null() {
            block.write_bytes(0, layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        ffi::nt_free(block.cast());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ffi::ALIGNED {
            return ffi::nt_realloc(block.cast(), size).cast();
        }
        move_block(self, block, layout, size)
    }
}

/// Memory of one node, by the system's number, while that has room; then of the nearest. A
/// node that is not there has no memory: `alloc` gives null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnNode(pub i32);

// SAFETY: as for Heap; nt_realloc keeps a block on its node.
unsafe impl GlobalAlloc for OnNode {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ffi::nt_aligned_alloc_onnode(layout.align(), layout.size(), self.0).cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        ffi::nt_free(block.cast());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ffi::ALIGNED {
            return ffi::nt_realloc(block.cast(), size).cast();
        }
        move_block(self, block, layout, size)
    }
}

/// Realloc where the alignment is more than nt_realloc keeps.
unsafe fn move_block<A: GlobalAlloc>(
    allocator: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    let new = allocator.alloc(Layout::from_size_align_unchecked(size, layout.align()));
    if !new.is_null() {
        new.copy_from_nonoverlapping(block, layout.size().min(size));
        allocator.dealloc(block, layout);
    }
    new
}
