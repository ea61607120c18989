// SPDX-License-Identifier: MIT
use crate::ffi;
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::CString;
use std::fmt;
use std::ptr;

/// What [`Pool::new`] reads.
#[derive(Clone, Debug, Default)]
pub struct PoolOptions<'a> {
    /// In reports; cut at 31 bytes.
    pub name: Option<&'a str>,
    /// Bytes that the pool may take from the system; 0: no limit.
    pub limit: usize,
    /// A node list: `"0-3,5"`, `"!2"`, `"all"`.
    pub nodes: Option<&'a str>,
    /// A policy in numactl's words, as in numa.h; the process's if there is none.
    pub policy: Option<&'a str>,
    /// Sizes of its blocks: ascending multiples of 16 up to 524288. Above the largest, or if
    /// there are none, the process's.
    pub classes: Option<&'a [u32]>,
}

/// Why a pool could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// Not a policy, a node list or a table of sizes, or a node that this process may not use.
    Invalid,
    /// The sizes of the process and of all pools would be more than 127.
    TooManySizes,
    /// There is no memory for it.
    NoMemory,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PoolError::Invalid => {
                "not a policy, a node list, a name or a table of sizes, or no such node"
            }
            PoolError::TooManySizes => "more than 127 sizes, with those of all other pools",
            PoolError::NoMemory => "no memory for a pool",
        })
    }
}

impl std::error::Error for PoolError {}

/// Memory that is counted by itself, and may have a limit and nodes of its own. As
/// [`GlobalAlloc`] it hands out blocks; all that are left go back when it is dropped, so who
/// allocates from it keeps it alive for as long: that is the contract of `alloc`.
#[derive(Debug)]
pub struct Pool(*mut ffi::Pool);

// SAFETY: any thread may allocate from a pool at any time, and free.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Make one.
    pub fn new(options: &PoolOptions<'_>) -> Result<Pool, PoolError> {
        let text = |s: Option<&str>| s.map(CString::new).transpose();
        let all = (|| {
            Ok((
                text(options.name)?,
                text(options.nodes)?,
                text(options.policy)?,
            ))
        })();
        let (name, nodes, policy) = all.map_err(|_: std::ffi::NulError| PoolError::Invalid)?;
        let pointer = |s: &Option<CString>| s.as_ref().map_or(ptr::null(), |s| s.as_ptr());
        let given = ffi::PoolOptions {
            size: std::mem::size_of::<ffi::PoolOptions>(),
            name: pointer(&name),
            limit: options.limit,
            nodes: pointer(&nodes),
            policy: pointer(&policy),
            classes: options.classes.map_or(ptr::null(), <[u32]>::as_ptr),
            class_count: options.classes.map_or(0, <[u32]>::len),
        };
        let mut pool = ptr::null_mut();
        // SAFETY: the texts live to the end of this function, and are copied.
        match unsafe { ffi::nt_pool_create(&given, &mut pool) } {
            0 => Ok(Pool(pool)),
            -12 => Err(PoolError::NoMemory),
            -28 => Err(PoolError::TooManySizes),
            _ => Err(PoolError::Invalid),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: it was nt_pool_create's, and nobody has it any more.
        unsafe { ffi::nt_pool_destroy(self.0) }
    }
}

// SAFETY: as for Heap.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ffi::nt_pool_aligned_alloc(self.0, layout.align(), layout.size()).cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        ffi::nt_free(block.cast());
    }
}
