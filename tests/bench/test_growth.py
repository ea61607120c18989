#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/growth.py: readings, what grows, what fits, the chart."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import growth  # noqa: E402

NAMES = ["numatally", "again", "glibc"]
TABLE = {("blocks", "order"): {
    10**5: {"numatally": [12.0, 10.0, 11.0], "again": [11.0], "glibc": [20.0]},
    10**4: {"numatally": [10.0], "again": [11.0], "glibc": [40.0]},
    10**6: {"numatally": [13.0], "again": [11.0]}}}


class Reading(unittest.TestCase):
    def test_parts_and_the_library(self):
        self.assertEqual(growth.parse_reading("build 12.500 100\ndrop 3.0 100\n"
                                              "malloc /a b/libc.so.6\n"),
                         ({"build": 12.5, "drop": 3.0}, "/a b/libc.so.6"))

    def test_without_a_library_is_none(self):
        for text in ("", "build 12.5 100\n", "malloc /x\n"):
            with self.assertRaises(ValueError):
                growth.parse_reading(text)


class Growing(unittest.TestCase):
    def test_dearest_over_cheapest(self):
        rows = growth.middles(TABLE["blocks", "order"])
        self.assertEqual(list(rows), [10**4, 10**5, 10**6])
        self.assertEqual(growth.growth_of(rows, "numatally"), (1.3, 10**6))
        self.assertEqual(growth.growth_of(rows, "glibc"), (2.0, 10**4))
        self.assertIsNone(growth.growth_of(rows, "jemalloc"))

    def test_least_of_the_readings(self):
        rows = growth.least(TABLE["blocks", "order"])
        self.assertEqual(rows[10**5], {"numatally": 10.0, "again": 11.0, "glibc": 20.0})

    def test_one_point_does_not_grow(self):
        self.assertIsNone(growth.growth_of({1: {"numatally": 5.0}}, "numatally"))

    def test_report(self):
        text = growth.report(TABLE, NAMES)
        lines = [line.split() for line in text.splitlines()]
        self.assertIn(["blocks/order", "100000", "11.0", "11.0", "20.0"], lines)
        self.assertIn(["blocks/order", "1000000", "13.0", "11.0", "-"], lines)
        # by the least readings: 10 at 10,000 and at 100,000, then 13
        self.assertIn(["blocks/order", "1.30", "*", "1.00", "2.00"], lines)
        self.assertIn("  blocks/order 1.30, dearest at 1000000 live blocks", text)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "growth.csv")
            growth.write_csv(path, TABLE, NAMES)
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        self.assertIn("blocks,order,100000,numatally,3,11.000,10.000,12.000", lines)
        self.assertEqual(len(lines), 9)


class Room(unittest.TestCase):
    def test_a_fifth_is_left(self):
        self.assertTrue(growth.fits(8, 100, 1000))
        self.assertFalse(growth.fits(9, 100, 1000))
        self.assertTrue(growth.fits(10**9, 0, 0))


class Chart(unittest.TestCase):
    def test_script(self):
        script = growth.plot_script(TABLE, NAMES, "/x/y.svg")
        self.assertIn("set output '/x/y.svg'", script)
        self.assertIn("$d0_0 << EOD\n10000 10.0000\n100000 11.0000\n1000000 13.0000\nEOD",
                      script)
        self.assertIn("title 'glibc'", script)
        self.assertNotIn("title 'again'", script)
        self.assertEqual(script.count("plot $"), 1)

    def test_a_program_that_fails_is_a_problem(self):
        problems = []
        column = growth.allocators.Allocator("glibc")
        self.assertEqual(growth.read_point("/bin/false", column, "blocks", 1, problems), {})
        self.assertEqual(problems, ["blocks 1 on glibc: exit status 1: (nothing on stderr)"])


if __name__ == "__main__":
    unittest.main()
