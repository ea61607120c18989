#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What does it cost a program to be watched by numatally top?

`off` keeps no live file; `live` keeps one, which is all that the program does for whoever
watches it; `watched` is read by numatally top ten times a second besides, on the other
cpus. `again` is `off` measured a second time: what it differs by is noise.

Cases of the bench programs (CPU time per operation) and real programs (CPU time of the
process). In each round every case runs on all columns, in an order drawn anew, all on one
cpu: another one in each round. A ratio is the median over the rounds of on / off of the same
round; in brackets is its 95 % bootstrap interval. Then the instructions per malloc+free
pair, counted as `run.py --instructions` does.
"""
import argparse
import csv
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import sampling  # noqa: E402

ROOT = os.path.dirname(HERE)
OFF, AGAIN, LIVE, WATCHED = allocators.SUBJECT, figures.CONTROL, "live", "watched"
ONES = (AGAIN, LIVE, WATCHED)
COUNTED = r"pairs/(64|1K|32K)|calloc/64|lifo/16|large/1M"
LOOKS_A_SECOND = 10


class Watcher(threading.Thread):
    """Has numatally top look at each process that has a file in `folder`."""

    def __init__(self, tool, folder):
        super().__init__()
        self.tool, self.folder = tool, folder
        self.over = threading.Event()
        self.tops, self.seen = [], set()

    def run(self):
        while not self.over.wait(0.005):
            for name in set(os.listdir(self.folder)) - self.seen:
                if name.endswith(".live"):
                    self.seen.add(name)
                    self.tops.append(subprocess.Popen(
                        [self.tool, "top", "--json", "-d", str(1 / LOOKS_A_SECOND), "-o",
                         os.devnull, os.path.join(self.folder, name)],
                        stderr=subprocess.DEVNULL))
            self.tops = [top for top in self.tops if top.poll() is None]

    def end(self):
        self.over.set()
        self.join()
        for top in self.tops:
            top.terminate()
            top.wait()


def make_columns(build, folder):
    library = os.path.join(build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        run.fail(f"{library} is not there: ./dev build, or name a build with --build")
    columns = [allocators.Allocator(name, library) for name in (OFF, *ONES)]
    for column in columns[2:]:
        place = os.path.join(folder, column.name)
        os.mkdir(place)
        column.settings = {"NUMATALLY_CONF": f"live:{place}"}
    return columns


def measure_instructions(reader, columns, cases, options, folder):
    """{case: (off, live)}: instructions per pair."""
    found = {}
    for program, case in cases:
        if not re.fullmatch(COUNTED, case):
            continue
        row = [run.count_once(reader, column, program, case, options.steps, folder)
               for column in (columns[0], columns[2])]
        if all(row):
            found[case] = tuple(counted[0] for counted in row)
    return found


def ratio(row, name):
    """(median, low, high) of on / off of the same round; None without any."""
    pairs = [on / off for on, off in zip(row.get(name, []), row.get(OFF, [])) if on and off]
    return figures.interval(pairs) if pairs else None


def time_report(times):
    rows = []
    for case, row in times.items():
        off = [value for value in row.get(OFF, []) if value]
        rows.append([case, report.show(statistics.median(off), 1 if "/" in case else 3)
                     if off else "-"] + [sampling.said(ratio(row, name)) for name in ONES])
    lines = ["CPU time. off: in ns per operation, of whole programs in s. The others: the "
             "median of\non / off, and its 95 % interval",
             report.table_text(["case", "off", *ONES], rows)]
    for name in ONES:
        all_ratios = [figure[0] for row in times.values() if (figure := ratio(row, name))]
        if all_ratios:
            lines.append(f"geometric mean of {name}: "
                         f"{statistics.geometric_mean(all_ratios):.3f}")
    return "\n".join(lines)


def instruction_report(counted):
    if not counted:
        return "No instructions were counted"
    return ("Instructions per malloc+free pair, the updates of the live file included\n"
            + report.table_text(["case", "off", "live", "live - off"],
                                [[case, f"{off:.3f}", f"{live:.3f}", f"{live - off:+.3f}"]
                                 for case, (off, live) in counted.items()]))


def look_cost(tool, column):
    """Processor time of one look of numatally top's, in ms, writing JSON; None."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                               env=column.environment())
    folder = column.settings["NUMATALLY_CONF"].removeprefix("live:")
    try:
        for _ in range(200):
            if any(f"-{program.pid}" in name for name in os.listdir(folder)):
                break
            threading.Event().wait(0.01)
        used = []
        for looks in 1, 101:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([tool, "top", "--json", "-d", "0.01", "-n", str(looks),
                                   "-o", os.devnull, str(program.pid)], check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode != 0:
                return None
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return (used[1] - used[0]) * 1000 / 100
    finally:
        program.kill()
        program.wait()


def write_csv(path, times, counted):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["case", "column", "unit", "rounds", "ratio", "low", "high"])
        for case, row in times.items():
            for name in ONES:
                figure = ratio(row, name)
                if figure:
                    out.writerow([case, name, "ns" if "/" in case else "s", len(row[name])]
                                 + [f"{x:.4f}" for x in figure])
        for case, (off, live) in counted.items():
            out.writerow([case, LIVE, "instructions", 1, f"{live / off:.4f}", "", ""])


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="dev bench --watching",
        description="What a live file, and numatally top on it, cost the program.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter readings")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only the cases and programs whose names match")
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write watching.csv and watching.txt (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library, the tool and bench/ were built")
    parser.add_argument("--rounds", type=int, help="readings per case and column")
    parser.set_defaults(instructions=False, two_nodes=False, steps=200)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 15)
    options.ms = 40 if options.quick else 100
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only}: not a regular expression: {error}")
    return options


