#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bench's tables, goals and charts, of made-up readings."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import chart  # noqa: E402
import figures  # noqa: E402
import goals  # noqa: E402
import report  # noqa: E402

COLUMNS = report.Columns(["us", "again", "a", "b", "2x1"], "us", ["a", "b"])
LAYOUT = report.Layout({"pairs/1": "pairs", "pairs/2": "pairs", "oneway/64": "prodcons",
                        "handoff/2": "handoff", "programs/z3": "programs"})


def three(**row):
    """Three rounds with the same figure; names of columns cannot begin with a digit."""
    return {name.lstrip("_"): [value] * 3 for name, value in row.items()}


TIMES = figures.Bootstrap({
    "pairs/1": three(us=5.0, again=5.5, a=10.0, b=20.0, _2x1=5.0),    # 0.5 to a, the best
    "pairs/2": three(us=8.0, again=8.0, a=10.0, b=4.0, _2x1=16.0),    # 2 to b
    "oneway/64": three(us=9.0, again=9.0, a=10.0, b=90.0, _2x1=9.0),
    "handoff/2": {**three(us=9.0, again=9.0, a=10.0, _2x1=9.0), "b": [None] * 3},
    "programs/z3": three(us=105.0, again=105.0, a=100.0, b=120.0, _2x1=105.0)})
PEAKS = figures.Bootstrap({case: three(us=120, again=120, a=100, b=300, _2x1=130)
                           for case in TIMES.table})


def words(text):
    return [line.split() for line in text.splitlines()]


def same(value):
    return [value, f"[{value}", f"{value}]"]


class Layouts(unittest.TestCase):
    def test_groups_hold_programs_that_ask_the_same(self):
        self.assertEqual(list(LAYOUT.groups), ["pairs", "cross-thread", "programs"])
        self.assertEqual(LAYOUT.groups["cross-thread"], ["oneway/64", "handoff/2"])

    def test_each_real_program_is_one(self):
        self.assertEqual(LAYOUT.programs, {
            "pairs": ["pairs/1", "pairs/2"], "prodcons": ["oneway/64"],
            "handoff": ["handoff/2"], "programs/z3": ["programs/z3"]})


class Tables(unittest.TestCase):
    def test_cases(self):
        lines = words(report.case_table(TIMES, TIMES.table, COLUMNS, 1))
        self.assertEqual(lines[1], ["pairs/1", "5.0", "5.5", "10.0", "20.0", "5.0", "1.00",
                                    "a", "0.50", "[0.50", "0.50]"])
        self.assertEqual(lines[2][-5:], ["2.00", "b", "2.00", "[2.00", "2.00]"])
        self.assertEqual(lines[4][:6], ["handoff/2", "9.0", "9.0", "10.0", "-", "9.0"])

    def test_a_case_without_the_subject_has_no_ratios(self):
        lines = words(report.case_table(figures.Bootstrap({"x/1": {"us": [], "a": [2.0]}}),
                                        ["x/1"], COLUMNS, 1))
        self.assertEqual(lines[1], ["x/1", "-", "-", "2.0", "-", "-", "-", "-", "-"])

    def test_groups(self):
        lines = {line[0]: line[1:] for line in words(
            report.group_table(TIMES, LAYOUT, COLUMNS).replace("all ", "all-"))}
        # To best 1 and 2, to best peer 0.5 and 2, again 1.1 and 1, two nodes 1 and 2.
        self.assertEqual(lines["pairs"], ["2", *same("1.414"), *same("1.000"),
                                          *same("1.049"), *same("1.414")])
        self.assertEqual(lines["cross-thread"][:7], ["2", *same("1.000"), *same("0.900")])
        self.assertEqual(lines["programs"][:4], ["1", *same("1.050")])
        # (1 * 2 * 1 * 1 * 1.05) ** (1/5)
        self.assertEqual(lines["all-cases"][:4], ["5", *same("1.160")])
        # pairs together: us 40 ** .5, the best of all, so 1 * 1 * 1 * 1.05 ** .25
        self.assertEqual(lines["all-programs"][:4], ["4", *same("1.012")])

    def test_means_of_all_competitors(self):
        means = report.mean_table(TIMES.table, LAYOUT, COLUMNS)
        self.assertEqual(list(means), ["pairs", "cross-thread", "programs", "all programs"])
        self.assertEqual(list(means["pairs"]), ["us", "a", "b"])
        self.assertAlmostEqual(means["pairs"]["a"], (2 * 2.5) ** 0.5)
        self.assertAlmostEqual(means["cross-thread"]["b"], 10)

    def test_report_has_every_part(self):
        text = report.time_report(TIMES, PEAKS, {"fragment/tide rss": {"us": [1.5]}},
                                  LAYOUT, COLUMNS)
        self.assertIn("worst to best: of the programs programs/z3 1.05, of the cases "
                      "pairs/2 2.00; 2x1 to us: pairs/2 2.00, pairs/1 1.00", text)
        self.assertIn(["fragment/tide", "rss", "1.500", "-", "-", "-", "-"], words(text))
        self.assertIn(["programs/z3", "105", "105", "100", "120", "105", "1.05", "a",
                       "1.05", "[1.05", "1.05]"], words(text))
        self.assertIn("all by up to 10.0 %", text)

    def test_csv_holds_what_was_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "time.csv")
            times = figures.Bootstrap({"pairs/1": {"us": [3.0, 1.0, 2.0], "a": [4.0] * 3}})
            peaks = figures.Bootstrap({"pairs/1": {"us": [100, 100, 100]}})
            report.write_csv(path, times, peaks, LAYOUT, COLUMNS, "ns")
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[1], "pairs/1,pairs,us,1,3,ns,2.000,1.000,3.000,1.0000,"
                         "0.5000,0.5000,0.2500,0.7500,100,1.0000,-")
        self.assertEqual(lines[2], "pairs/1,pairs,a,0,3,ns,4.000,4.000,4.000,2.0000,-,"
                         "-,-,-,-,-,-")


