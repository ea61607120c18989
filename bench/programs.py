# SPDX-License-Identifier: MIT
"""Real programs to time: what they do, and the CPU time of a run."""
import os
import re
import resource
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANG_SECONDS = 60  # a run that takes this long is given up; it is no limit on speed
JSON = """import json
for _ in range(2):
    lines = [json.dumps({"a": list(range(i % 300)), "b": str(i) * 5}) for i in range(8000)]
    rows = [json.loads(line) for line in lines]
"""
SQL = """create table t(a integer primary key, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000)
    insert into t select x, hex(randomblob(20)) from c;
create index i on t(b);
select count(*) from t a join t b on a.b = b.b;
"""


def prepare(folder):
    """({name: (command, file for standard input)}, what is missing)."""
    def write(name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    found, missing = {}, []
    found["python3 json"] = [sys.executable, write("work.py", JSON)], os.devnull
    if shutil.which("sqlite3"):
        found["sqlite3"] = ["sqlite3", ":memory:"], write("work.sql", SQL)
    else:
        missing.append("missing: sqlite3 (Debian package sqlite3)")
    try:
        # The compiler itself: of the driver's children not every profiler comes to know.
        compiler = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True,
                                  text=True, check=True).stdout.strip()
        source = os.path.join(folder, "alloc.i")
        subprocess.run(["gcc", "-E", "-D_GNU_SOURCE", "-I", ROOT, "-I", f"{ROOT}/include",
                        f"{ROOT}/src/heap/alloc.c", "-o", source], check=True,
                       stderr=subprocess.DEVNULL)
        found["gcc -O2"] = [compiler, "-quiet", "-O2", "-fpreprocessed", source, "-o",
                            os.devnull], os.devnull
    except (OSError, subprocess.CalledProcessError) as error:
        missing.append(f"missing: gcc -O2: {error}")
    return found, missing


def cpu_seconds(reader, column, name, command, stdin, cpu):
    """User and system time of one run; None (and a remembered problem) if it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(stdin, "rb") as file:
        try:
            done = subprocess.run(command, stdin=file, capture_output=True, check=False,
                                  env=column.environment(), timeout=HANG_SECONDS,
                                  preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        except subprocess.TimeoutExpired:
            return reader.problem(f"{name} on {column.name}: no end in "
                                  f"{HANG_SECONDS} s")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # That a setting is not understood is all that these two say.
    wrong = re.search(rb"^(<jemalloc>|numatally): .*", done.stderr, re.MULTILINE)
    if done.returncode != 0 or wrong:
        said = wrong[0].decode() if wrong else f"exit status {done.returncode}"
        return reader.problem(f"{name} on {column.name}: {said}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
