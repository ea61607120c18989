#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does an operation cost the same when there is already a lot?

10,000 to 100 million live blocks, 1 to 10,000 threads made before or waiting, heaps of
1 MiB to 16 GiB (growth/growth.c says what is done at each point). A reading is a process of
its own; the allocators take turns point by point and round by round, in an order drawn
anew. The figure is the median over the rounds, `again` this library measured a second time.

Growth is the dearest point of a row of points over the cheapest, by the least reading of
each, since others at work only ever add; flat is at most 1.2. What caches, the TLB and the kernel's threads cost by themselves grows, too: `touch` has the same
accesses to memory as `random`, without an allocator.
"""
import argparse
import csv
import os
import random
import re
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import run  # noqa: E402
from report import show, table_text  # noqa: E402

ROOT = os.path.dirname(HERE)
SUBJECT, AGAIN = allocators.SUBJECT, figures.CONTROL
PEERS = ("glibc", "jemalloc", "mimalloc")
FLAT = 1.2
HANG_SECONDS = 600  # a reading that takes this long is given up; it is no limit on speed
MIB = 1024 * 1024
# Kind, its points, bytes that a point needs for each of its count, what is counted, and the
# parts in the chart.
KINDS = (
    ("blocks", (10**4, 10**5, 10**6, 10**7, 10**8), 104, "live blocks of 64 bytes",
     ("build", "order", "random", "drop")),
    ("serial", (1, 10, 100, 1000, 10000), 0, "threads made before", ("thread",)),
    ("alive", (1, 10, 100, 1000, 10000), 64 * 1024, "threads that wait",
     ("create", "thread", "pair", "end")),
    ("heap64k", (1, 16, 256, 4096, 16384), 256 * 1024, "MiB in blocks of 64 KiB",
     ("build", "random", "drop")),
    ("heap1m", (1, 16, 256, 4096, 16384), 32 * 1024, "MiB in blocks of 1 MiB",
     ("build", "random", "drop")),
)


def choose_columns(build):
    library = os.path.join(build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        run.fail(f"{library} is not there: ./dev build, or name a build with --build")
    found, missing = allocators.packaged()
    return ([allocators.Allocator(SUBJECT, library), allocators.Allocator(AGAIN, library)]
            + [peer for peer in found if peer.name in PEERS],
            [f"missing: {text}" for text in missing if text.split()[0] in PEERS])


def memory_available():
    text = allocators.read_first("/proc/meminfo", "")
    found = re.search(r"MemAvailable: +([0-9]+) kB", text)
    return int(found[1]) * 1024 if found else 0


def fits(count, each, available):
    """Is there room for a point, with a fifth of what is free left to others?"""
    return count * each <= available * 0.8


def parse_reading(text):
    """({part: ns per operation}, the file that malloc came from)"""
    parts, library = {}, None
    for line in text.splitlines():
        name, value = line.split(" ", 1)
        if name == "malloc":
            library = value
        else:
            parts[name] = float(value.split()[0])
    if not parts or library is None:
        raise ValueError(f"not a reading: {text!r}")
    return parts, library


def read_point(program, column, kind, count, problems):
    """{part: ns}, empty after a problem."""
    what = f"{kind} {count} on {column.name}"
    try:
        done = subprocess.run([program, kind, str(count)], capture_output=True, text=True,
                              check=False, env=column.environment(), timeout=HANG_SECONDS)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["(nothing on stderr)"])[-1]
            raise ValueError(f"exit status {done.returncode}: {said}")
        parts, library = parse_reading(done.stdout)
        if not column.serves(library):
            raise ValueError(f"malloc came from {library}")
    except (ValueError, subprocess.TimeoutExpired) as error:
        problems.append(f"{what}: {error}")
        return {}
    return parts


def measure(columns, points, options, problems):
    """{(kind, part): {count: {column: [ns]}}}"""
    program = os.path.join(options.build, "bench", "growth", "growth")
    table, progress = {}, run.Progress(len(points) * len(columns) * options.rounds)
    for number in range(options.rounds):
        for kind, count, each in points:
            for column in random.sample(columns, len(columns)):
                progress.step(f"round {number + 1}/{options.rounds} {kind} {count} "
                              f"{column.name}")
                if not fits(count, each, memory_available()):
                    note = f"left out for lack of memory: {kind} {count}"
                    if note not in problems:
                        problems.append(note)
                    continue
                for part, ns in read_point(program, column, kind, count, problems).items():
                    row = table.setdefault((kind, part), {}).setdefault(count, {})
                    row.setdefault(column.name, []).append(ns)
    progress.end()
    return table


def middles(rows):
    """{count: {column: median}}"""
    return {count: {name: statistics.median(values) for name, values in row.items()}
            for count, row in sorted(rows.items())}


def least(rows):
    """{count: {column: least reading}}"""
    return {count: {name: min(values) for name, values in row.items()}
            for count, row in sorted(rows.items())}


def growth_of(rows, name):
    """(dearest over cheapest, the count of the dearest); None without two points."""
    costs = [(row[name], count) for count, row in rows.items() if name in row]
    if len(costs) < 2 or min(costs)[0] <= 0:
        return None
    return max(costs)[0] / min(costs)[0], max(costs)[1]


def report(table, names):
    described = {kind: text for kind, _, _, text, _ in KINDS}
    rows, flat, over = [], [], []
    for (kind, part), counts in table.items():
        medians = middles(counts)
        for count, row in medians.items():
            rows.append([f"{kind}/{part}", str(count)]
                        + [show(row.get(name), 1) for name in names])
        grown = {name: growth_of(least(counts), name) for name in names}
        flat.append([f"{kind}/{part}"] + ["-" if not grown[name] else f"{grown[name][0]:.2f}"
                                          for name in names])
        if grown.get(SUBJECT) and grown[SUBJECT][0] > FLAT:
            flat[-1][1] += " *"
            peers = [grown[name][0] for name in names
                     if name not in (SUBJECT, AGAIN) and grown[name]]
            over.append(f"  {kind}/{part} {grown[SUBJECT][0]:.2f}, dearest at "
                        f"{grown[SUBJECT][1]} {described[kind]}"
                        + (f"; peers {min(peers):.2f} to {max(peers):.2f}" if peers
                           else ""))
        else:
            flat[-1][1] += "  "
    return "\n\n".join([
        "Nanoseconds of CPU time per operation, median\n"
        + table_text(["", "count"] + names, rows),
        "Growth: the dearest point over the cheapest, by the least reading of each\n"
        + table_text([""] + [names[0] + "  "] + names[1:], flat),
        f"* above the mark of {FLAT}:\n" + ("\n".join(over) or "  nowhere")])


def write_csv(path, table, names):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["kind", "part", "count", "column", "readings", "median_ns", "min_ns",
                      "max_ns"])
        for (kind, part), counts in table.items():
            for count, row in sorted(counts.items()):
                for name in names:
                    values = row.get(name, [])
                    if values:
                        out.writerow([kind, part, count, name, len(values),
                                      f"{statistics.median(values):.3f}",
                                      f"{min(values):.3f}", f"{max(values):.3f}"])


def plot_script(table, names, out):
    """A gnuplot script: a panel for each part in KINDS' last column."""
    panels = [(kind, part, text) for kind, _, _, text, parts in KINDS for part in parts
              if (kind, part) in table]
    columns = 3
    height = (len(panels) + columns - 1) // columns
    lines = [f"set terminal svg size {360 * columns},{270 * height} font 'sans,10'",
             f"set output '{out}'", "set logscale xy", "set grid", "set key below",
             "set format x '10^{%L}'", f"set multiplot layout {height},{columns}"]
    for number, (kind, part, text) in enumerate(panels):
        medians = middles(table[kind, part])
        curves = []
        for name in names:
            points = [f"{count} {row[name]:.4f}" for count, row in medians.items()
                      if name in row]
            if points and name != AGAIN:
                lines += [f"$d{number}_{len(curves)} << EOD", *points, "EOD"]
                curves.append(f"$d{number}_{len(curves)} with linespoints title '{name}'")
        lines += [f"set title '{kind}/{part}, ns'", f"set xlabel '{text}'"]
        if curves:
            lines.append("plot " + ", ".join(curves))
    return "\n".join(lines + ["unset multiplot", ""])


