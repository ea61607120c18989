#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is this library as fast as the others? Runs the bench programs on every allocator.

All allocators take turns, case by case and round by round, so that whatever the machine
does meanwhile hits them alike; the order rotates with each round. Each reading is a
process of its own. The figure is the median over the rounds. Columns: this library
(numatally), the same library measured a second time (again: what differs between these
two is noise), glibc, and Debian's packaged allocators as far as they are installed.

--instructions counts instead of timing: the instructions inside malloc+free (the calls
included, the loop and the touch of the block taken off) per pair, by callgrind. The loop
is taken off by attribution, not by guess: callgrind books each instruction on a function
and on its callers. What is booked on the function that holds the loop (work_*) is the
loop and the touch; what is booked on the functions that it called is malloc and free,
with everything below them; one instruction is added per call, as the programs are built
to call without a stub. Steps of warm-up are not counted. Two checks: the loop costs the
same number on every allocator, and the calls are exactly two per pair.

--two-nodes asks what the code for several nodes costs: twonodes.py.
"""
import argparse
import csv
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import twonodes  # noqa: E402

ROOT = os.path.dirname(HERE)
HANG_SECONDS = 60  # a reading that takes this long is given up; it is no limit on speed
# The reference cases of the instruction mode; --quick counts only these.
REFERENCE = (r"pairs/(16|64|1K|4K|32K)|lifo/(64|4K|32K)|mixed/random|calloc/64")


class Progress:
    """One line on stderr, rewritten on a terminal, now and then in a log."""

    def __init__(self, total):
        self.total, self.done = total, 0
        self.started = self.said = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def step(self, what):
        now = time.monotonic()
        if self.terminal or now - self.said >= 15:
            left = (now - self.started) * (self.total - self.done) / max(1, self.done)
            text = f"{self.done}/{self.total}  about {left:.0f} s left  {what}"
            print(f"\r{text:<78}" if self.terminal else text,
                  end="" if self.terminal else "\n", file=sys.stderr, flush=True)
            self.said = now
        self.done += 1

    def end(self):
        if self.terminal:
            print(f"\r{'':<78}\r", end="", file=sys.stderr, flush=True)


def fail(message):
    print(f"bench: {message}", file=sys.stderr)
    sys.exit(2)


def find_cases(folder, pattern, counted_only, quick=False):
    """[(program path, case name)] of all programs in the folder, as they list them; with
    `quick` without those that they call slow."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("bench_")
                       and os.access(os.path.join(folder, name), os.X_OK))
    except OSError as error:
        fail(f"cannot read the programs: {error}: build them first "
             "(cmake --preset release && cmake --build --preset release)")
    cases = []
    for name in names:
        program = os.path.join(folder, name)
        listed = subprocess.run([program, "--list"], capture_output=True, text=True,
                                check=False, env=allocators.Allocator("").environment())
        if listed.returncode != 0:
            fail(f"{program} --list ended with status {listed.returncode}: build it again")
        for words in (line.split() for line in listed.stdout.splitlines()):
            if (counted_only and "counted" not in words) or (quick and "slow" in words):
                continue
            if re.search(pattern, words[0]):
                cases.append((program, words[0]))
    if not cases:
        fail(f"no case matches {pattern!r} in {folder}")
    return cases


