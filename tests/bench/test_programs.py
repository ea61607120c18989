#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/programs.py: what is missing is named, outputs are compared, failures are said."""
import os
import stat
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True

import allocators  # noqa: E402
import programs  # noqa: E402
import run  # noqa: E402

# As launch.c: the file to write to, seconds, variables, --, the command.
LAUNCHER = """#!/bin/sh
used=$1; shift 2
while [ "$1" != -- ]; do export "$1"; shift; done
shift
echo 1500000 250000 4096 >"$used"
exec "$@"
"""


class Prepare(unittest.TestCase):
    def test_what_is_missing_is_named_and_left_out(self):
        path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
        try:
            with tempfile.TemporaryDirectory() as folder:
                found, missing = programs.prepare(folder)
        finally:
            os.environ["PATH"] = path
        self.assertEqual(list(found), ["python3"])
        self.assertEqual(len(missing), len(programs.NAMES) - 1)
        self.assertIn("missing: the program lammps: lmp (Debian package lammps)", missing)

    def test_only_what_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(programs.prepare(folder, ["python3"])[0].keys(), {"python3"})


class Outputs(unittest.TestCase):
    def test_the_same_output_is_no_problem(self):
        self.assertEqual(programs.differing({"z3": {"f00": ["us", "a", "b", "us"]}}), [])

    def test_who_differs_is_named(self):
        self.assertEqual(
            programs.differing({"z3": {"bad": ["us", "us"], "f00": ["a", "b", "a"]},
                                "perl": {"f00": ["us", "a"]}}),
            ["z3: the output on us is not that on a, b"])

    def test_who_differs_now_and_then_is_named_too(self):
        self.assertEqual(
            programs.differing({"z3": {"f00": ["us", "a", "a"], "bad": ["us"]}}),
            ["z3: the output on us is not that on a, us"])


class Run(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        launcher = os.path.join(self.folder, "launch")
        with open(launcher, "w", encoding="utf-8") as file:
            file.write(LAUNCHER)
        os.chmod(launcher, os.stat(launcher).st_mode | stat.S_IXUSR)
        self.reader = run.Reader()
        self.runner = programs.Runner(launcher, self.folder, self.reader)
        self.cpu = min(os.sched_getaffinity(0))

    def read(self, command, column=None, **more):
        return self.runner.run(column or allocators.Allocator("glibc"), "x",
                               programs.Program(["sh", "-c", command], **more), self.cpu)

    def test_time_is_of_user_and_system(self):
        self.assertEqual(self.read("echo a"), (1.75, 4096))
        self.assertEqual(self.reader.problems, [])
        self.assertEqual(list(self.runner.outputs["x"].values()), [["glibc"]])

    def test_output_may_be_a_file_made_anew(self):
        self.read("echo $$; echo a >out", output="out")
        self.read("echo $$; echo a >out", output="out")
        self.assertEqual(list(self.runner.outputs["x"].values()), [["glibc", "glibc"]])
        self.assertEqual(self.read("echo a", output="out"), (None, None))
        self.assertEqual(self.reader.problems, ["x on glibc: no output"])

    def test_settings_reach_the_command_alone(self):
        column = allocators.Allocator("us")
        self.read("echo $V", column, settings={"us": {"V": "1"}})
        self.read("echo $V", settings={"us": {"V": "1"}})
        self.read("echo 1")
        found = sorted(self.runner.outputs["x"].values())
        self.assertEqual(found, [["glibc"], ["us", "glibc"]])

    def test_failures_are_problems(self):
        self.assertEqual(self.read("exit 3"), (None, None))
        self.assertEqual(self.read("true"), (None, None))
        self.assertEqual(self.read("echo a; echo 'ERROR: ld.so: object x' >&2"),
                         (None, None))
        self.assertEqual(self.read("echo a; echo 'numatally: what?' >&2"), (None, None))
        self.assertEqual(self.read("exit 124"), (None, None))
        self.assertEqual(self.reader.problems, [
            "x on glibc: exit status 3", "x on glibc: no output",
            "x on glibc: ERROR: ld.so: object x", "x on glibc: numatally: what?",
            "x on glibc: no end in 60 s"])


if __name__ == "__main__":
    unittest.main()
