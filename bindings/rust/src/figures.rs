// SPDX-License-Identifier: MIT
use crate::ffi;
use std::io;
use std::os::unix::io::AsRawFd;

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: rows are figures, columns are nodes.
    Text = 0,
    /// One line, one record: docs/record.schema.json.
    Json = 1,
}

/// Write a report of now to a file, a pipe, `io::stdout()`. Nothing is allocated. Of the two
/// libraries this is the one that has the process's heap: with `libnumatally_malloc.so` the
/// whole process's.
pub fn report(to: &impl AsRawFd, format: Format) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `to` is borrowed.
    match unsafe { ffi::nt_report(to.as_raw_fd(), format as i32) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// The numbers of the nodes that this process may take memory of.
pub fn nodes() -> Vec<i32> {
    let mut found = Vec::new();
    // SAFETY: the struct is the library's own, by numa.h.
    for index in 0..unsafe { ffi::nt_node_count() } {
        let mut info = ffi::NodeInfo::default();
        if unsafe { ffi::nt_node_info(index, &mut info) } == 0
            && info.has_memory != 0
            && info.allowed != 0
        {
            found.push(info.node);
        }
    }
    found
}

/// The node that this thread runs on, a moment ago.
pub fn node_here() -> i32 {
    // SAFETY: it takes nothing.
    unsafe { ffi::nt_node_here() }
}

/// The node that this value's first page lies on; none where it is not in memory, or the kernel
/// cannot say.
pub fn node_of<T: ?Sized>(value: &T) -> Option<i32> {
    // SAFETY: any address may be asked about.
    let node = unsafe { ffi::nt_node_of((value as *const T).cast()) };
    (node >= 0).then_some(node)
}
