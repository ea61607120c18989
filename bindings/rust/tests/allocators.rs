// SPDX-License-Identifier: MIT
//! Every allocator has GlobalAlloc's contract, and counts what happens. On the made-up machine
//! 3x1 (tests/rust.sh sets it).
use numatally::*;
use std::alloc::{GlobalAlloc, Layout, System};

/// Sizes and alignments, contents through realloc, zeroes.
fn contract(allocator: &impl GlobalAlloc) {
    for align in [1, 8, 16, 64, 4096, 1 << 20] {
        for size in [1, 17, 1000, 70_000, 3 << 20] {
            let layout = Layout::from_size_align(size, align).unwrap();
            unsafe {
                let zeroed = allocator.alloc_zeroed(layout);
                assert!(!zeroed.is_null() && zeroed as usize % align == 0);
                assert!((0..size).all(|i| *zeroed.add(i) == 0));
                zeroed.write_bytes(7, size);
                let grown = allocator.realloc(zeroed, layout, size * 2);
                assert!(!grown.is_null() && grown as usize % align == 0);
                assert!((0..size).all(|i| *grown.add(i) == 7));
                let layout = Layout::from_size_align(size * 2, align).unwrap();
                let less = allocator.realloc(grown, layout, size / 2 + 1);
                assert!(!less.is_null() && *less.add(size / 2) == 7);
                allocator.dealloc(less, Layout::from_size_align(size / 2 + 1, align).unwrap());
                let block = allocator.alloc(layout);
                assert!(!block.is_null() && block as usize % align == 0);
                allocator.dealloc(block, layout);
            }
        }
    }
}

#[test]
fn all_keep_the_contract() {
    contract(&Heap);
    contract(&OnNode(1));
    contract(
        &Pool::new(&PoolOptions {
            name: Some("contract"),
            ..Default::default()
        })
        .unwrap(),
    );
    contract(&TrackingAllocator::new(Heap));
    contract(&TrackingAllocator::new(System));
    contract(&TrackingAllocator::new(TrackingAllocator::new(OnNode(2))));
}

#[test]
fn memory_of_a_node() {
    assert_eq!(nodes(), [0, 1, 2]);
    assert!(nodes().contains(&node_here()));
    let layout = Layout::from_size_align(1 << 20, 64).unwrap();
    for node in nodes() {
        unsafe {
            let block = OnNode(node).alloc(layout);
            block.write_bytes(1, 1 << 20);
            assert_eq!(node_of(&*block), Some(node));
            OnNode(node).dealloc(block, layout);
        }
    }
    assert!(unsafe { OnNode(77).alloc(layout) }.is_null());
}

#[test]
fn pools_have_limits() {
    let options = PoolOptions {
        limit: 8 << 20,
        nodes: Some("1"),
        ..Default::default()
    };
    let pool = Pool::new(&options).unwrap();
    let much = Layout::from_size_align(64 << 20, 16).unwrap();
    let few = Layout::from_size_align(1000, 16).unwrap();
    unsafe {
        assert!(pool.alloc(much).is_null());
        let block = pool.alloc(few);
        assert_eq!(node_of(&*block), Some(1)); // goes with the pool
    }
    for (nodes, policy) in [
        (Some("77"), None),
        (None, Some("nonsense")),
        (Some("a\0b"), None),
    ] {
        let made = Pool::new(&PoolOptions {
            nodes,
            policy,
            ..Default::default()
        });
        assert_eq!(made.err(), Some(PoolError::Invalid));
    }
}

#[test]
fn pools_have_sizes() {
    let with = |classes| {
        Pool::new(&PoolOptions {
            name: Some("sizes"),
            classes: Some(classes),
            ..Default::default()
        })
    };
    let pool = with(&[16, 4096, 70000]).unwrap();
    unsafe {
        // A page for each: what goes with the pool.
        let one = pool.alloc(Layout::from_size_align(17, 16).unwrap()) as usize;
        let two = pool.alloc(Layout::from_size_align(17, 16).unwrap()) as usize;
        assert_eq!(one.abs_diff(two), 4096);
    }
    for classes in [&[32, 16][..], &[17], &[524304], &[]] {
        assert_eq!(with(classes).err(), Some(PoolError::Invalid));
    }
    let many: Vec<u32> = (0..60).map(|i| 100016 + 16 * i).collect();
    assert_eq!(with(&many).err(), Some(PoolError::TooManySizes));
}

#[test]
fn what_is_counted() {
    let counted = TrackingAllocator::new(Heap);
    let layout = Layout::from_size_align(1000, 16).unwrap();
    unsafe {
        let a = counted.alloc(layout);
        let b = counted.alloc_zeroed(layout);
        let b = counted.realloc(b, layout, 3000);
        assert_eq!(
            counted.stats(),
            Stats {
                total_allocations: 2,
                total_bytes: 4000,
                active_allocations: 2,
                active_bytes: 4000,
                peak_memory: 4000,
            }
        );
        counted.dealloc(a, layout);
        let b = counted.realloc(b, Layout::from_size_align(3000, 16).unwrap(), 500);
        counted.dealloc(b, Layout::from_size_align(500, 16).unwrap());
        assert!(TrackingAllocator::new(OnNode(77)).alloc(layout).is_null());
    }
    let now = counted.stats();
    assert_eq!((now.active_allocations, now.active_bytes), (0, 0));
    assert_eq!((now.total_allocations, now.peak_memory), (2, 4000));
}

#[test]
fn counts_of_threads_add_up() {
    let counted = TrackingAllocator::new(Heap);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for size in 1..10_000 {
                    let layout = Layout::from_size_align(size, 8).unwrap();
                    unsafe { counted.dealloc(counted.alloc(layout), layout) }
                }
            });
        }
    });
    let now = counted.stats();
    assert_eq!(now.total_allocations, 4 * 9999);
    assert_eq!(now.total_bytes, 4 * 9999 * 10_000 / 2);
    assert_eq!((now.active_allocations, now.active_bytes), (0, 0));
    assert!(now.peak_memory >= 9999 && now.peak_memory <= 4 * 9999);
}
