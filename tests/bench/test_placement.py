#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/placement.py: what is run in the lab, and what is read from it."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import allocators  # noqa: E402
import placement  # noqa: E402

LINE = "row own sizes small nodes 2 bytes 2000 wrong 30 malloc /lib/libc.so.6"


class Placement(unittest.TestCase):
    def setUp(self):
        self.columns = [allocators.Allocator("numatally", "/x/lib.so"),
                        allocators.Allocator("glibc", peer=True)]

    def test_figure(self):
        self.assertEqual(placement.figure(LINE), (1.5, "/lib/libc.so.6"))

    def test_nothing_looked_at_is_no_figure(self):
        with self.assertRaises(ValueError):
            placement.figure(LINE.replace("bytes 2000", "bytes 0"))

    def test_runs(self):
        todo = placement.runs(self.columns, "")
        self.assertEqual(len(todo), 2 * (3 * (len(placement.ROWS) - 1) + 1))
        self.assertEqual([run[0].name for run in todo[:2]], ["numatally", "glibc"])
        self.assertEqual({sizes for _, row, sizes in todo if row == "array"}, {"large"})

    def test_only(self):
        todo = placement.runs(self.columns, "moved/small")
        self.assertEqual({run[1:] for run in todo}, {("moved", "small")})

    def test_script(self):
        text = placement.script("/b/bench_placement",
                                placement.runs(self.columns, "moved/small"))
        self.assertIn("env LD_PRELOAD=/x/lib.so /b/bench_placement moved small", text)
        self.assertIn("env /b/bench_placement moved small", text)

    def test_table(self):
        found = {("numatally", "own", "small"): 0.04, ("glibc", "own", "small"): 99.96}
        lines = placement.table(found, ["numatally", "glibc"]).splitlines()
        self.assertEqual(lines[1].split()[-2:], ["0.0", "100.0"])


if __name__ == "__main__":
    unittest.main()
