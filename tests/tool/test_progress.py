# SPDX-License-Identifier: MIT
"""The progress bar of numatally report: on terminals, when the work is long, and gone before
anything else is written there.

Work is made long by not reading the tool's output for more than a second.
"""
import fcntl
import json
import os
import pathlib
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

TOOL = os.path.join(os.environ["NT_BUILD"], "numatally")
LIBRARY = os.path.join(os.environ["NT_BUILD"], "libnumatally_malloc.so")
LONG = 1.2  # seconds


def screen(data):
    """The lines that a terminal shows, of text with carriage returns in it."""
    lines = []
    for line in data.decode().replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part):]
        lines.append(shown.rstrip(" "))
    return lines


def drain(fd, into):
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError:  # how a pseudo terminal says that nobody is at its other end
            part = b""
        if not part:
            return
        into.append(part)


class Progress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        one = folder / "one.json"
        env = {k: v for k, v in os.environ.items() if not k.startswith("NUMATALLY")}
        env.update(LD_PRELOAD=LIBRARY, NUMATALLY_CONF=f"report:{one}")
        subprocess.run(["ls", "/"], env=env, check=True, stdout=subprocess.DEVNULL)
        record = one.read_bytes()
        cls.one = str(one)
        cls.many = str(folder / "many.json")
        cls.bad = str(folder / "bad.json")
        cls.stacks = str(folder / "stacks.json")
        env["NUMATALLY_CONF"] = f"report:{cls.stacks},sample:1"
        subprocess.run(["ls", "/"], env=env, check=True, stdout=subprocess.DEVNULL)
        stacks = json.loads(pathlib.Path(cls.stacks).read_text())
        site = stacks["profile"]["sites"][0]
        stacks["profile"]["sites"] = [dict(site, stack=[i * 8 + k for k in range(4)])
                                      for i in range(5000)]
        pathlib.Path(cls.stacks).write_text(json.dumps(stacks) + "\n")
        pathlib.Path(cls.many).write_bytes(record * (2000000 // len(record) + 100))
        middle = record * (1000000 // len(record) + 50)
        pathlib.Path(cls.bad).write_bytes(middle + b"{bad}\n" + middle)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def report(self, *args, wait=LONG, columns=80, together=False, **changes):
        """What came on standard output, and on stderr, a terminal."""
        env = {k: v for k, v in os.environ.items() if k not in ("TERM", "NO_COLOR")}
        env.update({"TERM": "xterm", **changes})
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        tool = subprocess.Popen([TOOL, "report", *args], env=env, stderr=theirs,
                                stdout=theirs if together else subprocess.PIPE)
        os.close(theirs)
        time.sleep(wait)
        err, out = [], []
        reader = threading.Thread(target=drain, args=(ours, err))
        reader.start()
        if not together:
            drain(tool.stdout.fileno(), out)
            tool.stdout.close()
        tool.wait()
        reader.join()
        os.close(ours)
        return b"".join(out), b"".join(err)

    def test_long_work(self):
        out, err = self.report("--format", "json", self.many)
        self.assertEqual(out, pathlib.Path(self.many).read_bytes())
        self.assertRegex(err, rb"\rreading \[#*\.*\] +\d+ % of [0-9.]+ MiB\r")
        self.assertEqual(screen(err), [""])
        self.assertNotIn(b"\x1b", err)

    def test_naming(self):
        """After the reading comes the naming of addresses, which is the longer part."""
        out, err = self.report("--format", "csv", self.stacks)
        self.assertIn(b"site", out)
        self.assertRegex(err, rb"\rnaming \[#*\.*\] +\d+ % of 20000 addresses")
        self.assertEqual(screen(err), [""])
        _, err = self.report("--format", "csv", self.stacks, together=True)
        self.assertNotIn(b"naming [", err)

    def test_no_color(self):
        _, err = self.report("--format", "json", self.many, NO_COLOR="1")
        self.assertIn(b"reading [", err)
        self.assertNotIn(b"\x1b", err)

    def test_terminals_that_cannot(self):
        for changes in {"TERM": "dumb"}, {"TERM": ""}, {"columns": 20}:
            _, err = self.report("--format", "json", self.many, **changes)
            self.assertEqual(err, b"", changes)

    def test_short_work(self):
        out, err = self.report("--format", "json", self.one, wait=0)
        self.assertEqual(out, pathlib.Path(self.one).read_bytes())
        self.assertEqual(err, b"")

    def test_complaints(self):
        _, err = self.report("--format", "json", self.bad)
        self.assertIn(b"reading [", err)
        lines = screen(err)
        self.assertEqual(len(lines), 2, lines)
        self.assertRegex(lines[0], r"^numatally: .*/bad.json: record \d+ is no JSON")
        self.assertEqual(lines[1], "")

    def test_merge(self):
        """It writes at the end only: what makes it long is a file that is slow to come."""
        folder = pathlib.Path(self.folder.name)
        slow = folder / "slow.json"
        os.mkfifo(slow)
        # Opened for both, it is there to be read at once, and has no end until it is closed.
        pipe = os.open(slow, os.O_RDWR)

        def feed():
            time.sleep(LONG)
            os.write(pipe, pathlib.Path(self.one).read_bytes())
            os.close(pipe)

        threading.Thread(target=feed).start()
        out, err = self.report("--merge", self.one, str(slow), self.one, wait=0)
        self.assertRegex(err, rb"\rreading \[#*\.*\] +\d+ % of [0-9.]+ MiB\r")
        self.assertRegex(out, rb"^numatally [0-9.]+: a job of 1 process on 1 host: ls\n")
        self.assertEqual(len(screen(err)), 3, screen(err))  # two are skipped

    def test_output_on_the_same_terminal(self):
        plain = subprocess.run([TOOL, "report", self.many], check=True,
                               capture_output=True).stdout
        _, err = self.report(self.many, together=True)
        self.assertIn(b"reading [", err)
        self.assertEqual(screen(err), [line.rstrip(" ") for line in
                                       plain.decode().split("\n")])

    def test_no_terminal(self):
        tool = subprocess.Popen([TOOL, "report", "--format", "json", self.many],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(LONG)
        self.assertEqual(tool.communicate()[1], b"")


for needed in TOOL, LIBRARY:
    if not os.path.exists(needed):
        print(f"skipped: {needed} is not built")
        sys.exit(77)
unittest.main()