def choose_allocators(options):
    """The columns of the run: (allocators, name of the subject, notes to print)."""
    columns, missing = allocators.packaged()
    notes = [f"missing: {name}" for name in missing]
    library = os.path.join(options.build, "libnumatally_malloc.so")
    if os.path.exists(library):
        columns.insert(0, allocators.Allocator(allocators.SUBJECT, library))
    else:
        notes.append(f"missing: {allocators.SUBJECT} ({library}): the ratios are glibc's")
    if options.instructions:
        for name in figures.WITHOUT:
            path = os.path.join(options.build, "bench", f"libnumatally_{name}.so")
            if os.path.exists(path):
                columns.append(allocators.Allocator(name, path))
    for text in options.extra:
        name, mark, path = text.partition("=")
        if not mark or not name or not os.path.exists(path):
            fail(f"--with {text}: want NAME=PATH of a shared library that exists")
        if name == figures.CONTROL or name in [column.name for column in columns]:
            fail(f"--with {text}: the name {name} is taken")
        columns.append(allocators.Allocator(name, os.path.abspath(path)))
    by_name = {column.name: column for column in columns}
    for text in options.env:
        name, mark, setting = text.partition(":")
        if not mark or "=" not in setting or name not in by_name:
            fail(f"--env {text}: want NAME:VARIABLE=VALUE, NAME one of "
                 f"{', '.join(by_name)}")
        variable, _, value = setting.partition("=")
        by_name[name].settings[variable] = value
    subject = columns[0]
    if options.two_nodes:
        if subject.name != allocators.SUBJECT:
            fail(f"no {library}: build it first")
        return twonodes.choose_columns(subject), subject.name, []
    if not options.instructions:
        again = allocators.Allocator(figures.CONTROL, subject.preload)
        again.settings = subject.settings
        columns.insert(1, again)
    return columns, subject.name, notes


class Reader:
    """Runs single readings, and remembers what went wrong."""

    def __init__(self):
        self.problems = []

    def run(self, allocator, case, command, cpu=None):
        """The parsed line of one run, on one cpu only if one is given; None (and a
        remembered problem) if it failed."""
        pin = None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  env=allocator.environment(), timeout=HANG_SECONDS,
                                  preexec_fn=pin)
        except subprocess.TimeoutExpired:
            return self.problem(f"{case} on {allocator.name}: no end in {HANG_SECONDS} s")
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["(nothing on stderr)"])[-1]
            return self.problem(f"{case} on {allocator.name}: exit status "
                                f"{done.returncode}: {said}")
        try:
            line = figures.parse_line(done.stdout)
        except (ValueError, KeyError) as error:
            return self.problem(f"{case} on {allocator.name}: {error}")
        if not allocator.serves(line["malloc"]):
            return self.problem(f"{case} on {allocator.name}: malloc came from "
                                f"{line['malloc']}, so this was not {allocator.name}")
        return line

    def problem(self, text):
        if text not in self.problems:
            self.problems.append(text)


def measure_times(columns, cases, options):
    """({case: {allocator: [ns]}}, the same with peak KiB, problems)."""
    times = {case: {column.name: [] for column in columns} for _, case in cases}
    peaks = {case: {column.name: [] for column in columns} for _, case in cases}
    reader, progress = Reader(), Progress(options.rounds * len(cases) * len(columns))
    for number in range(options.rounds):
        for program, case in cases:
            turn = (number + len(case)) % len(columns)
            for column in columns[turn:] + columns[:turn]:
                progress.step(f"round {number + 1}/{options.rounds} {case} {column.name}")
                line = reader.run(column, case, [program, "--case", case, "--ms",
                                                 str(options.ms)])
                if line:
                    times[case][column.name].append(figures.cost_of(line))
                    if line["peak_kib"]:
                        peaks[case][column.name].append(line["peak_kib"])
    progress.end()
    return times, peaks, reader.problems


def count_once(reader, column, program, case, steps, folder):
    """(instructions inside, of the loop), both per operation; None if it failed."""
    out = os.path.join(folder, "callgrind.out")
    line = reader.run(column, case, [
        "valgrind", "-q", "--tool=callgrind", "--compress-strings=no",
        "--compress-pos=no", "--zero-before=bench_mark",
        f"--callgrind-out-file={out}", program, "--case", case, "--steps", str(steps)])
    if not line:
        return None
    with open(out, encoding="utf-8", errors="replace") as file:
        loop, inside, calls = figures.callgrind_work(file.read())
    if calls != 2 * line["ops"]:
        return reader.problem(f"{case} on {column.name}: {calls} calls were counted for "
                              f"{line['ops']} pairs: the figure is not to be trusted")
    return (inside + calls) / line["ops"], loop / line["ops"]


