# SPDX-License-Identifier: MIT
#
# For test_top.py: programs to watch, a terminal of tmux's, and waiting for what shall appear,
# without a limit that a slow machine could miss (WAIT is for what never comes).
import os
import re
import subprocess
import sys
import tempfile
import time

TOOL = os.path.join(os.environ["NT_BUILD"], "numatally")
LIBRARY = os.path.join(os.environ["NT_BUILD"], "libnumatally_malloc.so")
PYTHON = sys.executable
WAIT = 120  # seconds
CLEAN = {k: v for k, v in os.environ.items()
         if not k.startswith("NUMATALLY") and k not in ("LD_PRELOAD", "NO_COLOR", "TMUX")}

VIEWS = ("nodes", "classes", "pools", "threads", "phases", "tracked", "matrix")

# Threads, pools, phases, frees from node to node; then its own record, and silence.
STILL = """
import ctypes, os, signal, sys, threading, time
lib = ctypes.CDLL(None)
lib.malloc.restype = lib.nt_pool_malloc.restype = ctypes.c_void_p
lib.malloc.argtypes = [ctypes.c_size_t]
lib.nt_pool_malloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
lib.free.argtypes = [ctypes.c_void_p]
lib.nt_mark(b"setup")
kept = [lib.malloc(100 * i) for i in range(1, 300)] + [lib.malloc(3 << 20)]
pool = ctypes.c_void_p()
assert lib.nt_pool_create(None, ctypes.byref(pool)) == 0
lib.nt_pool_name(pool, "M\\u00e4sh".encode())
kept_in_pool = [lib.nt_pool_malloc(pool, 64) for i in range(1000)]
go, done = threading.Event(), threading.Event()
def other():
    lib.nt_thread_name(b"other \\033[31m")
    lib.nt_mark(b"work")
    mine = [lib.malloc(48) for i in range(5000)]
    for p in kept[:100]:
        lib.free(p)
    done.set()
    go.wait()
t = threading.Thread(target=other)
t.start()
done.wait()
lib.nt_mark(None)
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
time.sleep(1.5)  # by then a newer live file is due, and this call ends with it
lib.nt_report(out, 1)
signal.pause()
"""

# Goes on until it is told not to: 700 KB more each 20 ms, of which some go again.
BUSY = """
import time
kept = []
while True:
    kept.append(bytearray(700000))
    del kept[:-20]
    time.sleep(0.02)
"""

GROWN = r"^node 0 +([6-9]|1\d)[\d.]*M "  # so much of it that there are large blocks

# The same, until there is a file of that name.
BUSY_UNTIL = BUSY.replace("while True", "import os, sys\nwhile not os.path.exists(sys.argv[1])")


def wait_for(what, test):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        found = test()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def count(n):
    """As top writes counts and bytes (src/tool/top_text.c), by other means."""
    return str(n) if n < 10**7 else scaled(n, 1000)


def size(n):
    return str(n) if n < 1024 else scaled(n, 1024)


def scaled(n, unit):
    for power, letter in enumerate("KMGTPE", 1):
        x = n / unit**power
        if x < 999.5:
            return f"{x:.{2 if x < 9.995 else 1 if x < 99.95 else 0}f}{letter}"
    raise AssertionError(n)


class Terminal:
    """A session of tmux's, and the command in it."""

    def __init__(self, folder, command, columns=120, lines=30, **env):
        self.socket = tempfile.mktemp(dir=folder)
        self.status = os.path.join(folder, "status")
        if os.path.exists(self.status):
            os.remove(self.status)
        settings = {**CLEAN, "LC_ALL": "C.UTF-8", **env}
        script = " ".join(f"'{word}'" for word in command)
        subprocess.run(["tmux", "-f", "/dev/null", "-S", self.socket, "new-session", "-d",
                        "-x", str(columns), "-y", str(lines),
                        f"trap : INT; {script}; echo $? >'{self.status}'; "
                        "trap - INT; exec sleep 1000"],
                       env=settings, check=True)
        self.run("set", "-g", "window-size", "manual")

    def run(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], check=True,
                              capture_output=True, text=True, env=CLEAN).stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def text(self, *options):
        return self.run("capture-pane", "-p", *options)

    def see(self, pattern):
        def test():
            text = self.text()
            return text if re.search(pattern, text, re.M) else None
        try:
            return wait_for(pattern, test)
        except AssertionError:
            raise AssertionError(f"never seen: {pattern}, but:\n{self.text()}") from None

    def settle(self):
        """What it shows when two looks at it show the same: not a half of a picture."""
        texts = [self.text()]

        def test():
            time.sleep(0.1)
            texts.append(self.text())
            return texts[-1] == texts[-2] and texts[-1]
        return wait_for("a picture that stays", test)

    def resize(self, columns, lines):
        self.run("resize-window", "-x", str(columns), "-y", str(lines))

    def ended(self):
        """The command's exit status, when it has ended."""
        def test():
            with open(self.status, encoding="utf-8") as file:
                return file.read().strip()
        return int(wait_for("its end", lambda: os.path.exists(self.status) and test()))

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False,
                       stderr=subprocess.DEVNULL, env=CLEAN)
