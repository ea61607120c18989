// SPDX-License-Identifier: MIT
//! What three ways to allocate come to: many small blocks, one large, a vector that grows.
use numatally::{Heap, TrackingAllocator};

#[global_allocator]
static ALLOCATOR: TrackingAllocator<Heap> = TrackingAllocator::new(Heap);

/// What `work` adds to the counts, and how far the peak goes above what was in use.
fn analyse<T>(name: &str, work: impl FnOnce() -> T) {
    let before = ALLOCATOR.stats();
    let kept = work();
    let after = ALLOCATOR.stats();
    println!(
        "{name}: {} allocations, {} bytes, {} still in use",
        after.total_allocations - before.total_allocations,
        after.total_bytes - before.total_bytes,
        after.active_bytes - before.active_bytes,
    );
    drop(kept);
}

fn main() {
    println!("patterns:"); // its buffer is there from now on
    analyse("many small", || {
        (0..1000)
            .map(|i| Box::new(i as u64))
            .fold(0, |sum, b| sum + *b)
    });
    analyse("one large", || vec![0u8; 1 << 20]);
    analyse("a vector that grows", || {
        let mut v = Vec::new();
        for i in 0..1000u64 {
            v.push(i);
        }
        v
    });
    analyse("the same, told how large", || {
        let mut v = Vec::with_capacity(1000);
        v.extend(0..1000u64);
        v
    });
}
