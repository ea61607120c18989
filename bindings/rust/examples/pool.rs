// SPDX-License-Identifier: MIT
//! A memory pool: what is left in it goes back at once, and it has a limit.
use numatally::{Pool, PoolOptions, TrackingAllocator};
use std::alloc::{GlobalAlloc, Layout};

fn main() {
    let options = PoolOptions {
        name: Some("requests"),
        limit: 16 << 20,
        ..Default::default()
    };
    let pool = TrackingAllocator::new(Pool::new(&options).expect("a pool"));
    let layout = Layout::new::<[u8; 256]>();
    for _ in 0..1000 {
        // SAFETY: the blocks are not used after the pool.
        assert!(!unsafe { pool.alloc(layout) }.is_null());
    }
    println!("{} blocks in it", pool.stats().active_allocations);
    let much = Layout::from_size_align(32 << 20, 16).unwrap();
    println!("beyond its limit: {:?}", unsafe { pool.alloc(much) });
    drop(pool); // and all of them are gone
}
