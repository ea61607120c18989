# SPDX-License-Identifier: MIT
"""numatally for Python: arrays of NumPy in a pool or on a node, and records as dicts.

    import numatally
    import numpy as np

    with numatally.Pool("mesh", nodes="1") as mesh:
        with mesh.arrays():                    # arrays made here lie in it
            x = np.zeros((1000, 1000))
        print(mesh.figures()["live_bytes_now"], numatally.node_of(x))
        del x                                  # a pool is closed when it is empty

    for record in numatally.records("run.json"):
        print(record["program"], record["total"]["live_bytes_peak"])

libnumatally is loaded when the first call needs it: NUMATALLY_LIBRARY names it, else the
dynamic linker finds libnumatally.so.0; under libnumatally_malloc.so there is one heap. Reading
records needs no library. Errors of the library are OSError with its number.
"""
from numatally._library import nodes, node_here, node_of, snapshot
from numatally._pools import Pool, on_node
from numatally._records import records, RecordError

__all__ = ["Pool", "RecordError", "node_here", "node_of", "nodes", "on_node", "records", "snapshot"]
