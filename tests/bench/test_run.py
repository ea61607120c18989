#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The arithmetic of the bench, on figures small enough to check by hand."""
import math
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import allocators  # noqa: E402
import figures  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import twonodes  # noqa: E402


class Medians(unittest.TestCase):
    def test_one_wild_reading_moves_nothing(self):
        found = figures.medians({"pairs/16": {"a": [3.0, 900.0, 2.0], "b": [4.0, 6.0]}})
        self.assertEqual(found, {"pairs/16": {"a": 3.0, "b": 5.0}})

    def test_an_allocator_without_readings_has_no_figure(self):
        self.assertEqual(figures.medians({"x/1": {"a": [], "b": [1.0], "c": [None]}}),
                         {"x/1": {"b": 1.0}})

    def test_a_failed_reading_is_none_of_them(self):
        self.assertEqual(figures.medians({"x/1": {"a": [None, 3.0, 5.0]}}),
                         {"x/1": {"a": 4.0}})


class Ratios(unittest.TestCase):
    row = {"us": 12.0, figures.CONTROL: 6.0, "a": 10.0, "b": 20.0, "c": 40.0}

    def test_the_control_is_no_competitor(self):
        self.assertAlmostEqual(figures.ratio_to_best(self.row, "us"), 1.2)

    def test_what_lacks_a_part_is_no_competitor(self):
        row = {"us": 12.0, "a": 10.0, "uncounted": 8.0, "unchecked": 4.0, "2x1": 3.0,
               "check-off": 2.0}
        self.assertAlmostEqual(figures.ratio_to_best(row, "us"), 1.2)

    def test_the_best_has_ratio_one(self):
        self.assertEqual(figures.ratio_to_best(self.row, "a"), 1.0)

    def test_median_peer_knows_peers_only(self):
        self.assertAlmostEqual(
            figures.ratio_to_median_peer(self.row, "us", ["a", "b", "c"]), 0.6)
        self.assertAlmostEqual(
            figures.ratio_to_median_peer(self.row, "us", ["a", "b", "absent"]), 0.8)

    def test_a_peer_is_not_compared_with_itself(self):
        self.assertAlmostEqual(
            figures.ratio_to_median_peer(self.row, "a", ["a", "b", "c"]), 10 / 30)

    def test_no_peers_no_ratio(self):
        self.assertTrue(math.isnan(figures.ratio_to_median_peer(self.row, "us", [])))

    def test_geometric_mean(self):
        self.assertAlmostEqual(figures.geometric_mean([1, 4, 16]), 4)
        self.assertTrue(math.isnan(figures.geometric_mean([])))

    def test_best_peer_may_be_dearer(self):
        self.assertEqual(figures.best_peer(self.row, "us", ["b", "a", "absent"]), "a")
        self.assertAlmostEqual(figures.ratio_to_best_peer(self.row, "us", ["b", "c"]), 0.6)
        self.assertIsNone(figures.best_peer(self.row, "us", []))
        self.assertTrue(math.isnan(figures.ratio_to_best_peer(self.row, "us", ["absent"])))

    table = {"x/1": {"us": 1.0, "a": 2.0}, "x/2": {"us": 8.0, "a": 1.0}, "y/1": {"us": 3.0}}

    def test_means(self):
        self.assertAlmostEqual(figures.mean_ratio(self.table, "us", "a"), 2)
        self.assertAlmostEqual(figures.mean_to_best(self.table, "us"), 2)
        self.assertAlmostEqual(figures.mean_to_best(self.table, "a"), 2 ** 0.5)
        self.assertAlmostEqual(figures.mean_to_best_peer(self.table, "us", ["a"]), 2)
        self.assertTrue(math.isnan(figures.mean_to_best(self.table, "absent")))

    def test_a_program_is_the_mean_of_its_cases(self):
        found = figures.together(self.table, {"x": ["x/1", "x/2"], "y": ["y/1"], "z": []})
        self.assertEqual(list(found), ["x", "y"])
        self.assertAlmostEqual(found["x"]["us"], 8 ** 0.5)
        self.assertAlmostEqual(found["x"]["a"], 2 ** 0.5)

    def test_who_lacks_a_case_is_not_in_the_mean(self):
        found = figures.together(self.table, {"p": ["x/1", "y/1"]})
        self.assertEqual(list(found["p"]), ["us"])
        self.assertAlmostEqual(found["p"]["us"], 3 ** 0.5)


