# SPDX-License-Identifier: MIT
"""numatally top: on a terminal of tmux's, as text and as JSON; and report --pid.

The watched programs write their own snapshot with nt_report and then stand still: what top
shows must be these figures.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # leave the source folder as it is

from top_terminal import (BUSY, BUSY_UNTIL, CLEAN, GROWN, LIBRARY, PYTHON, STILL, TOOL,  # noqa: E402
                          VIEWS, Terminal, count, size, wait_for)


class Top(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="numatally-top-test-")
        self.live = os.path.join(self.folder, "live")
        os.mkdir(self.live)
        self.programs, self.terminals = [], []

    def tearDown(self):
        for terminal in self.terminals:
            terminal.close()
        for program in self.programs:
            program.kill()
            program.wait()
        shutil.rmtree(self.folder)

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            pathlib.Path(path).write_text(text, encoding="utf-8")
        return path

    def start(self, script, *args, settings="", **env):
        """A program with a live file, which holds something."""
        program = subprocess.Popen(
            [PYTHON, self.path("program.py", script), *args],
            env={**CLEAN, "LD_PRELOAD": LIBRARY,
                 "NUMATALLY_CONF": f"live:{self.live}{settings}", **env})
        self.programs.append(program)
        wait_for("a live file", lambda: any(
            file.read_bytes()[:1].strip(b"\0")  # what it begins with is written last
            for file in pathlib.Path(self.live).glob(f"*-{program.pid}*.live")))
        return program

    def still(self):
        """A program that stands still, and its own record."""
        own = self.path("own.json")
        program = self.start(STILL, own, NUMATALLY_TOPOLOGY="2x1")
        wait_for("its record", lambda: os.path.exists(own)
                 and pathlib.Path(own).read_text(encoding="utf-8").endswith("\n"))
        record = json.loads(pathlib.Path(own).read_text(encoding="utf-8"))
        self.assertGreater(record["total"]["remote_frees_total"], 90)
        return program, record

    def terminal(self, *command, **options):
        for old in self.terminals:
            old.close()
        self.terminals = [Terminal(self.folder, command, **options)]
        return self.terminals[0]

    def top(self, *args, status=0, **env):
        done = subprocess.run([TOOL, "top", *map(str, args)], env={**CLEAN, **env},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, status, done)
        return done

    # ---- figures ----------------------------------------------------------------------

    def test_figures_are_the_programs_own(self):
        program, own = self.still()
        # Read twice by the program, a moment apart: what goes on by itself may differ.
        def comparable(record):
            record = dict(record)
            for key in "now_unix_ns", "cpu_ns_total", "history":
                record.pop(key)
            return record
        line = json.loads(self.top("--json", "-n", 1, program.pid).stdout)
        self.assertEqual(comparable(line["record"]), comparable(own))
        self.assertIn(line["top"]["state"], ("running", "idle"))
        self.assertGreater(line["rates"]["seconds"], 1)
        total = line["rates"]["total"]["allocations_total"] * line["rates"]["seconds"]
        self.assertAlmostEqual(total, own["total"]["allocations_total"],
                               delta=line["rates"]["seconds"])
        for key in "nodes", "classes", "pools", "threads", "phases":
            self.assertEqual(len(line["rates"][key]), len(own[key]), key)
        # report --pid, in the same words and in any format.
        said = subprocess.run([TOOL, "report", "--pid", str(program.pid), "-f", "json"],
                              env=CLEAN, capture_output=True, text=True, check=True)
        self.assertEqual(comparable(json.loads(said.stdout)), comparable(own))
        self.assertRegex(said.stderr, rf"^numatally: process {program.pid}: figures from [\d.]+ s ago.*\n$")
        for name, begin in (("text", "numatally 0"), ("csv", "record,host"), ("html", "<!"),
                            ("prometheus", "# HELP")):
            done = subprocess.run([TOOL, "report", "--pid", str(program.pid), "-f", name],
                                  env=CLEAN, capture_output=True, text=True, check=True)
            self.assertTrue(done.stdout.lower().startswith(begin.lower()), name)

    def test_screen_shows_these_figures(self):
        program, own = self.still()
        t = self.terminal(TOOL, "top", "--absolute", "-d", "0.2", str(program.pid),
                          columns=200, lines=180)
        t.see(r"^Nodes +Live")
        t.keys("2")
        t.see(r"^Classes +Live +Live blocks")
        t.keys("Space")
        t.see("^PAUSED")
        lines = t.settle().splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("Classes")][0]
        shown = [line.split()[:9] for line in lines[at + 1:] if line.strip()][:-1]
        wanted = [["large" if c["block_bytes"] == 0 else size(c["block_bytes"]),
                   size(c["live_bytes_now"]), count(c["live_blocks_now"]),
                   size(c["slab_bytes_now"]), count(c["allocations_total"]),
                   count(c["frees_total"]), size(c["allocated_bytes_total"]),
                   size(c["live_bytes_peak"]), count(c["slabs_now"])]
                  for c in sorted(own["classes"], key=lambda c: -c["live_bytes_now"])]
        self.assertEqual(sorted(shown), sorted(wanted))
        self.assertEqual([row[1] for row in shown], [row[1] for row in wanted])
        t.keys("Space", "1")
        t.see(r"^Nodes +Live")
        lines = t.settle().splitlines()
        for n in own["nodes"]:
            row = [line for line in lines if re.match(rf"node {n['node']}  +\S+ +\S", line)
                   and "[" not in line]
            self.assertEqual(row[0].split()[2:7],
                             [size(n["live_bytes_now"]), size(n["committed_bytes_now"]),
                              size(n["resident_bytes_now"]), count(n["allocations_total"]),
                              count(n["frees_total"])])
        t.keys("3")
        t.see(r"^Pools +Live")
        text = t.settle()
        pool = [p for p in own["pools"] if p["name"] == "M\u00e4sh"][0]
        self.assertRegex(text, rf"(?m)^M\u00e4sh +{size(pool['live_bytes_now'])} +1000 ")
        t.keys("4")
        t.see(r"^Threads +Node")
        text = t.settle()
        other = [x for x in own["threads"] if "other" in x["name"]][0]
        self.assertRegex(text, rf"(?m)^{other['tid']} other \?\[31m +\d +"
                               rf"{other['allocations_total']} +{other['frees_total']} ")
        t.keys("5")
        t.see(r"^Phases +Runs")
        text = t.settle()
        for phase in own["phases"]:
            self.assertRegex(text, rf"(?m)^{phase['name']} +0 +{phase['entries_total']} +"
                                   rf"[\d.]+ +{phase['allocations_total']} ")
        t.keys("6")
        t.see("^none$")
        t.keys("7")
        t.see(r"^Freed on, home:")
        text = t.settle()
        for n, row in enumerate(own["free_matrix"]):
            self.assertRegex(text, rf"(?m)^node {n} +" + " +".join(map(count, row)) + "$")
        t.see("idle since then as far as known")
        # Nothing in the program noticed.
        status = pathlib.Path(f"/proc/{program.pid}/status").read_text(encoding="utf-8")
        self.assertRegex(status, r"TracerPid:\s0\n")
        self.assertRegex(status, r"Threads:\s2\n")
        self.assertRegex(status, r"State:\sS ")

    # ---- keys and sizes ---------------------------------------------------------------

    def test_keys(self):
        program, _ = self.still()
        t = self.terminal(TOOL, "top", "-a", "-d", "0.2", str(program.pid))
        t.see(r"7 Matrix  by name")
        t.keys("?")
        t.see("sort by the column before or behind")
        t.keys("x")
        t.see(r"^Nodes +Live")
        t.keys("Tab")
        t.see(r"2 Classes .* by Live$")
        t.keys(">")
        t.see(r"by Live blocks$")
        t.keys("<", "<")
        t.see(r"by name$")
        t.keys("A")
        t.see(r"by Allocations$")
        text = t.settle()

        def allocations(text):
            at = text.index("Classes   ")
            return [int(line.split()[4]) for line in text[at:].splitlines()[1:-1]
                    if line.strip()]
        self.assertEqual(allocations(text), sorted(allocations(text), reverse=True))
        self.assertGreater(len(set(allocations(text))), 4)
        t.keys("r")
        t.see(r"by Allocations, least first$")
        text = t.settle()
        self.assertEqual(allocations(text), sorted(allocations(text)))
        t.keys("a")
        t.see(r"by Allocations/s, least first$")
        t.keys("N", "r")
        text = t.see(r"by name$")
        t.keys("Right", "Right")
        t.see(r"^Classes +In slabs")
        t.keys("Left", "Left")
        t.see(r"^Classes +Live")
        t.keys("Space")
        t.see("^PAUSED")
        t.keys("Space", "+")
        t.see("d:0.5s")
        t.keys("-", "-")
        t.see("d:0.1s")
        t.keys("d", "1", "2", "BSpace")
        t.see(r"^Seconds between looks, 0.01 to 86400 \(now 0.1\): 1_$")
        t.resize(130, 30)
        t.keys(".", "5", "Enter")
        t.see("d:1.5s")
        t.keys("d", "0", "Enter") # none that it may be: asked again
        t.see(r"\(now 1.5\): _$")
        t.keys("9", "Escape")
        t.see("d:1.5s")
        t.keys("d", "0", ".", "1", "Enter")
        t.see("d:0.1s")
        t.keys("m")
        t.see("bar is")
        t.resize(120, 16)
        first = t.see(r"^large ")
        t.keys("End")
        t.see(r"^256K |^512K |^448K |^100K ")
        self.assertNotIn("\nlarge ", t.text())
        t.keys("Home")
        t.see(r"^large ")
        t.keys("Down")
        wait_for("a row further", lambda: "\nlarge " not in t.text())
        t.keys("Up")
        t.see(r"^large ")
        self.assertIn("large ", first)
        t.keys("q")
        self.assertEqual(t.ended(), 0)
        self.assertIsNone(program.poll())

    def test_sizes(self):
        program = self.start(BUSY)
        t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid))
        for columns, lines in (1, 1), (2, 2), (40, 3), (3, 40), (300, 100), (1, 1), (80, 24):
            t.resize(columns, lines)
            for key in "1", "2", "7", "?", "x", "End", "Home":
                t.keys(key)
            time.sleep(0.3)
        t.keys("1")
        t.see(r"^Nodes +Live")
        self.assertTrue(t.text().splitlines()[23].startswith("?:help"))
        t.keys("q")
        self.assertEqual(t.ended(), 0)

    def test_colours(self):
        program = self.start(BUSY)
        for settings, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid), **settings)
            t.see(r"^Nodes +Live")
            found = re.search(r"[\[;](3[0-7]|4[0-7])[;m]", t.text("-e"))
            self.assertEqual(found is not None, coloured, settings)

    # ---- ends -------------------------------------------------------------------------

    def test_killed_while_watched(self):
        program = self.start(BUSY)
        t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid))
        t.see(GROWN)
        program.kill()  # and not waited for: a zombie has ended, too
        text = t.see("^ended without its last word")
        self.assertRegex(text, r"(?m)^node 0 +[\d.]+M ")
        program.wait()
        shutil.rmtree(self.live)
        t.keys("2")
        t.see(r"^Classes +Live")
        self.assertRegex(t.see(r"^large +[\d.]+M"), "ended without its last word")
        t.keys("q")
        self.assertEqual(t.ended(), 0)

    def test_killed_at_any_moment(self):
        rng = random.Random(3)
        for _ in range(20):
            program = self.start(BUSY.replace("0.02", "0"))
            top = subprocess.Popen([TOOL, "top", "--json", "-d", "0.01", str(program.pid)],
                                   env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
            first = top.stdout.readline()
            time.sleep(rng.random() / 10)
            program.kill()
            with top:
                lines = [json.loads(line) for line in [first, *top.stdout]]
                self.assertEqual((top.wait(), top.stderr.read()), (0, ""))
            self.assertEqual(lines[-1]["top"]["state"], "ended")
            self.assertFalse(lines[-1]["record"]["final"])
            totals = [line["record"]["total"]["allocations_total"] for line in lines]
            self.assertEqual(totals, sorted(totals))
            program.wait()

    def test_ends_while_watched(self):
        program = self.start(BUSY_UNTIL, self.path("end"))
        t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid))
        t.see(GROWN)
        self.path("end", "")
        self.assertEqual(program.wait(), 0)
        text = t.see("^ended; these are the figures of its end")
        self.assertRegex(text, r"(?m)^node 0 ")
        t.keys("C-c")
        self.assertEqual(t.ended(), 0)

    def test_torn_while_watched(self):
        program = self.start(BUSY)
        t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid))
        t.see(GROWN)
        program.send_signal(signal.SIGSTOP)
        file = os.path.join(self.live, max(os.listdir(self.live), key=len))
        kept = pathlib.Path(file).read_bytes()
        os.truncate(file, 1000)
        text = t.see("^its live file cannot be read now .it holds something else.")
        self.assertRegex(text, r"(?m)^node 0 +[\d.]+M ")
        with open(file, "r+b") as out:
            out.write(kept)
        program.send_signal(signal.SIGCONT)
        t.see("^figures from 0.0 s ago")

    def test_any_figures(self):
        """What is in a file may be anything: it is shown, or refused, and nothing breaks."""
        program, _ = self.still()
        file = os.path.join(self.live, max(os.listdir(self.live), key=len))
        whole = pathlib.Path(file).read_bytes()
        slot = struct.unpack_from("I", whole, 12)[0]  # src/track/live_file.h
        head = len(whole) - 2 * slot
        self.assertTrue(40 <= head < 200)
        rng = random.Random(7)
        shown = 0
        for number in range(60):
            bad = bytearray(whole)
            for _ in range(rng.choice((1, 20, 2000))):
                at = rng.choice((head, head + slot)) + rng.randrange(8 if number % 2 else 350, slot)
                bad[at:at + 8] = rng.choice((b"\xff" * 8, b"\x1b[31m\n\t\x7f",
                                             rng.randbytes(8), b"\0" * 8))
            path = self.path("numatally-1.live")
            pathlib.Path(path).write_bytes(bad[:len(whole)])
            os.chmod(path, 0o600)
            for args in ("-j",), ("-b", "-v", rng.choice(VIEWS)):
                done = subprocess.run([TOOL, "top", "-n", "2", "-d", "0.01", *args, path],
                                      env=CLEAN, capture_output=True, check=False)
                self.assertIn(done.returncode, (0, 1), (number, done))
                self.assertNotIn(b"\x1b", done.stdout)
                shown += done.returncode == 0
                for line in done.stdout.splitlines() if args == ("-j",) else ():
                    json.loads(line)
            if number % 20 == 0 and done.returncode == 0:
                t = self.terminal(TOOL, "top", "-d", "0.1", path)
                t.see(r"^\?:help")
                for key in "1234567":
                    t.keys(key, "End", "m", "a")
                    time.sleep(0.15)
                t.keys("q")
                self.assertEqual(t.ended(), 0)
        self.assertGreater(shown, 20)
        self.assertIsNone(program.poll())

    def test_follows_exec(self):
        script = self.path("second.py", BUSY)
        program = self.start(BUSY_UNTIL + f"os.execv({PYTHON!r}, ['second', {script!r}])\n",
                             self.path("end"))
        t = self.terminal(TOOL, "top", "-d", "0.1", str(program.pid))
        t.see(GROWN)
        self.path("end", "")
        t.see(rf"^second \[{program.pid}\] ")
        t.see(GROWN)

    # ---- a program that is run --------------------------------------------------------

    def test_run(self):
        script = self.path("loud.py", "import sys, time\nprint('to the terminal')\n"
                           "print('errors', file=sys.stderr)\nkept = []\n"
                           "print(sys.stdin.read() == '')\n"
                           "for i in range(60):\n    kept.append(bytearray(700000))\n"
                           "    time.sleep(0.02)\nsys.exit(7)\n")
        t = self.terminal(TOOL, "top", "-d", "0.1", "--report", "--", PYTHON, script)
        text = t.see("^exit status 7; ended; these are the figures of its end")
        self.assertNotIn("to the terminal", text)
        t.keys("q")
        self.assertEqual(t.ended(), 7)
        text = t.run("capture-pane", "-p", "-S", "-")
        self.assertRegex(text, r"(?s)to the terminal\n.*True\n.*numatally 0.*Allocations")
        self.assertIn("errors\n", text)

    def test_run_is_left_early_and_interrupted(self):
        script = self.path("busy.py", "print('begins', flush=True)\n" + BUSY)
        t = self.terminal(TOOL, "top", "-d", "0.1", "--", PYTHON, script)
        t.see(GROWN)
        t.keys("q")
        text = t.see("runs on; this ends with it")
        self.assertIn("begins", text)
        t.keys("C-c")
        self.assertEqual(t.ended(), 130)

    def test_run_killed(self):
        script = self.path("kill.py", "import os, time\nkept = []\nfor i in range(60):\n"
                           "    kept.append(bytearray(700000))\n    time.sleep(0.02)\n"
                           "os.kill(os.getpid(), 9)\n")
        t = self.terminal(TOOL, "top", "-d", "0.1", "--", PYTHON, script)
        t.see(r"^killed by signal 9 \(Killed\); ended without its last word")
        t.keys("q")
        self.assertEqual(t.ended(), 137)

    def test_run_in_batch(self):
        out = self.path("blocks")
        done = self.top("--json", "-d", "0.05", "-o", out, "--", PYTHON, "-c",
                        "print('hello'); raise SystemExit(3)", status=3)
        self.assertEqual(done.stdout, "hello\n")
        self.assertEqual(done.stderr, "")
        lines = [json.loads(line) for line in
                 pathlib.Path(out).read_text(encoding="utf-8").splitlines()]
        self.assertEqual(lines[-1]["top"]["exit_status"], 3)
        self.assertTrue(lines[-1]["record"]["final"])
        done = self.top("--batch", "--report=" + self.path("run.json"),
                        "--program-output=" + self.path("said"), "--", PYTHON, "-c",
                        "print('hello')")
        self.assertEqual(pathlib.Path(self.path("said")).read_text(encoding="utf-8"), "hello\n")
        record = json.loads(pathlib.Path(self.path("run.json")).read_text(encoding="utf-8"))
        self.assertTrue(record["final"])
        self.assertIn("exit status 0; ended", done.stdout)
        self.assertEqual(self.top("-b", "--", "/nowhere", status=127).stdout, "")
        self.top("-b", "--", self.folder, status=126)

    def test_run_passes_signals_on(self):
        top = subprocess.Popen([TOOL, "top", "-b", "-d", "0.1", "--", PYTHON,
                                self.path("busy.py", BUSY)], env=CLEAN,
                               stdout=subprocess.PIPE, text=True)
        for line in top.stdout:
            if line.startswith("node 0"):
                break
        top.terminate()
        top.communicate()
        self.assertEqual(top.returncode, -signal.SIGTERM)

    # ---- text and JSON ----------------------------------------------------------------

    def test_batch(self):
        program = self.start(BUSY)
        done = self.top("--batch", "-n", 3, "-d", "0.3", "-v", "classes", "-s", "allocations",
                        program.pid)
        blocks = done.stdout.strip().split("\n\n")
        self.assertEqual(len(blocks), 3)
        for i, block in enumerate(blocks):
            self.assertRegex(block, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S+ \[\d+\] on ")
            self.assertRegex(block, r"(?m)^figures from \d")
            self.assertRegex(block, r"(?m)^since its start, over" if i == 0 else r"(?m)^over \d")
            self.assertRegex(block, r"(?m)^Nodes +Live +Committed")
            self.assertRegex(block, r"(?m)^Classes +Live")
        self.assertNotIn("\033", done.stdout)

    def test_rates(self):
        program = self.start(BUSY)
        lines = [json.loads(line) for line in
                 self.top("-j", "-n", 6, "-d", "0.5", program.pid).stdout.splitlines()]
        self.assertEqual(len(lines), 6)
        for before, after in zip(lines, lines[1:]):
            a, b, rates = before["record"], after["record"], after["rates"]
            if not after["top"]["newer"]:  # on a machine that stood still meanwhile
                continue
            seconds = (b["now_unix_ns"] - a["now_unix_ns"]) / 1e9
            self.assertAlmostEqual(rates["seconds"], seconds, places=5)
            self.assertFalse(rates["since_start"])
            for key, rate in rates["total"].items():
                added = b["total"][key] - a["total"][key]
                self.assertAlmostEqual(rate, added / seconds, delta=0.06, msg=key)
            self.assertEqual([c["block_bytes"] for c in rates["classes"]],
                             [c["block_bytes"] for c in b["classes"]])
        self.assertTrue(any(line["rates"]["total"]["allocated_bytes_total"] > 1e5
                            for line in lines[1:] if line["top"]["newer"]))

    # ---- who is watched ---------------------------------------------------------------

    def test_without_a_live_file(self):
        sleeper = subprocess.Popen(["sleep", "1000"], env=CLEAN)
        self.programs.append(sleeper)
        wait_for("sleep", lambda: b"sleep" in
                 pathlib.Path(f"/proc/{sleeper.pid}/cmdline").read_bytes())
        said = self.top("-b", sleeper.pid, status=1).stderr
        self.assertIn("numatally top -- sleep 1000", said)
        self.assertIn(f"NUMATALLY_CONF=live:on LD_PRELOAD={LIBRARY} sleep 1000", said)
        off = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(1000) # it's"],
                               env={**CLEAN, "LD_PRELOAD": LIBRARY})
        self.programs.append(off)
        wait_for("the library", lambda: "libnumatally" in
                 pathlib.Path(f"/proc/{off.pid}/maps").read_text(encoding="utf-8"))
        said = self.top("-b", off.pid, status=1).stderr
        self.assertIn(f"NUMATALLY_CONF=live:on {PYTHON} -c 'import time; time.sleep(1000) "
                      "# it'\\''s'", said)
        said = self.top("-b", 2**22 + 1, status=1).stderr
        self.assertIn("there is no process", said)
        for what, status, words in ((off.pid, 1, "NUMATALLY_CONF=live:on"),
                                    (2**22 + 1, 1, "there is no process"), ("x", 2, "--pid"),
                                    (0, 2, "--pid")):
            done = subprocess.run([TOOL, "report", "--pid", str(what)], env=CLEAN,
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (status, ""), what)
            self.assertIn(words, done.stderr)

    def test_bad_usage(self):
        for args, words in ((("x",), "top -- x"), ((), "name a process"),
                            (("-d", "0", "1"), "--delay"), (("-d", "x", "1"), "--delay"),
                            (("-n", "0", "1"), "--iterations"), (("-v", "x", "1"), "--view"),
                            (("-s", "x", "1"), "--sort"), (("-o", "x", "1"), "--output"),
                            (("1", "2"), "another"), (("1", "--", "ls"), "are two"),
                            (("--report", "1"), "--report"),
                            (("-l", "/tmp", "--", "ls"), "--live")):
            said = self.top(*args, status=2).stderr
            self.assertIn(words, said, args)

    def test_no_terminal(self):
        program = self.start(BUSY)
        for settings in {}, {"TERM": "dumb"}, {"TERM": ""}:
            said = self.top(program.pid, status=1, **settings).stderr
            self.assertIn("--batch", said)
        t = self.terminal(TOOL, "top", str(program.pid))
        t.see("^Nodes ")
        t = self.terminal("env", "TERM=dumb", TOOL, "top", str(program.pid))
        t.see("use --batch")
        self.assertEqual(t.ended(), 1)
        t = self.terminal("env", "TERM=no-such-terminal", TOOL, "top", str(program.pid))
        t.see("use --batch")
        self.assertEqual(t.ended(), 1)

    def test_other_container(self):
        spaces = ["unshare", "--pid", "--fork", "--mount-proc", "--mount"]
        if os.geteuid() != 0:
            spaces[1:1] = ["--user", "--map-current-user"]
        if subprocess.run([*spaces, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no namespaces here: unshare is refused")
        inside = subprocess.Popen([*spaces, "env", f"LD_PRELOAD={LIBRARY}",
                                   f"NUMATALLY_CONF=live:{self.live}", PYTHON, "-c", BUSY],
                                  env=CLEAN, start_new_session=True)
        self.programs.append(inside)
        name = wait_for("a live file", lambda: os.listdir(self.live) and
                        max(os.listdir(self.live), key=len))
        number = int(re.match(r"numatally-(\d+)", name)[1])
        # By its number in there, and by its file: whether it runs is not to be seen.
        for what in ("--live", self.live, number), (os.path.join(self.live, name),):
            line = json.loads(self.top("-j", "-n", 1, *what).stdout)
            self.assertEqual(line["top"]["state"], "unknown")
            self.assertEqual(line["record"]["pid"], number)
        # By its number out here.
        child = wait_for("the process", lambda: [
            p for p in os.listdir("/proc") if p.isdigit() and self.live in maps_of(p)
            and int(p) != os.getpid()])
        line = json.loads(self.top("-j", "-n", 1, child[-1]).stdout)
        self.assertEqual(line["top"]["state"], "running")
        self.assertEqual(line["record"]["pid"], number)
        os.killpg(inside.pid, signal.SIGKILL)

    def test_other_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can start programs of other users")
        os.chmod(self.folder, 0o755)
        os.chmod(self.live, 0o777)
        other = subprocess.Popen(["sleep", "1000"], user=65534, group=65534, extra_groups=[],
                                 env={**CLEAN, "LD_PRELOAD": LIBRARY,
                                      "NUMATALLY_CONF": f"live:{self.live}"})
        self.programs.append(other)
        wait_for("a live file", lambda: os.listdir(self.live))
        for what in (other.pid,), ("-l", self.live, other.pid), (
                os.path.join(self.live, os.listdir(self.live)[0]),):
            said = self.top("-b", "-n", 1, *what, status=1).stderr
            self.assertRegex(said, "only the user whose process it is|only that user")


def maps_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return ""


for needed in TOOL, LIBRARY:
    if not os.path.exists(needed):
        print(f"skipped: {needed} is not built")
        sys.exit(77)
if not shutil.which("tmux"):
    print("skipped: there is no tmux (Debian package tmux)")
    sys.exit(77)
unittest.main()
