// SPDX-License-Identifier: MIT
//! The global allocator, counted.
use numatally::{Heap, TrackingAllocator};

#[global_allocator]
static ALLOCATOR: TrackingAllocator<Heap> = TrackingAllocator::new(Heap);

fn main() {
    let mut lines = Vec::with_capacity(1000);
    let before = ALLOCATOR.stats();
    for _ in 0..1000 {
        lines.push(Box::new([b'x'; 80]));
    }
    lines.drain(..250);
    let now = ALLOCATOR.stats();
    println!(
        "{} allocations of {} bytes, {} of them in use",
        now.total_allocations - before.total_allocations,
        now.total_bytes - before.total_bytes,
        now.active_allocations - before.active_allocations
    );
}
