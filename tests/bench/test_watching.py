#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of bench/watching.py: ratios of the same round, what is written, and that the
watcher looks at each process once."""
import os
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import watching  # noqa: E402

TIMES = {"pairs/64": {"numatally": [10.0, 20.0, 40.0], "again": [10.0, 20.0, 40.0],
                      "live": [11.0, 22.0, 44.0], "watched": [20.0, None, 80.0]},
         "sqlite3": {"numatally": [None] * 3, "again": [1.0] * 3, "live": [1.0] * 3}}


class Report(unittest.TestCase):
    def test_times(self):
        lines = [" ".join(line.split()) for line in watching.time_report(TIMES).splitlines()]
        self.assertIn("pairs/64 20.0 1.000 [1.000 1.000] 1.100 [1.100 1.100] "
                      "2.000 [2.000 2.000]", lines)
        self.assertIn("sqlite3 - - - -", lines)
        self.assertIn("geometric mean of live: 1.100", lines)

    def test_instructions(self):
        text = watching.instruction_report({"pairs/64": (48.0, 48.5)})
        self.assertIn("pairs/64 48.000 48.500 +0.500",
                      [" ".join(line.split()) for line in text.splitlines()])
        self.assertEqual(watching.instruction_report({}), "No instructions were counted")

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "watching.csv")
            watching.write_csv(path, TIMES, {"pairs/64": (48.0, 60.0)})
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        self.assertIn("pairs/64,live,ns,3,1.1000,1.1000,1.1000", lines)
        self.assertEqual(lines[-1], "pairs/64,live,instructions,1,1.2500,,")
        self.assertFalse([line for line in lines if "sqlite3" in line])


class Watcher(unittest.TestCase):
    def test_looks_at_each_file_once(self):
        with tempfile.TemporaryDirectory() as folder:
            files, notes = os.path.join(folder, "files"), os.path.join(folder, "notes")
            tool = os.path.join(folder, "tool")
            os.mkdir(files)
            with open(tool, "w", encoding="utf-8") as file:
                file.write(f'#!/bin/sh\necho "$*" >>{notes}\nexec sleep 1000\n')
            os.chmod(tool, 0o755)
            watcher = watching.Watcher(tool, files)
            watcher.start()
            for name in "numatally-1.live", "numatally-2.live", "other":
                with open(os.path.join(files, name), "w", encoding="utf-8"):
                    pass

            def said():
                if not os.path.exists(notes):
                    return []
                with open(notes, encoding="utf-8") as file:
                    return file.read().splitlines()
            while len(said()) < 2:
                time.sleep(0.01)
            time.sleep(0.1)
            tops = list(watcher.tops)
            watcher.end()
            self.assertEqual(sorted(line.split()[-1] for line in said()),
                             [os.path.join(files, f"numatally-{i}.live") for i in (1, 2)])
            self.assertTrue(all(top.poll() is not None for top in tops))


unittest.main()