def measure_instructions(columns, cases, options):
    """{case: {allocator: [instructions per pair]}} and problems."""
    table = {case: {column.name: [] for column in columns} for _, case in cases}
    reader, progress = Reader(), Progress(len(cases) * len(columns))
    with tempfile.TemporaryDirectory(prefix="numatally-bench-") as folder:
        for program, case in cases:
            loops = {}
            for column in columns:
                progress.step(f"counting {case} {column.name}")
                counted = count_once(reader, column, program, case, options.steps, folder)
                if counted:
                    table[case][column.name].append(counted[0])
                    loops[column.name] = counted[1]
            if loops and max(loops.values()) - min(loops.values()) > 0.01:
                reader.problem(f"{case}: the loop itself differs between allocators "
                               f"({loops}), so it was not taken off alike")
    progress.end()
    return table, reader.problems


def show(value, digits):
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def table_text(head, rows):
    """Columns under each other: the first to the left, all others to the right."""
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    return "\n".join("  ".join([row[0].ljust(widths[0])] +
                               [cell.rjust(width) for cell, width
                                in zip(row[1:], widths[1:])]).rstrip()
                     for row in [head] + rows)


def case_table(medians, names, subject, peers, digits):
    """A row per case: each allocator's figure, then the subject's two ratios."""
    rows = []
    for case, row in medians.items():
        ratios = ["-", "-"]
        if subject in row:
            ratios = [show(figures.ratio_to_best(row, subject), 2),
                      show(figures.ratio_to_median_peer(row, subject, peers), 2)]
        rows.append([case] + [show(row.get(name), digits) for name in names] + ratios)
    return table_text(["case"] + names + ["to best", "to median peer"], rows)


def mean_table(medians, names, label):
    means = figures.group_means(medians, names)
    return table_text([label] + names, [
        [group] + [show(row.get(name), 2) for name in names]
        for group, row in means.items()])


def losses(medians, subject, peers):
    """The cases in which the subject is dearer than the median peer, worst first."""
    found = []
    for case, row in medians.items():
        if subject in row:
            ratio = figures.ratio_to_median_peer(row, subject, peers)
            if ratio > 1:
                found.append((ratio, case))
    return [f"{case} {ratio:.2f}" for ratio, case in sorted(found, reverse=True)]


def time_report(times, peaks, names, subject, peers):
    medians, memory = figures.medians(times), figures.medians(peaks)
    spread = figures.control_spread(medians, subject)
    worse = losses(medians, subject, peers)
    return "\n\n".join([
        "Nanoseconds per operation, median (one thread: CPU time; several: wall clock)\n"
        + case_table(medians, names, subject, peers, 1),
        "Time: geometric mean of the ratios to the best of each case\n"
        + mean_table(medians, names, "group"),
        "Peak resident memory: geometric mean of the ratios to the best of each case\n"
        + mean_table(memory, names, "group"),
        f"A/A control ({subject} against itself): half of the cases differ by up to "
        f"{100 * figures.quantile(spread, 0.5):.1f} %, nine of ten by up to "
        f"{100 * figures.quantile(spread, 0.9):.1f} %, all by up to "
        f"{100 * figures.quantile(spread, 1):.1f} %",
        f"{subject} slower than the median peer: "
        + (", ".join(worse) if worse else "nowhere"),
    ])


def instruction_report(table, names, subject, peers):
    medians = figures.medians(table)
    return ("Instructions inside malloc+free per pair (the calls included, the loop and "
            "the touch taken off)\n" + case_table(medians, names, subject, peers, 1))


