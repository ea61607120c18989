#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What does preloading cost a program that does nothing?

/bin/true, and a program that allocates one block, are started 1000 times each with nothing
preloaded (plain), with an empty library, with libnuma, with this library, with its peers;
in each round all columns once, in an order drawn anew, by a small driver in C that spawns
(posix_spawn, a vfork) and waits. What the driver costs is in the plain column, too. Above
plain is the median over the rounds of column - plain of the same round, and its 95 %
bootstrap interval; `again` is plain measured a second time: noise.

Beside it: CPU time of the started process, its page faults, its system calls (strace), its
instructions outside the kernel (callgrind), each above plain, once.
"""
import argparse
import csv
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import run  # noqa: E402
from report import table_text  # noqa: E402

ROOT = os.path.dirname(HERE)
SUBJECT, AGAIN, PLAIN = allocators.SUBJECT, figures.CONTROL, "plain"
MADE_UP = "no nodes read"
MARK_MS = 0.5
LIBNUMA = ("libnuma1", "libnuma.so.1")
PEERS = ("jemalloc", "mimalloc", "tcmalloc")
# Where a share of this library's time is: what the first column has and the second not.
PARTS = (
    ("one library more to load and link, whatever is in it", "empty", PLAIN),
    ("this library beyond that", SUBJECT, "empty"),
    ("of it: reading the machine's nodes", SUBJECT, MADE_UP),
    ("for comparison, libnuma beyond an empty library", "libnuma", "empty"),
)


def choose_columns(build):
    """({name: settings}, what is missing), plain first."""
    library = os.path.join(build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        run.fail(f"{library} is not there: ./dev build, or name a build with --build")
    preloads = {"empty": os.path.join(build, "bench", "growth", "empty.so"),
                "libnuma": allocators.find_library(LIBNUMA[1])}
    found, missing = allocators.packaged()
    missing = [f"missing: {text}" for text in missing if text.split()[0] in PEERS]
    preloads[SUBJECT] = library
    preloads.update((peer.name, peer.preload) for peer in found if peer.name in PEERS)
    columns = {PLAIN: "", AGAIN: ""}
    for name, path in preloads.items():
        if path and os.path.exists(path):
            columns[name] = f"LD_PRELOAD={path}"
        else:
            missing.append(f"missing: {name}")
        if name == SUBJECT:
            columns[MADE_UP] = f"LD_PRELOAD={path} NUMATALLY_TOPOLOGY=1x2"
    return columns, missing


def parse_starts(text, names):
    """{column: [(ms by the clock, ms of CPU time, page faults)]}, one of each round."""
    starts = {name: [] for name in names}
    for line in text.splitlines():
        number, wall_ns, cpu_us, faults = map(int, line.split())
        starts[names[number]].append((wall_ns / 1e6, cpu_us / 1e3, faults))
    if len({len(values) for values in starts.values()}) != 1:
        raise ValueError("the columns have not as many starts each")
    return starts


def above(starts, name, base, which=0):
    """(median, low, high) of column - base of the same round."""
    return figures.interval([one[which] - other[which] for one, other
                             in zip(starts[name], starts[base])])


def middle(values):
    return statistics.median(value[0] for value in values)


def environment():
    return allocators.Allocator("plain").environment()


def measure(driver, program, columns, rounds, seed):
    done = subprocess.run([driver, str(rounds), str(seed), program, *columns.values()],
                          capture_output=True, text=True, check=False, env=environment())
    if done.returncode != 0:
        run.fail(done.stderr.strip() or f"{driver}: exit status {done.returncode}")
    return parse_starts(done.stdout, list(columns))


def settings_of(text):
    return dict(word.split("=", 1) for word in text.split())


def count_calls(program, settings, folder):
    """{system call: how often} of one start."""
    out = os.path.join(folder, "strace.out")
    preload = [f"-E{name}={value}" for name, value in settings.items()]
    subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", out, *preload, program],
                   check=True, env=environment(), capture_output=True)
    with open(out, encoding="utf-8") as file:
        return figures.strace_calls(file.read())


def count_instructions(program, settings, folder):
    """Instructions of one start by callgrind, the kernel's left out."""
    out = os.path.join(folder, "callgrind.out")
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                           program], check=True, env={**environment(), **settings},
                          capture_output=True, text=True)
    found = re.search(r"Collected : ([0-9]+)", done.stderr)
    return int(found[1]) if found else None


def added_calls(calls, plain):
    """({call: how many more}, their sum), of those that came or went."""
    added = {name: calls.get(name, 0) - plain.get(name, 0) for name in {**plain, **calls}}
    added = {name: count for name, count in added.items() if count}
    return dict(sorted(added.items(), key=lambda item: (-item[1], item[0]))), sum(
        added.values())


