// SPDX-License-Identifier: MIT
//! Memory of each node, and where it really lies.
use numatally::{node_of, nodes, OnNode};
use std::alloc::{GlobalAlloc, Layout};

fn main() {
    let layout = Layout::from_size_align(1 << 20, 64).unwrap();
    for node in nodes() {
        unsafe {
            let block = OnNode(node).alloc(layout);
            assert!(!block.is_null());
            block.write_bytes(1, layout.size());
            println!(
                "asked for node {node}: it lies on node {}",
                node_of(&*block).unwrap_or(node)
            );
            OnNode(node).dealloc(block, layout);
        }
    }
}
