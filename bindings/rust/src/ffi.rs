// SPDX-License-Identifier: MIT
//! The calls of numatally.h, numa.h and stats.h that are used here.
use std::os::raw::{c_char, c_int, c_void};

/// What malloc's blocks are aligned to.
pub const ALIGNED: usize = 16;

#[repr(C)]
pub struct PoolOptions {
    pub size: usize,
    pub name: *const c_char,
    pub limit: usize,
    pub nodes: *const c_char,
    pub policy: *const c_char,
    pub classes: *const u32,
    pub class_count: usize,
}

#[repr(C)]
#[derive(Default)]
pub struct NodeInfo {
    pub node: c_int,
    pub has_cpus: c_int,
    pub has_memory: c_int,
    pub allowed: c_int,
    pub memory_bytes: u64,
    pub free_bytes: u64,
}

/// struct nt_pool
pub enum Pool {}

extern "C" {
    pub fn nt_calloc(count: usize, size: usize) -> *mut c_void;
    pub fn nt_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    pub fn nt_aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    pub fn nt_aligned_alloc_onnode(alignment: usize, size: usize, node: c_int) -> *mut c_void;
    pub fn nt_free(block: *mut c_void);
    pub fn nt_pool_create(options: *const PoolOptions, out: *mut *mut Pool) -> c_int;
    pub fn nt_pool_aligned_alloc(pool: *mut Pool, alignment: usize, size: usize) -> *mut c_void;
    pub fn nt_pool_destroy(pool: *mut Pool);
    pub fn nt_node_count() -> u32;
    pub fn nt_node_info(index: u32, out: *mut NodeInfo) -> c_int;
    pub fn nt_node_here() -> c_int;
    pub fn nt_node_of(block: *const c_void) -> c_int;
    pub fn nt_report(fd: c_int, format: c_int) -> c_int;
}
