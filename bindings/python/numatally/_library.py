# SPDX-License-Identifier: MIT
"""The C library's calls, by ctypes, and what is made of them without more ado."""
import ctypes as c
import functools
import os

from numatally._records import _read


class PoolOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("name", c.c_char_p), ("limit", c.c_size_t),
                ("nodes", c.c_char_p), ("policy", c.c_char_p),
                ("classes", c.POINTER(c.c_uint32)), ("class_count", c.c_size_t)]


class Allocator(c.Structure):
    """struct nt_allocator; its calls are passed on as they are."""
    _fields_ = [("size", c.c_size_t), ("context", c.c_void_p), ("malloc", c.c_void_p),
                ("calloc", c.c_void_p), ("realloc", c.c_void_p), ("aligned_alloc", c.c_void_p),
                ("free", c.c_void_p), ("usable_size", c.c_void_p)]


class NodeInfo(c.Structure):
    _fields_ = [("node", c.c_int), ("has_cpus", c.c_int), ("has_memory", c.c_int),
                ("allowed", c.c_int), ("memory_bytes", c.c_uint64), ("free_bytes", c.c_uint64)]


class PoolFigures(c.Structure):
    _fields_ = [("name", c.c_char * 32)] + [(name, c.c_uint64) for name in (
        "allocations_total", "allocated_bytes_total", "requested_bytes_total", "frees_total",
        "freed_bytes_total", "live_blocks_now", "live_bytes_now", "live_bytes_peak",
        "committed_bytes_now", "limit_bytes")]


@functools.lru_cache(maxsize=None)
def library():
    lib = c.CDLL(os.environ.get("NUMATALLY_LIBRARY", "libnumatally.so.0"))
    for name, result, arguments in (
            ("nt_pool_create", c.c_int, [c.POINTER(PoolOptions), c.POINTER(c.c_void_p)]),
            ("nt_pool_destroy", None, [c.c_void_p]),
            ("nt_pool_allocator", c.c_int, [c.c_void_p, c.POINTER(Allocator)]),
            ("nt_pool_name", c.c_int, [c.c_void_p, c.c_char_p]),
            ("nt_snapshot_pools", c.c_long, [c.POINTER(PoolFigures), c.c_size_t]),
            ("nt_node_count", c.c_uint, []),
            ("nt_node_info", c.c_int, [c.c_uint, c.POINTER(NodeInfo)]),
            ("nt_node_here", c.c_int, []),
            ("nt_node_of", c.c_int, [c.c_void_p]),
            ("nt_report", c.c_int, [c.c_int, c.c_int])):
        call = getattr(lib, name)
        call.restype, call.argtypes = result, arguments
    return lib


def checked(result, what):
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result


def nodes():
    """The numbers of the nodes that this process may take memory of."""
    lib, found = library(), []
    for index in range(lib.nt_node_count()):
        info = NodeInfo()
        if lib.nt_node_info(index, c.byref(info)) == 0 and info.has_memory and info.allowed:
            found.append(info.node)
    return found


def node_here():
    """The node that this thread runs on, a moment ago."""
    return library().nt_node_here()


def node_of(array):
    """The node that an array's first page lies on; None: it was not touched yet."""
    result = library().nt_node_of(array.__array_interface__["data"][0])
    return None if result == -2 else checked(result, "numatally.node_of")


def snapshot():
    """The library's record of now: what a report as JSON has, as a dict."""
    fd = os.memfd_create("numatally")
    try:
        checked(library().nt_report(fd, 1), "numatally.snapshot")
        os.lseek(fd, 0, os.SEEK_SET)
        with os.fdopen(os.dup(fd), encoding="utf-8", errors="surrogateescape") as file:
            return _read(file.read(), "numatally.snapshot")
    finally:
        os.close(fd)