class Intervals(unittest.TestCase):
    def test_equal_rounds_have_no_width(self):
        found = figures.Bootstrap({"x/1": {"us": [3.0] * 5, "a": [2.0] * 5}})
        self.assertEqual(found.of(lambda t: figures.ratio_to_best(t["x/1"], "us")),
                         (1.5, 1.5, 1.5))

    def test_rounds_are_drawn_alike_for_all_columns(self):
        # Each round has its own speed, and the ratio is 2 in all of them.
        speeds = [1.0, 7.0, 3.0, 20.0, 5.0]
        found = figures.Bootstrap({"x/1": {"us": [2 * s for s in speeds], "a": speeds},
                                   "x/2": {"us": [4 * s for s in speeds],
                                           "a": [2 * s for s in speeds]}})
        self.assertEqual(found.of(lambda t: figures.mean_ratio(t, "us", "a")),
                         (2.0, 2.0, 2.0))

    def test_one_column_is_the_interval_of_its_median(self):
        # As figures.interval of the same list, which test_sampling.py checks by hand.
        values = [11.0, 9, 1, 8, 2, 7, 3, 6, 4, 5, 10]
        found = figures.Bootstrap({"x/1": {"us": values}}, resamples=2000)
        self.assertEqual(found.of(lambda t: t["x/1"]["us"]), (6, 3, 9))

    def test_cases_are_picked_and_what_is_missing_is_nan(self):
        found = figures.Bootstrap({"x/1": {"us": [1.0, None], "a": [None, None]},
                                   "y/1": {"us": [5.0], "a": [1.0]}})
        for value in found.of(lambda t: figures.mean_ratio(t, "us", "a"), ["y/1"]):
            self.assertAlmostEqual(value, 5)
        self.assertTrue(all(map(math.isnan, found.of(lambda t: figures.mean_ratio(
            t, "us", "a"), ["x/1"]))))
        self.assertEqual(found.of(lambda t: t["x/1"]["us"]), (1.0, 1.0, 1.0))


class Quick(unittest.TestCase):
    def test_the_longest_cases_are_left_out_until_the_rest_fits(self):
        seconds = {"a": 1.0, "b": 7.0, "c": 2.0, "d": 5.0}
        self.assertEqual(run.fit(seconds, 15), [])
        self.assertEqual(run.fit(seconds, 9), ["b"])
        self.assertEqual(run.fit(seconds, 3), ["b", "d"])


class Control(unittest.TestCase):
    def test_spread_counts_both_directions(self):
        table = {"x/1": {"us": 10.0, figures.CONTROL: 9.0},
                 "x/2": {"us": 10.0, figures.CONTROL: 12.0}, "x/3": {"us": 1.0}}
        spread = figures.control_spread(table, "us")
        self.assertEqual(len(spread), 2)
        self.assertAlmostEqual(spread[0], 0.1)
        self.assertAlmostEqual(spread[1], 0.2)

    def test_quantile_is_a_value_of_the_list(self):
        values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        self.assertEqual(figures.quantile(values, 0.5), 5)
        self.assertEqual(figures.quantile(values, 0.9), 9)
        self.assertEqual(figures.quantile(values, 1), 10)
        self.assertEqual(figures.quantile(values, 0), 1)
        self.assertTrue(math.isnan(figures.quantile([], 0.5)))


