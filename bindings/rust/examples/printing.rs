// SPDX-License-Identifier: MIT
//! An allocator of one's own, that prints each call, tracked from outside.
use numatally::TrackingAllocator;
use std::alloc::{GlobalAlloc, Layout, System};

struct Printing;

unsafe impl GlobalAlloc for Printing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        println!("  printing: alloc of {} bytes", layout.size());
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        println!("  printing: dealloc of {} bytes", layout.size());
        System.dealloc(block, layout);
    }
}

fn main() {
    let tracked = TrackingAllocator::new(Printing);
    let show = |what: &str| {
        let s = tracked.stats();
        println!(
            "{what}: {} allocations in all, peak {} bytes, {} active",
            s.total_allocations, s.peak_memory, s.active_allocations
        );
    };
    let small = Layout::new::<[u64; 4]>();
    let large = Layout::from_size_align(8 << 20, 4096).unwrap();
    unsafe {
        let blocks = [
            tracked.alloc(small),
            tracked.alloc(small),
            tracked.alloc(small),
        ];
        show("three small, in use");
        for block in blocks {
            tracked.dealloc(block, small);
        }
        show("three small, freed");
        let block = tracked.alloc(large);
        show("one large, in use");
        tracked.dealloc(block, large);
        show("one large, freed");
    }
}