def plot(table, names, path):
    subprocess.run(["gnuplot"], input=plot_script(table, names, path), text=True,
                   check=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench --growth", description="Time per operation against what there is "
        "already: live blocks, threads, size of the heap.")
    parser.add_argument("--quick", action="store_true",
                        help="one round, without the largest points")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only the kinds that match: "
                        + ", ".join(kind for kind, *_ in KINDS))
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write growth.csv, .txt and .svg here (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and bench/ were built")
    parser.add_argument("--rounds", type=int, help="readings of each point (3)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main():
    options = parse_arguments()
    columns, notes = choose_columns(options.build)
    points = [(kind, count, each) for kind, counts, each, _, _ in KINDS
              if re.search(options.only, kind)
              for count in (counts[:-1] if options.quick else counts)]
    if not points:
        run.fail(f"--only {options.only!r} matches none of the kinds")
    names = [column.name for column in columns]
    lines = [f"{name:12} {value}" for name, value in allocators.conditions()]
    lines += [f"{column.name:12} {column.preload or column.package}" for column in columns]
    conditions = "\n".join(lines + [f"{'readings':12} {options.rounds} of each point, "
                                    "interleaved"] + notes)
    print(conditions + "\n", flush=True)
    problems = []
    table = measure(columns, points, options, problems)
    text = "\n\n".join([report(table, names), f"load after   {allocators.load()}"]
                       + [f"problem: {problem}" for problem in problems])
    print(text)
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, "growth.csv"), table, names)
        with open(os.path.join(options.save, "growth.txt"), "w", encoding="utf-8") as file:
            file.write(f"{conditions}\n\n{text}\n".replace(ROOT + "/", ""))
        if shutil.which("gnuplot"):
            plot(table, names, os.path.join(options.save, "growth.svg"))
        else:
            print("missing: gnuplot (Debian package gnuplot-nox): no growth.svg")
        print(f"written: growth.csv, growth.txt, growth.svg in {options.save}")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