class Lines(unittest.TestCase):
    text = ("case=pairs/16 unit=pair threads=1 ops=2000 wall_ns=9.5 cpu_ns=8.25 "
            "faults=0.5 peak_kib=1216 malloc=/opt/my libs/liba=b.so\n")

    def test_fields(self):
        line = figures.parse_line(self.text)
        self.assertEqual((line["case"], line["ops"], line["peak_kib"]),
                         ("pairs/16", 2000, 1216))
        self.assertEqual(line["malloc"], "/opt/my libs/liba=b.so")

    def test_figures_of_a_programs_own_come_along(self):
        line = figures.parse_line(self.text.replace("malloc=", "rss_live=1.25 malloc="))
        self.assertEqual(line["rss_live"], "1.25")
        self.assertEqual(line["malloc"], "/opt/my libs/liba=b.so")

    def test_one_thread_is_timed_by_cpu_several_by_the_clock(self):
        self.assertEqual(figures.cost_of(figures.parse_line(self.text)), 8.25)
        several = self.text.replace("threads=1", "threads=2")
        self.assertEqual(figures.cost_of(figures.parse_line(several)), 9.5)

    def test_figures_of_a_program_of_its_own(self):
        self.assertEqual(figures.own_figures(figures.parse_line(self.text)), {})
        more = self.text.replace(" malloc=", " rss_live=1.250 malloc=")
        self.assertEqual(figures.own_figures(figures.parse_line(more)), {"rss_live": 1.25})

    def test_anything_else_is_refused(self):
        for text in ("", "Segmentation fault\n", self.text.replace("cpu_ns=8.25 ", ""),
                     self.text.replace("ops=2000", "ops=many")):
            with self.assertRaises(ValueError, msg=text):
                figures.parse_line(text)


