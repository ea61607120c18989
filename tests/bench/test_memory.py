#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/memory.py: what a run said, the mark, when it was reached."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import memory  # noqa: E402

SAID = """start 10240
built 204800
threads 2
at 0.00 200000
at 0.50 16384
at 1.01 20000
at 1.52 16000
at 9.98 9000
at 10.49 8000
at 12.00 50000
malloc /lib/x y.so
"""
TRIMMED = """start 10240
built 204800
threads 2
trimmed 16385 1 /lib/x y.so
malloc /lib/x y.so
"""


def without_end(text):
    return text.replace("at 12.00 50000\n", "")


class Life(unittest.TestCase):
    def test_is_read(self):
        life = memory.Life(SAID)
        self.assertEqual((life.start, life.built, life.threads), (10240, 204800, 2))
        self.assertEqual(life.library, "/lib/x y.so")
        self.assertEqual(life.at[1], (0.5, 16384))
        self.assertEqual(life.mark(), 1.2 * 10240 + 4096)

    def test_what_is_none_is_refused(self):
        for text in ("", "start 1\nbuilt 2\nmalloc /x\n"):
            with self.assertRaises(ValueError):
                memory.Life(text)

    def test_after(self):
        self.assertEqual(memory.Life(SAID).after(1), 16000)
        self.assertEqual(memory.Life(SAID).after(10), 8000)

    def test_is_reached_when_it_stays(self):
        self.assertEqual(memory.Life(without_end(SAID)).reached(), 1.52)
        self.assertIsNone(memory.Life(SAID).reached())

    def test_whose_trim_it_was(self):
        self.assertTrue(memory.Life(TRIMMED).trims_itself())
        self.assertFalse(memory.Life(TRIMMED.replace("1 /lib/x", "1 /lib/c")).trims_itself())
        self.assertFalse(memory.Life(SAID).trims_itself())


class Report(unittest.TestCase):
    def test_freed(self):
        row, over = memory.freed_row("idle", "numatally", memory.Life(without_end(SAID)),
                                     memory.Life(TRIMMED))
        self.assertEqual(row, ["idle", "numatally", "10.0", "200.0", "16.0", "195.3", "7.8  ",
                               "1.5", "16.0 *"])
        self.assertEqual(over, ["idle: 16.0 MiB after malloc_trim, the mark is 16.0"])

    def test_never_reached(self):
        row, over = memory.freed_row("idle", "jemalloc", memory.Life(SAID), None)
        self.assertEqual(row[6:], ["7.8 *", "-", "-  "])
        self.assertEqual(over, ["idle: 7.8 MiB after 10 s, the mark is 16.0"])

    def test_only_the_subject_is_listed(self):
        lives = {"idle": {"numatally": memory.Life(without_end(SAID)),
                          "glibc": memory.Life(SAID)}}
        self.assertTrue(memory.freed_report(lives, {"idle": {}}).endswith("\n  nowhere"))

    def test_churn(self):
        report = memory.churn_report({"numatally": memory.Life(SAID)})
        self.assertIn(["numatally", "7.8", "48.8", "195.3", "6.250", "*"],
                      [line.split() for line in report.splitlines()])

    def test_every_shape_is_described(self):
        source = os.path.join(ROOT, "bench", "growth", "comeback.c")
        with open(source, encoding="utf-8") as file:
            text = file.read()
        for shape in memory.SHAPES:
            self.assertIn(f'{{"{shape}", ', text)


if __name__ == "__main__":
    unittest.main()