def said(figure):
    return "{:.3f} [{:.3f} {:.3f}]".format(*figure)


def program_report(program, starts, counts):
    rows, base = [], counts.get(PLAIN, ({}, None))
    for name in starts:
        calls, instructions = counts.get(name, ({}, None))
        figure = above(starts, name, PLAIN)
        star = " *" if name == SUBJECT and figure[0] > MARK_MS else "  "
        more = "-" if None in (instructions, base[1]) else f"{instructions - base[1]:+d}"
        rows.append([name, f"{middle(starts[name]):.3f}",
                     said(figure) + star, f"{above(starts, name, PLAIN, 1)[0]:.3f}",
                     f"{above(starts, name, PLAIN, 2)[0]:+.0f}",
                     f"{added_calls(calls, base[0])[1]:+d}" if calls else "-", more])
    rows[0][2:] = ["-", "-", *(["0"] * 3)]
    parts = [[text, said(above(starts, name, other))] for text, name, other in PARTS
             if name in starts and other in starts]
    lines = [f"  {name}: " + ", ".join(f"{call} {count:+d}" for call, count
                                       in added_calls(calls, base[0])[0].items())
             for name, (calls, _) in counts.items() if name in (SUBJECT, "libnuma")]
    return "\n\n".join([
        f"{program}: milliseconds of a start; above plain with its 95 % interval, CPU time, "
        "page faults,\nsystem calls, instructions above plain\n"
        + table_text(["", "ms", "above plain  ", "CPU", "faults", "calls",
                          "instructions"], rows),
        "Parts, ms\n" + table_text(["", "ms"], parts),
        "System calls above plain\n" + "\n".join(lines)])


def write_csv(path, all_starts, all_counts):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["program", "column", "starts", "median_ms", "above_plain_ms", "low",
                      "high", "cpu_above_ms", "faults_above", "calls", "instructions"])
        for program, starts in all_starts.items():
            for name, values in starts.items():
                calls, instructions = all_counts[program].get(name, ({}, None))
                out.writerow([program, name, len(values),
                              f"{middle(values):.4f}",
                              *(f"{x:.4f}" for x in above(starts, name, PLAIN)),
                              f"{above(starts, name, PLAIN, 1)[0]:.4f}",
                              f"{above(starts, name, PLAIN, 2)[0]:.0f}",
                              sum(calls.values()) or "", instructions or ""])


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench --startup", description="What preloading costs a program that does "
        "nothing, beside other allocators.")
    parser.add_argument("--quick", action="store_true", help="100 rounds, no more")
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write startup.csv and startup.txt here (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and bench/ were built")
    parser.add_argument("--rounds", type=int, help="starts of each column (1000)")
    options = parser.parse_args()
    options.rounds = options.rounds or (100 if options.quick else 1000)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main():
    options = parse_arguments()
    columns, notes = choose_columns(options.build)
    folder = os.path.join(options.build, "bench", "growth")
    programs = {"/bin/true": "/bin/true", "one block": os.path.join(folder, "once")}
    counters = [name for name in ("strace", "valgrind") if shutil.which(name)]
    notes += [f"missing: {name}" for name in ("strace", "valgrind") if name not in counters]
    lines = [f"{name:12} {value}" for name, value in allocators.conditions()]
    lines += [f"{name:14} {value or 'nothing added'}" for name, value in columns.items()]
    conditions = "\n".join(lines + [f"{'starts':12} {options.rounds} of each, interleaved"]
                           + notes)
    print(conditions + "\n", flush=True)
    all_starts, all_counts = {}, {}
    with tempfile.TemporaryDirectory(prefix="numatally-startup-") as temporary:
        for name, path in programs.items():
            all_starts[name] = measure(os.path.join(folder, "spawn"), path, columns,
                                       options.rounds, 1)
            all_counts[name] = {column: (
                count_calls(path, settings_of(settings), temporary)
                if "strace" in counters else {},
                count_instructions(path, settings_of(settings), temporary)
                if "valgrind" in counters else None)
                for column, settings in columns.items()}
    report = "\n\n".join(
        [program_report(name, starts, all_counts[name])
         for name, starts in all_starts.items()]
        + [f"* above the mark of {MARK_MS} ms", f"load after   {allocators.load()}"])
    print(report)
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, "startup.csv"), all_starts, all_counts)
        with open(os.path.join(options.save, "startup.txt"), "w", encoding="utf-8") as file:
            file.write(f"{conditions}\n\n{report}\n".replace(ROOT + "/", ""))
        print(f"written: startup.csv and startup.txt in {options.save}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