def main():
    options = parse_arguments()
    tool = os.path.join(options.build, "numatally")
    with tempfile.TemporaryDirectory(prefix="numatally-watching-", dir="/dev/shm") as folder:
        columns, notes = make_columns(options.build, folder), []
        if not shutil.which("valgrind"):
            notes.append("missing: valgrind (Debian package valgrind)")
        found, missing = programs.prepare(folder, sampling.PROGRAMS.values())
        real = {name: found[program] for name, program in sampling.PROGRAMS.items()
                if program in found and re.search(options.only, name)}
        cases = [pair for pair in run.find_cases(os.path.join(options.build, "bench"),
                                                 f"^({sampling.CASES})$", False)
                 if re.search(options.only, pair[1])]
        if not cases and not real:
            run.fail(f"--only {options.only!r} matches no case and no program")
        conditions = run.describe(columns, notes + missing, options).replace(folder, "/tmp")
        print(conditions + "\n", flush=True)
        reader, counted = run.Reader(), {}
        if shutil.which("valgrind"):
            counted = measure_instructions(reader, columns, cases, options, folder)
        runner = programs.Runner(os.path.join(options.build, "bench", "launch"), folder,
                                 reader)
        watcher = Watcher(tool, os.path.join(folder, WATCHED))
        watcher.start()
        try:
            times = sampling.measure_times(reader, columns, cases, real, options, runner)
        finally:
            watcher.end()
        reader.problems += programs.differing(runner.outputs)
        one_look = look_cost(tool, columns[2])
    text = "\n\n".join([conditions, time_report(times), instruction_report(counted),
                        f"processes that numatally top watched: {len(watcher.seen)}\n"
                        "one look of its own, JSON written: "
                        + (f"{one_look:.2f} ms" if one_look else "-"),
                        f"load after   {allocators.load()}"])
    text += "".join(f"\nproblem: {problem}" for problem in reader.problems)
    print(text[len(conditions) + 2:])
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, "watching.csv"), times, counted)
        with open(os.path.join(options.save, "watching.txt"), "w",
                  encoding="utf-8") as file:
            file.write(f"{text}\n".replace(ROOT + "/", ""))
        print(f"written: watching.csv and watching.txt in {options.save}")
    return 1 if reader.problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
