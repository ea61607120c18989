// SPDX-License-Identifier: MIT
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Any allocator, counted.
///
/// Each call costs a few atomic additions on one cache line, so what counts is shared by all
/// threads and exact, and slows threads down that allocate all the time at once. numatally's own
/// counters ([`crate::report`]) cost no atomics.
pub struct TrackingAllocator<A> {
    inner: A,
    total_allocations: AtomicUsize,
    total_frees: AtomicUsize,
    total_bytes: AtomicUsize,
    active_bytes: AtomicUsize,
    peak_memory: AtomicUsize,
}

/// What a [`TrackingAllocator`] counted. While other threads allocate, the figures may
/// disagree by what happens during the reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blocks handed out.
    pub total_allocations: usize,
    /// Bytes asked for of these; a realloc that grows a block adds what it adds.
    pub total_bytes: usize,
    /// Blocks in use now.
    pub active_allocations: usize,
    /// Bytes asked for of these.
    pub active_bytes: usize,
    /// Most bytes ever in use.
    pub peak_memory: usize,
}

impl<A> TrackingAllocator<A> {
    /// Count `inner` from now on.
    pub const fn new(inner: A) -> Self {
        TrackingAllocator {
            inner,
            total_allocations: AtomicUsize::new(0),
            total_frees: AtomicUsize::new(0),
            total_bytes: AtomicUsize::new(0),
            active_bytes: AtomicUsize::new(0),
            peak_memory: AtomicUsize::new(0),
        }
    }

    /// The figures now.
    pub fn stats(&self) -> Stats {
        // Frees first: what was freed in between was allocated before the other reading.
        let frees = self.total_frees.load(Relaxed);
        let total_allocations = self.total_allocations.load(Relaxed);
        Stats {
            total_allocations,
            total_bytes: self.total_bytes.load(Relaxed),
            active_allocations: total_allocations.saturating_sub(frees),
            active_bytes: self.active_bytes.load(Relaxed),
            peak_memory: self.peak_memory.load(Relaxed),
        }
    }

    /// The allocator within.
    pub fn inner(&self) -> &A {
        &self.inner
    }

    fn grow(&self, bytes: usize) {
        self.total_bytes.fetch_add(bytes, Relaxed);
        let now = self.active_bytes.fetch_add(bytes, Relaxed) + bytes;
        if now > self.peak_memory.load(Relaxed) {
            self.peak_memory.fetch_max(now, Relaxed);
        }
    }

    fn count(&self, block: *mut u8, bytes: usize) -> *mut u8 {
        if !block.is_null() {
            self.total_allocations.fetch_add(1, Relaxed);
            self.grow(bytes);
        }
        block
    }
}

// SAFETY: every call is passed on as it came, and what it gives as it is.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(self.inner.alloc(layout), layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(self.inner.alloc_zeroed(layout), layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.active_bytes.fetch_sub(layout.size(), Relaxed);
        self.total_frees.fetch_add(1, Relaxed);
        self.inner.dealloc(block, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = self.inner.realloc(block, layout, size);
        if !new.is_null() {
            if size >= layout.size() {
                self.grow(size - layout.size());
            } else {
                self.active_bytes.fetch_sub(layout.size() - size, Relaxed);
            }
        }
        new
    }
}
