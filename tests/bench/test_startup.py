#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/startup.py: what the driver says, differences, added calls."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import startup  # noqa: E402

# Three rounds of two columns, in the order that they happened in.
SAID = """0 600000 500 50
1 1000000 900 60
1 1400000 1000 60
0 900000 400 50
0 700000 500 51
1 1150000 800 61
"""


class Starts(unittest.TestCase):
    def setUp(self):
        self.starts = startup.parse_starts(SAID, ["plain", "numatally"])

    def test_are_read_by_column(self):
        self.assertEqual([round(start[0], 3) for start in self.starts["plain"]],
                         [0.6, 0.9, 0.7])
        self.assertEqual(self.starts["numatally"][1], (1.4, 1.0, 60))

    def test_columns_have_as_many_each(self):
        with self.assertRaises(ValueError):
            startup.parse_starts(SAID + "0 1 1 1\n", ["plain", "numatally"])

    def test_difference_is_of_the_same_round(self):
        # 0.4, 0.5 and 0.45: not the difference of the medians, 1.15 - 0.7
        middle, low, high = startup.above(self.starts, "numatally", "plain")
        self.assertAlmostEqual(middle, 0.45)
        self.assertAlmostEqual(low, 0.4)
        self.assertAlmostEqual(high, 0.5)
        self.assertEqual(startup.above(self.starts, "numatally", "plain", 2)[0], 10)

    def test_report_marks_what_is_above(self):
        counts = {"plain": ({"mmap": 8}, 1000), "numatally": ({"mmap": 9}, 2500)}
        report = startup.program_report("x", self.starts, counts)
        row = next(line for line in report.splitlines() if line.startswith("numatally"))
        self.assertEqual(row.split(), ["numatally", "1.150", "0.450", "[0.400", "0.500]",
                                       "0.400", "+10", "+1", "+1500"])
        self.assertIn("  numatally: mmap +1", report)
        slow = {name: [(2 * a, b, c) for a, b, c in values]
                for name, values in self.starts.items()}
        self.assertIn("1.000] *", startup.program_report("x", slow, counts))


class Calls(unittest.TestCase):
    def test_added(self):
        self.assertEqual(
            startup.added_calls({"mmap": 12, "open": 5, "read": 2},
                                {"mmap": 8, "open": 5, "brk": 3}),
            ({"mmap": 4, "read": 2, "brk": -3}, 3))

    def test_settings(self):
        self.assertEqual(startup.settings_of("LD_PRELOAD=/a/b.so X=1x2"),
                         {"LD_PRELOAD": "/a/b.so", "X": "1x2"})
        self.assertEqual(startup.settings_of(""), {})


if __name__ == "__main__":
    unittest.main()
