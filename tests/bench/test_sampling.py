#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/sampling.py: ratios and intervals, what is marked, what is named."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import allocators  # noqa: E402
import figures  # noqa: E402
import sampling  # noqa: E402

TIMES = {"pairs/64": {"numatally": [10.0, 20.0, 40.0], "again": [10.0, 20.0, 40.0],
                      "tables": [11.0, 22.0, 44.0], "frames": [10.0, None, 40.0],
                      "glibc": [10.0, None, 10.0], "heaptrack": [200.0, 500.0, 200.0],
                      "jemalloc": [None] * 3, "jemalloc-prof": [1.0] * 3}}


class Interval(unittest.TestCase):
    def test_of_equal_values_is_that_value(self):
        self.assertEqual(figures.interval([1.5] * 9), (1.5, 1.5, 1.5))

    def test_of_known_values(self):
        # The median of 11 drawn from 1..11 is 2 or less with a chance of 0.7 %, 3 or less
        # with one of 5.1 %: 3 is the value at 2.5 %, and 9 that at 97.5 %.
        self.assertEqual(figures.interval([11, 9, 1, 8, 2, 7, 3, 6, 4, 5, 10]), (6, 3, 9))

    def test_is_the_same_every_time(self):
        values = [1.0, 1.1, 0.9, 1.3, 1.05]
        self.assertEqual(figures.interval(values), figures.interval(values))


class Ratio(unittest.TestCase):
    def test_is_of_the_same_round(self):
        self.assertEqual(sampling.ratio(TIMES["pairs/64"], "tables"), (1.1, 1.1, 1.1))

    def test_rounds_without_both_are_left_out(self):
        self.assertEqual(sampling.ratio(TIMES["pairs/64"], "heaptrack"), (20, 20, 20))
        self.assertIsNone(sampling.ratio(TIMES["pairs/64"], "jemalloc-prof"))
        self.assertIsNone(sampling.ratio(TIMES["pairs/64"], "mimalloc-stats"))


class Report(unittest.TestCase):
    def test_times(self):
        lines = [line.split() for line in sampling.time_report(TIMES).splitlines()]
        one = ["1.000", "[1.000", "1.000]"]
        self.assertIn(["pairs/64", "20.0", *one, "1.100", "[1.100", "1.100]", "*", *one],
                      lines)
        self.assertIn(["pairs/64", "20.0", *one, "-", "-", "-", "-"], lines)
        self.assertEqual(lines[-1], ["pairs/64", "tables", "1.100", "[1.100", "1.100],",
                                     "again", *one])

    def test_instructions(self):
        counted = {"pairs/64": [(48.0, 0), (48.5, 0), (58.5, 20)],
                   "pairs/1K": [(48.0, 0), (50.0, 0), (52.0, 10)]}
        lines = sampling.instruction_report(counted, 40).splitlines()
        self.assertIn("pairs/64 48.000 48.500 +0.500 58.500 20 20000",
                      [" ".join(line.split()) for line in lines])
        self.assertEqual(lines[-1], "* above the mark of 1: pairs/1K +2.000")

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sampling.csv")
            sampling.write_csv(path, TIMES, {"pairs/64": [(48.0, 0), (48.0, 0), (60.0, 9)]})
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        self.assertIn("pairs/64,tables,numatally,ns,3,20.0000,22.0000,1.1000,1.1000,1.1000",
                      lines)
        self.assertEqual(lines[-1], "pairs/64,tables,numatally,instructions,1,48.0000,"
                                    "60.0000,1.2500,,")
        self.assertFalse([line for line in lines if "jemalloc" in line])


class Columns(unittest.TestCase):
    def test_missing_ones_are_named(self):
        folders, allocators.library_folders = allocators.library_folders, list
        try:
            with tempfile.TemporaryDirectory() as build:
                open(os.path.join(build, "libnumatally_malloc.so"), "w",
                     encoding="utf-8").close()
                columns, missing = sampling.choose_columns(build, "/x")
        finally:
            allocators.library_folders = folders
        self.assertEqual([column.name for column in columns],
                         ["numatally", "again", "tables", "frames", "glibc"])
        self.assertIn("missing: heaptrack (heaptrack/libheaptrack_preload.so, Debian "
                      "package libheaptrack)", missing)

    def test_baselines_are_columns_without_settings(self):
        plain = {name for name, _, _, settings in sampling.COLUMNS if not settings}
        self.assertLessEqual(set(sampling.BASE_OF.values()), plain)


class Callgrind(unittest.TestCase):
    def test_calls(self):
        text = ("cfn=sampled_block.constprop.0\ncalls=7 128 \n1 5\ncfn=other\ncalls=9 1\n"
                "fn=sampled_block\n2 4\ncfn=sampled_block\ncalls=2 3\n")
        self.assertEqual(figures.callgrind_calls(text, "sampled_block"), 9)
        self.assertEqual(figures.callgrind_calls(text, "absent"), 0)


if __name__ == "__main__":
    unittest.main()