class Goals(unittest.TestCase):
    text = goals.of_times(TIMES, PEAKS, LAYOUT, COLUMNS)
    lines = words(text)

    def row(self, start):
        return next(line for line in self.text.splitlines() if line.startswith(start))

    def test_ahead_of_every_peer(self):
        # pairs: 40 ** .5 to 80 ** .5 and to 10; cross-thread 0.9 and 0.1; programs 1.05.
        self.assertEqual(self.row("time: to each peer").split()[-5:],
                         ["1", *same("1.050"), "no"])
        self.assertIn("worst: programs / a ", self.text)
        self.assertIn("time: to each peer in each group:\n"
                      "  programs / a 1.050 [1.050 1.050]\ntime", self.text)

    def test_means(self):
        self.assertEqual(self.row("time: to best, mean of all programs").split()[-4:],
                         [*same("1.012"), "yes"])
        self.assertEqual(self.row("time: to best, mean of all cases").split()[-4:],
                         [*same("1.160"), "no"])
        self.assertEqual(self.row("peak memory").split()[-4:], [*same("1.200"), "no"])

    def test_worst(self):
        self.assertEqual(self.row("time: to best peer, worst program: programs/z3")
                         .split()[-4:], [*same("1.050"), "yes"])
        self.assertEqual(self.row("time: to best peer, worst case: pairs/2").split()[-4:],
                         [*same("2.000"), "no"])
        self.assertIn("worst case:\n  pairs/2 2.000", self.text)
        self.assertNotIn("worst program:\n", self.text)

    def test_memory_cells(self):
        self.assertIn("peak memory: programs above 1.15 of the best:\n  pairs 1.200",
                      self.text)

    def test_a_limit_within_the_interval_is_said(self):
        found = goals.Goals()
        found.add("x", 1.1, (1.05, 1.0, 1.2))
        found.add("y", 1.1, (1.15, 1.0, 1.2))
        found.add("z", 1, (1.0, 1.0, 1.0), below=True)
        found.add("none", 1, (float("nan"),) * 3)
        self.assertEqual([row[-1] for row in found.rows], ["yes?", "no?", "no", "-"])
        self.assertIn("Above goal\n  nowhere", found.text())

    def test_nothing_measured_is_no_error(self):
        empty = figures.Bootstrap({"pairs/1": {"us": [], "a": [1.0]}})
        text = goals.of_times(empty, figures.Bootstrap({}), LAYOUT, COLUMNS)
        self.assertNotIn("yes", text)

    def test_instructions(self):
        text = goals.of_instructions({
            "pairs/16": {"us": 40.0, "uncounted": 37.0, "unsampled": 39.0,
                         "check-off": 34.5},
            "pairs/1K": {"us": 42.0, "uncounted": 36.0, "unsampled": 41.0,
                         "check-off": 34.0},
            "calloc/64": {"us": 60.0}}, COLUMNS)
        lines = words(text)
        self.assertIn("instructions: pairs, all checks <= 40 42.0 no".split(), lines)
        self.assertIn("instructions: calloc 64 B <= 60 60.0 yes".split(), lines)
        self.assertIn("instructions: pairs, check:off <= 34 34.5 no".split(), lines)
        self.assertIn("instructions: counting <= 4 5.0 no".split(), lines)
        self.assertIn("instructions: sampling <= 1 1.0 yes".split(), lines)
        self.assertIn("instructions: mixed sizes at random <= 41 not measured -".split(),
                      lines)
        self.assertIn("instructions: pairs, all checks:\n  pairs/1K 42.0\n", text)


class Chart(unittest.TestCase):
    def test_high_bars_are_cut_and_labelled(self):
        text = chart.script({"x": {"us": 1.0, "a": 7.5}, "y": {"us": 2.0}}, ["us", "a"],
                            'say "T"', "x86_64", "/tmp/f", "time")
        self.assertIn('"x" 1.0000 4.0000', text)
        self.assertIn('"y" 2.0000 ?', text)
        self.assertIn('set label "7.5" at 0.125,', text)
        self.assertEqual(text.count("set label"), 1)
        self.assertIn("set output \"/tmp/f/time.svg\"", text)
        self.assertIn("\"say 'T'\"", text)

    def test_without_gnuplot_it_is_said(self):
        path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
        try:
            self.assertIn("gnuplot-nox", chart.draw({}, [], "", "", "/tmp", "x"))
        finally:
            os.environ["PATH"] = path


if __name__ == "__main__":
    unittest.main()
