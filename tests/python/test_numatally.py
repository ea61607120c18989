# SPDX-License-Identifier: MIT
"""bindings/python: NumPy's arrays in pools and on nodes, records as dicts."""
import gc
import json
import os
import subprocess
import sys
import threading
import unittest

SOURCE = os.environ.get("NT_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("NT_BUILD", os.path.join(SOURCE, "build/release"))
if "NT_PYTHON_AGAIN" not in os.environ:
    # Debian's Python, which has Debian's NumPy; on the made-up machine 3x1; with and without
    # malloc replaced.
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    for preload in "", f"{BUILD}/libnumatally_malloc.so":
        env = dict(os.environ, NT_PYTHON_AGAIN="1", NUMATALLY_TOPOLOGY="3x1", LD_PRELOAD=preload,
                   NUMATALLY_LIBRARY=f"{BUILD}/libnumatally.so", NT_SOURCE=SOURCE)
        env.pop("NUMATALLY_CONF", None)
        status = subprocess.call([python, __file__], env=env)
        if status:
            sys.exit(status)
    sys.exit(0)

sys.path.insert(0, f"{SOURCE}/bindings/python")
sys.dont_write_bytecode = True
import numpy as np  # noqa: E402
import numatally  # noqa: E402


class Arrays(unittest.TestCase):
    def test_lie_in_their_pool(self):
        with numatally.Pool("mesh") as mesh:
            before = np.zeros(1000)
            with mesh.arrays():
                x = np.zeros((100, 100))
                y = x + 1
                y.resize((200, 100), refcheck=False)
            after = np.zeros(1000)
            f = mesh.figures()
            self.assertEqual(f["live_blocks_now"], 2)
            self.assertGreaterEqual(f["live_bytes_now"], 3 * 80000)
            self.assertEqual(y.sum(), 10000)
            z = y * 2 + x.sum() + before.sum() + after.sum()  # made outside
            self.assertEqual(mesh.figures()["live_blocks_now"], 2)
            with self.assertRaisesRegex(BufferError, "2 arrays lie in the pool 'mesh'"):
                mesh.close()
            del x, y
            gc.collect()
            self.assertEqual(mesh.figures()["live_blocks_now"], 0)
            self.assertEqual(z.shape, (200, 100))
        with self.assertRaisesRegex(ValueError, "closed"):
            mesh.figures()
        with self.assertRaisesRegex(ValueError, "closed"):
            with mesh.arrays():
                pass
        mesh.close()

    def test_are_zero_grow_and_keep_their_contents(self):
        with numatally.Pool("grown") as pool, pool.arrays():
            for size in 0, 1, 1000, 100_000, 3_000_000:
                x = np.zeros(size, dtype=np.uint8)
                self.assertFalse(x.any())
                x[:] = 7
                x.resize(size * 2 + 10, refcheck=False)
                self.assertEqual(int(x.astype(np.int64).sum()), 7 * size)
                del x

    def test_nest_and_survive_exceptions(self):
        with numatally.Pool("outer") as outer, numatally.Pool("inner") as inner:
            with outer.arrays():
                with self.assertRaises(ZeroDivisionError):
                    with inner.arrays():
                        a = np.ones(10)
                        1 / 0
                b = np.ones(10)
            self.assertEqual([p.figures()["live_blocks_now"] for p in (outer, inner)], [1, 1])
            del a, b

    def test_of_threads_lie_where_each_wants(self):
        pools = [numatally.Pool(f"thread-{i}") for i in range(4)]
        made = [None] * 4

        def work(i):
            with pools[i].arrays():
                made[i] = [np.full(1000, i) for _ in range(50)]
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([p.figures()["live_blocks_now"] for p in pools], [50] * 4)
        self.assertTrue(all((x == i).all() for i in range(4) for x in made[i]))
        made.clear()
        for p in pools:
            p.close()

    def test_lie_on_their_node(self):
        self.assertEqual(numatally.nodes(), [0, 1, 2])
        self.assertIn(numatally.node_here(), numatally.nodes())
        for node in numatally.nodes():
            with numatally.on_node(node):
                small, large = np.ones(100), np.ones(1_000_000)
            self.assertEqual([numatally.node_of(small), numatally.node_of(large)], [node, node])

    def test_fail_as_numpy_has_it(self):
        with numatally.Pool("small", limit=8 << 20) as small, small.arrays():
            with self.assertRaises(MemoryError):
                np.zeros(64 << 20, dtype=np.uint8)
            self.assertEqual(np.ones(10).sum(), 10)
            self.assertEqual(small.figures()["limit_bytes"], 8 << 20)

    def test_have_sizes_of_their_own(self):
        for classes, size in ([16, 272, 70000], 272), (None, 288):
            with numatally.Pool("sizes", classes=classes) as pool, pool.arrays():
                kept = np.ones(265, dtype=np.uint8)
                self.assertEqual(pool.figures()["live_bytes_now"], size)
                del kept

    def test_pools_that_cannot_be(self):
        for options in {"nodes": "77"}, {"policy": "nonsense"}, {"nodes": "0", "policy": "local"}:
            with self.assertRaisesRegex(OSError, "Invalid argument"):
                numatally.Pool("none", **options)
        for classes in [32, 16], [17], [524304], []:
            with self.assertRaisesRegex(OSError, "Invalid argument"):
                numatally.Pool("none", classes=classes)
        with self.assertRaisesRegex(OSError, "No space left"):
            numatally.Pool("none", classes=range(100016, 100976, 16))
        with self.assertRaisesRegex(ValueError, "31 bytes; this has 32"):
            numatally.Pool("x" * 32)
        with self.assertRaises(OSError):
            numatally.on_node(77)


class Records(unittest.TestCase):
    def test_snapshot(self):
        with numatally.Pool("in-record") as pool, pool.arrays():
            x = np.ones(1000)
            record = numatally.snapshot()
            row = next(p for p in record["pools"] if p["name"] == "in-record")
            self.assertEqual(row["live_blocks_now"], 1)
            self.assertEqual(record["pid"], os.getpid())
            del x

    def test_files(self):
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/run.json"
            one = numatally.snapshot()
            with open(path, "w") as file:
                file.write(json.dumps(one) + "\n\n{\n" + json.dumps(dict(one, record=99)) +
                           "\n[1]\n" + json.dumps(dict(one, pid=7)) + "\n")
            found = numatally.records(path)
            self.assertEqual(next(found), one)
            for wrong in "line 3: not JSON", "version 99; this module knows up to 1", "line 5: no record":
                with self.assertRaisesRegex(numatally.RecordError, wrong):
                    next(found)
            self.assertEqual([r["pid"] for r in found], [7])
            self.assertEqual(list(found), [])
            with open(path, "rb") as file:
                self.assertEqual(next(numatally.records(file)), one)
            with self.assertRaises(FileNotFoundError):
                numatally.records(f"{folder}/none")


if __name__ == "__main__":
    unittest.main()