class Cases(unittest.TestCase):
    def found(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bench_x")
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho x/1 counted\necho x/2 slow\necho y/3\n")
            os.chmod(path, 0o755)
            return [case for _, case in run.find_cases(folder, *arguments)]

    def test_all_unless_said_otherwise(self):
        self.assertEqual(self.found("", False), ["x/1", "x/2", "y/3"])
        self.assertEqual(self.found("^x/", False), ["x/1", "x/2"])
        self.assertEqual(self.found("", True), ["x/1"])

    def test_quick_runs_leave_out_what_is_slow(self):
        self.assertEqual(self.found("", False, True), ["x/1", "y/3"])


class Callgrind(unittest.TestCase):
    # A loop of two calls: 7 + 5 of its own; malloc took 30 in all (10 below it), free 8.
    # What main calls, and what malloc calls, must not be added.
    text = "\n".join([
        "events: Ir", "", "fl=alloc.c", "fn=malloc", "1 20", "cfn=refill", "calls=1 0",
        "1 10", "", "fl=bench.c", "fn=work_pairs", "13 7", "cob=lib.so", "cfi=???",
        "cfn=malloc", "calls=1 0 ", "14 30", "14 5", "cfn=free", "calls=1 0 ", "15 8", "",
        "fn=main", "20 100", "cfn=work_pairs", "calls=1 13", "21 50", "",
        "totals: 150"])

    def test_own_and_called_are_told_apart(self):
        self.assertEqual(figures.callgrind_work(self.text), (12, 38, 2))

    def test_no_work_function_no_counts(self):
        self.assertEqual(figures.callgrind_work("fn=main\n1 5\n"), (0, 0, 0))


class Environment(unittest.TestCase):
    def test_nothing_of_the_callers_allocator_comes_along(self):
        os.environ.update({"LD_PRELOAD": "", "NUMATALLY_CONF": "report:exit",
                           "MALLOC_ARENA_MAX": "1"})
        try:
            env = allocators.Allocator("x", "/lib/x.so").environment()
        finally:
            for name in ("LD_PRELOAD", "NUMATALLY_CONF", "MALLOC_ARENA_MAX"):
                del os.environ[name]
        self.assertEqual(env["LD_PRELOAD"], "/lib/x.so")
        self.assertNotIn("NUMATALLY_CONF", env)
        self.assertNotIn("MALLOC_ARENA_MAX", env)

    def test_settings_reach_their_own_column(self):
        column = allocators.Allocator("x", "/lib/x.so")
        column.settings["NUMATALLY_CONF"] = "check:off"
        self.assertEqual(column.environment()["NUMATALLY_CONF"], "check:off")

    def test_serves_follows_links(self):
        with tempfile.TemporaryDirectory() as folder:
            real, link = os.path.join(folder, "a.so.1"), os.path.join(folder, "a.so")
            open(real, "w", encoding="utf-8").close()
            os.symlink(real, link)
            self.assertTrue(allocators.Allocator("a", link).serves(real))
            self.assertFalse(allocators.Allocator("a", link).serves("/lib/libc.so.6"))
        self.assertTrue(allocators.Allocator("glibc").serves("/lib/x/libc.so.6"))
        self.assertFalse(allocators.Allocator("glibc").serves("/lib/x/libjemalloc.so.2"))


class TwoNodes(unittest.TestCase):
    def test_large_blocks_are_told_by_name(self):
        for case in ("large/64K", "large/64M", "pairs/1M", "realloc/step-64M", "x/513K"):
            self.assertTrue(figures.is_large(case), case)
        for case in ("pairs/512K", "pairs/16", "handoff/8", "mixed/random", "threads/200",
                     "realloc/append-64K"):
            self.assertFalse(figures.is_large(case), case)

    def test_ratio_is_two_nodes_over_one(self):
        table = {"x/1": {"one": 2.0, "two": 3.0}, "x/2": {"one": 2.0},
                 "x/3": {"one": 0.0, "two": 1.0}}
        self.assertEqual(figures.ratios(table, "two", "one"), {"x/1": 1.5})

    summary = "\n".join(["    calls syscall", "--------- ----------------",
                         "       12 mmap", "        3 munmap",
                         "--------- ----------------", "       15 total"])

    def test_strace_summary(self):
        self.assertEqual(figures.strace_calls(self.summary), {"mmap": 12, "munmap": 3})
        self.assertEqual(figures.strace_calls("strace: Process 7 attached\n"), {})

    def test_calls_at_the_start_are_left_out(self):
        short = ({"mmap": 12, "munmap": 3, "execve": 1}, 20)
        long = ({"mmap": 52, "munmap": 3, "execve": 1, "madvise": 4}, 60)
        self.assertEqual(figures.calls_per_operation(short, long),
                         {"mmap": 1.0, "madvise": 0.1})
        with self.assertRaises(ValueError):
            figures.calls_per_operation(long, long)

    def test_report(self):
        one, two, again = twonodes.ONE, twonodes.TWO, figures.CONTROL
        times = {"pairs/16": {one: [10.0], again: [11.0], two: [9.0]},
                 "large/1M": {one: [10.0], again: [10.0], two: [16.0]},
                 "pairs/1M": {one: [10.0], again: [10.0]}}
        faults = {case: {one: [0.5], two: [1.0]} for case in times}
        calls = {case: {one: {}, two: {"mmap": 2.0, "munmap": 1.0}} for case in times}
        text = twonodes.report(times, faults, calls, report.table_text)
        lines = [line.split() for line in text.splitlines()]
        self.assertIn(["pairs/16", "10.0", "9.0", "0.90", "1.10", "0.5", "1", "0", "3"],
                      lines)
        self.assertIn(["pairs/1M", "10.0", "-", "-", "1.00", "0.5", "1", "0", "3"], lines)
        self.assertLess(text.index("pairs/16"), text.index("Large-block loops"))
        self.assertGreater(text.index("large/1M"), text.index("Large-block loops"))
        self.assertIn(["all", "2", "1.200", "1.049"], lines)
        self.assertIn("mark is missed", text)
        self.assertIn("large/1M 1.60", text)
        self.assertIn("mmap 0 -> 2", text)


if __name__ == "__main__":
    unittest.main()
