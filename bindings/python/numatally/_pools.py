# SPDX-License-Identifier: MIT
"""Pools as memory handlers of NumPy's arrays: NEP 49, NumPy 1.22 and later.

An array refers to the handler that its memory came from, and frees it there, however late. So a
handler stays for as long as its pool, and a pool can be closed when no array is left in it.
"""
import contextlib
import ctypes as c
import itertools

from numatally._library import Allocator, PoolFigures, PoolOptions, checked, library

_numbers = itertools.count(1)


class _Handler(c.Structure):
    """NumPy's PyDataMem_Handler, version 1. Its `free` has the size as a third argument; the
    allocator's has two. On the ABIs that libnumatally runs on (System V x86-64, AAPCS64)
    arguments are in registers that belong to the caller, so one more does no harm."""
    _fields_ = [("name", c.c_char * 127), ("version", c.c_uint8), ("context", c.c_void_p),
                ("malloc", c.c_void_p), ("calloc", c.c_void_p), ("realloc", c.c_void_p),
                ("free", c.c_void_p)]


def _set_handler(capsule):
    """PyDataMem_SetHandler: entry 304 of NumPy's table. Gives the one before."""
    try:
        from numpy._core._multiarray_umath import _ARRAY_API as api
    except ImportError:
        import numpy.core._multiarray_umath as core
        if not hasattr(core, "get_handler_name"):
            raise ImportError("arrays in pools need NumPy 1.22 or later") from None
        api = core._ARRAY_API
    get = c.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = c.POINTER(c.c_void_p), [c.py_object, c.c_char_p]
    call = c.PYFUNCTYPE(c.py_object, c.py_object)(get(api, None)[304])
    return call(capsule)


def _capsule(handler):
    new = c.pythonapi.PyCapsule_New
    new.restype, new.argtypes = c.py_object, [c.c_void_p, c.c_char_p, c.c_void_p]
    return new(c.addressof(handler), b"mem_handler", None)


class Pool:
    """Memory that is counted by itself, may have a limit in bytes, nodes and a policy of its own
    (numactl's words, as in numa.h), and sizes of blocks: `classes`, ascending multiples of 16 up
    to 524288. OSError: EINVAL, no such node, policy or sizes; ENOSPC, too many sizes; ENOMEM.

    Arrays outlive the pool's name: close() is refused while there are any. A pool that is not
    closed stays to the end of the process.
    """

    def __init__(self, name=None, *, limit=0, nodes=None, policy=None, classes=None):
        # The name is also how its figures are found.
        self.name = name if name is not None else f"python-{next(_numbers)}"
        encoded = self.name.encode()
        if len(encoded) > 31:
            raise ValueError(f"a pool's name has up to 31 bytes; this has {len(encoded)}: {name!r}")
        lib, pool = library(), c.c_void_p()
        sizes = (c.c_uint32 * len(classes))(*classes) if classes is not None else None
        options = PoolOptions(c.sizeof(PoolOptions), encoded, limit,
                              nodes.encode() if nodes is not None else None,
                              policy.encode() if policy is not None else None,
                              sizes, len(classes) if classes is not None else 0)
        checked(lib.nt_pool_create(c.byref(options), c.byref(pool)), f"numatally.Pool({name!r})")
        self._pool = pool
        calls = Allocator()
        checked(lib.nt_pool_allocator(pool, c.byref(calls)), "numatally.Pool")
        self._handler = _Handler(b"numatally " + encoded, 1, calls.context, calls.malloc,
                                 calls.calloc, calls.realloc, calls.free)
        _kept.append(self._handler)
        self._capsule = _capsule(self._handler)

    @contextlib.contextmanager
    def arrays(self):
        """Arrays that this thread (or task) makes in the block have their data in the pool."""
        if self._pool is None:
            raise ValueError(f"the pool {self.name!r} is closed")
        before = _set_handler(self._capsule)
        try:
            yield self
        finally:
            _set_handler(before)

    def figures(self):
        """What nt_snapshot_pools has of it. Of pools of one name: the first made."""
        lib, room = library(), 64
        while True:
            rows = (PoolFigures * room)()
            n = checked(lib.nt_snapshot_pools(rows, room), "numatally.Pool.figures")
            if n <= room:
                break
            room = n
        for row in rows[1:n]:
            if row.name == self.name.encode():
                return {name: getattr(row, name) if name != "name" else self.name
                        for name, _ in PoolFigures._fields_}
        raise ValueError(f"the pool {self.name!r} is closed")

    def close(self):
        """Give its memory back. BufferError while arrays lie in it."""
        if self._pool is None:
            return
        live = self.figures()["live_blocks_now"]
        if live:
            raise BufferError(f"{live} arrays lie in the pool {self.name!r}")
        library().nt_pool_destroy(self._pool)
        self._pool = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:  # what the exception holds may be arrays of it
            with contextlib.suppress(BufferError):
                self.close()


_kept = []  # handlers: arrays may refer to them to the very end
_on_node = {}


def on_node(node):
    """Arrays that are made in this block have their data on the node, while it has room.

        with numatally.on_node(1):
            x = np.zeros(1000)
    """
    if node not in _on_node:
        _on_node[node] = Pool(f"on-node-{node}", nodes=str(node), policy="preferred")
    return _on_node[node].arrays()