def write_csv(path, readings, peaks, subject, peers, unit):
    """One row per case and allocator; ratios are those of that allocator."""
    medians, memory = figures.medians(readings), figures.medians(peaks)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["case", "allocator", "subject", "readings", f"median_{unit}",
                      f"min_{unit}", f"max_{unit}", "ratio_to_best",
                      "ratio_to_median_peer", "peak_kib"])
        for case, row in medians.items():
            for name, median in row.items():
                values = readings[case][name]
                out.writerow([
                    case, name, int(name == subject), len(values), f"{median:.3f}",
                    f"{min(values):.3f}", f"{max(values):.3f}",
                    show(figures.ratio_to_best(row, name), 4),
                    show(figures.ratio_to_median_peer(row, name, peers), 4),
                    f"{memory.get(case, {}).get(name, 0):.0f}"])


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench", description="The bench programs on this library and its peers.")
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter readings: under three minutes")
    parser.add_argument("--instructions", action="store_true",
                        help="count instructions per malloc+free pair (callgrind)")
    parser.add_argument("--two-nodes", action="store_true",
                        help="this library beside itself on two made-up nodes")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only the cases whose names match")
    parser.add_argument("--with", dest="extra", metavar="NAME=PATH.so", action="append",
                        default=[], help="another allocator to preload; repeatable")
    parser.add_argument("--env", metavar="NAME:VAR=VALUE", action="append", default=[],
                        help="a setting for one allocator only; repeatable")
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write CSV, table and machine here (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and bench/ were built")
    parser.add_argument("--rounds", type=int, help="readings per case and allocator")
    parser.add_argument("--ms", type=int, help="length of one reading")
    parser.add_argument("--steps", type=int, default=40,
                        help="steps counted per case with --instructions and "
                        "--two-nodes (default 40)")
    options = parser.parse_args()
    if options.two_nodes and (options.instructions or options.extra or options.env):
        parser.error("--two-nodes has its own columns: leave out --instructions, --with "
                     "and --env")
    options.rounds = options.rounds or (5 if options.quick else 9)
    options.ms = options.ms or (40 if options.quick else 200)
    if min(options.rounds, options.ms, options.steps) < 1:
        parser.error("--rounds, --ms and --steps must be at least 1")
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only}: not a regular expression: {error}")
    return options


def describe(columns, notes, options):
    """The conditions of this run, as text."""
    lines = [f"{name:12} {value}" for name, value in allocators.conditions()]
    for column in columns:
        version = allocators.package_version(column.package) if column.package else ""
        settings = " ".join(f"{k}={v}" for k, v in column.settings.items())
        words = [column.preload or "the C library's own", column.package, version, settings]
        lines.append(f"{column.name:12} " + " ".join(word for word in words if word))
    if options.instructions:
        lines.append(f"{'counted':12} {options.steps} steps after as many of warm-up")
    elif options.two_nodes:
        lines += twonodes.describe(options)
    else:
        lines.append(f"{'readings':12} {options.rounds} of {options.ms} ms, interleaved")
    return "\n".join(lines + notes)


def main():
    options = parse_arguments()
    if options.instructions and not shutil.which("valgrind"):
        fail("--instructions needs valgrind, which is not installed: "
             "apt-get install valgrind")
    if options.two_nodes and not shutil.which("strace"):
        fail("--two-nodes needs strace, which is not installed: apt-get install strace")
    columns, subject, notes = choose_allocators(options)
    cases = find_cases(os.path.join(options.build, "bench"), options.only,
                       options.instructions,
                       (options.quick or options.two_nodes) and not options.only)
    if options.instructions and options.quick:
        cases = [pair for pair in cases if re.fullmatch(REFERENCE, pair[1])]
        if not cases:
            fail(f"--quick counts the reference cases only ({REFERENCE}), and none of "
                 f"them matches {options.only!r}: leave --quick out")
    names = [column.name for column in columns]
    peers = [column.name for column in columns if column.peer]
    conditions = describe(columns, notes, options)
    print(conditions + "\n", flush=True)

    peaks = {}
    if options.two_nodes:
        kind, unit = "twonodes", "ns"
        reader = Reader()
        readings, faults, calls = twonodes.measure(columns, cases, options, reader,
                                                   Progress)
        problems = reader.problems
        report = twonodes.report(readings, faults, calls, table_text)
    elif options.instructions:
        kind, unit = "instructions", "instructions"
        readings, problems = measure_instructions(columns, cases, options)
        report = instruction_report(readings, names, subject, peers)
    else:
        kind, unit = "time", "ns"
        readings, peaks, problems = measure_times(columns, cases, options)
        report = time_report(readings, peaks, names, subject, peers)
    report += f"\n\nload after   {allocators.load()}"
    print(report)
    for problem in problems:
        print(f"problem: {problem}")
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, f"{kind}.csv"), readings, peaks, subject,
                  peers, unit)
        with open(os.path.join(options.save, f"{kind}.txt"), "w", encoding="utf-8") as file:
            file.write(conditions + "\n\n" + report + "\n")
            file.writelines(f"problem: {problem}\n" for problem in problems)
        print(f"written: {kind}.csv and {kind}.txt in {options.save}")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
