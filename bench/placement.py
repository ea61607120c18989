#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much of a thread's memory lies on other nodes? bench_placement on this library and
on the others, in the lab (tests/lab): one boot a topology, all allocators in it.

A figure is the share of bytes on a wrong node, in percent, over all nodes' threads. It
counts pages and times nothing, so that emulation does it no harm. bench_placement.c says
what the rows are.
"""
import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402

ROOT = os.path.dirname(HERE)
LAB = os.path.join(ROOT, "tests", "lab", "lab.sh")
TOPOLOGIES = ("2x2", "4x1", "8x1")
SIZES = ("small", "medium", "large")
ROWS = (
    ("own", "a pinned thread's own blocks"),
    ("freed", "after it freed the other node's blocks"),
    ("exited", "after a thread of the other node exited"),
    ("moved", "after it moved to the other node"),
    ("handed", "a consumer frees a producer's, both allocate"),
    ("array", "a 1 MiB array, first touched by two nodes"),
)
BOOT_SECONDS = 1800  # a boot with all its programs is given up then


def fail(message):
    print(f"placement: {message}", file=sys.stderr)
    sys.exit(2)


def runs(columns, only):
    """[(allocator, row, sizes)] in the order they are run: allocators take turns."""
    wanted = [(row, sizes) for row, _ in ROWS for sizes in SIZES
              if row != "array" or sizes == "large"]
    return [(column, row, sizes) for row, sizes in wanted for column in columns
            if re.search(only, f"{row}/{sizes}")]


def script(program, todo):
    """What the shell in the lab does. A program that hangs is given up there."""
    lines = ["echo 0 >/proc/sys/kernel/numa_balancing",
             "cat /proc/version /sys/kernel/mm/transparent_hugepage/enabled"]
    for column, row, sizes in todo:
        settings = "".join(f"{name}={value} " for name, value in column.settings.items())
        preload = f"LD_PRELOAD={column.preload} " if column.preload else ""
        lines += [f"echo run {column.name} {row} {sizes}",
                  f"timeout 120 env {settings}{preload}{program} {row} {sizes} || "
                  "echo status $?"]
    return "\n".join(lines) + "\n"


def figure(line):
    """(percent on wrong nodes, file that malloc came from) of a line of bench_placement."""
    words = line.split()
    fields = dict(zip(words[::2], words[1::2]))
    everything = int(fields["bytes"])
    if everything == 0:
        raise ValueError("nothing was looked at")
    return 100 * int(fields["wrong"]) / everything, fields["malloc"]


def boot(topology, program, columns, todo):
    """({(allocator, row, sizes): percent}, problems, what the kernel said of itself)."""
    found, problems, kernel, current = {}, [], [], None
    by_name = {column.name: column for column in columns}
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script(program, todo))
        file.flush()
        command = [LAB, "-t", topology, "-T", str(BOOT_SECONDS), "-f", file.name,
                   "-f", program]
        for column in columns:
            command += ["-f", column.preload] if column.preload else []
        with subprocess.Popen([*command, "sh", file.name], stdout=subprocess.PIPE,
                              text=True) as lab:
            for line in lab.stdout:
                words = line.split()
                if words[:1] == ["run"] and len(words) == 4:
                    current = tuple(words[1:])
                    print(f"\r{topology} {len(found) + 1}/{len(todo)} "
                          f"{' '.join(current):<60}", end="", file=sys.stderr, flush=True)
                elif words[:1] == ["row"] and current:
                    try:
                        share, malloc = figure(line)
                    except (KeyError, ValueError) as error:
                        problems.append(f"{topology} {' '.join(current)}: {error}")
                        continue
                    if by_name[current[0]].serves(malloc):
                        found[current] = share
                    else:
                        problems.append(f"{topology} {' '.join(current)}: malloc came from "
                                        f"{malloc}, so this was not {current[0]}")
                elif current:
                    problems.append(f"{topology} {' '.join(current)}: {line.strip()}")
                else:
                    kernel.append(line.strip())
    print(f"\r{'':<78}\r", end="", file=sys.stderr, flush=True)
    if lab.returncode != 0:
        fail(f"the lab ended with status {lab.returncode} on {topology}: what it said is "
             f"above; {LAB} --help explains the numbers")
    return found, problems, kernel


def table(found, names):
    """Text: a block for each kind of sizes, a line for each row, a column an allocator."""
    head = max(len(text) for _, text in ROWS)
    widths = [max(len(name), 6) for name in names]
    lines = []
    for sizes in SIZES:
        lines.append(f"{sizes:<{head}}  " + "  ".join(
            f"{name:>{width}}" for name, width in zip(names, widths)))
        for row, text in ROWS:
            cells = [found.get((name, row, sizes)) for name in names]
            if any(cell is not None for cell in cells):
                lines.append(f"{text:<{head}}  " + "  ".join(
                    f"{'-' if cell is None else format(cell, '.1f'):>{width}}"
                    for cell, width in zip(cells, widths)))
        lines.append("")
    return "\n".join(lines)


def choose_allocators(options):
    columns, missing = allocators.packaged()
    library = os.path.join(options.build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        fail(f"{library} is not there: ./dev build, or name a build with --build")
    columns.insert(0, allocators.Allocator(allocators.SUBJECT, library))
    for text in options.extra:
        name, mark, path = text.partition("=")
        if not mark or not os.path.exists(path):
            fail(f"--with {text}: want NAME=PATH of a shared library that exists")
        columns.append(allocators.Allocator(name, os.path.abspath(path)))
    return columns, missing


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="dev bench --placement",
        description="Percent of bytes on a wrong node, by move_pages, in the lab.")
    parser.add_argument("--topology", action="append", choices=TOPOLOGIES,
                        help=f"this one only (repeatable; default {', '.join(TOPOLOGIES)})")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only ROW/SIZES that match, as 'moved/small'")
    parser.add_argument("--with", dest="extra", metavar="NAME=PATH.so", action="append",
                        default=[], help="one more allocator to preload (repeatable)")
    parser.add_argument("--build", metavar="DIR",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and the programs are (build/release)")
    parser.add_argument("--save", metavar="DIR", nargs="?",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write placement.csv and placement.txt (docs/bench)")
    options = parser.parse_args()
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only}: not a regular expression: {error}")
    return options


def main():
    options = parse_arguments()
    program = os.path.join(os.path.abspath(options.build), "bench", "bench_placement")
    if not os.path.exists(program):
        fail(f"{program} is not there: ./dev build, or name a build with --build")
    columns, missing = choose_allocators(options)
    todo = runs(columns, options.only)
    if not todo:
        fail(f"--only {options.only!r} matches no row: they are ROW/SIZES, ROW one of "
             f"{', '.join(row for row, _ in ROWS)}, SIZES one of {', '.join(SIZES)}")
    names = [column.name for column in columns]
    text, records, problems = [], [], []
    for column in columns:
        version = allocators.package_version(column.package) if column.package else ""
        text.append(f"{column.name:12} {column.preload or ''} {version}".rstrip())
    text += [f"missing: {name}" for name in missing] + [""]
    print("\n".join(text), flush=True)
    for topology in options.topology or TOPOLOGIES:
        found, wrong, kernel = boot(topology, program, columns, todo)
        block = "\n".join([f"{topology}: percent of bytes on a wrong node"] + kernel +
                          ["", table(found, names)])
        print(block, flush=True)
        text.append(block)
        problems += wrong
        records += [(topology, row, sizes, name, f"{share:.3f}")
                    for (name, row, sizes), share in found.items()]
    for problem in problems:
        print(f"problem: {problem}")
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        with open(os.path.join(options.save, "placement.csv"), "w", newline="",
                  encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["topology", "row", "sizes", "allocator", "percent"])
            out.writerows(records)
        with open(os.path.join(options.save, "placement.txt"), "w",
                  encoding="utf-8") as file:
            file.write("\n".join(text + [f"problem: {line}" for line in problems]) + "\n")
        print(f"written: placement.csv and placement.txt in {options.save}")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
