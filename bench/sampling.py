#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What does sampling at 512 KiB cost, beside other profilers? Each is compared with the
same allocator without it.

Cases of the bench programs (CPU time per operation) and real programs (CPU time of the
process, its start and end included). In each round every case runs on all columns, in an
order drawn anew, all on one cpu: another one in each round. A ratio is the median over the
rounds of on / off of the same round; in brackets is its 95 % bootstrap interval. `again` is
this library without sampling, measured a second time: what it differs by is noise.

Then the instructions per malloc+free pair, counted as `run.py --instructions` does. What
those pay that are not sampled is told apart from the samples' own work by a column that
samples once for 1 TiB, which is on and has no sample in so few pairs.
"""
import argparse
import csv
import os
import random
import re
import shutil
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402

ROOT = os.path.dirname(HERE)
OFF, AGAIN = allocators.SUBJECT, figures.CONTROL
CASES = r"pairs/(64|1K|32K)|mixed/random|calloc/64|large/1M|realloc/append-64K|lifo/16"
COUNTED = r"pairs/(64|1K)"
TIME_MARK, INSTRUCTION_MARK = 1.02, 1
TABLES, ARMED = "sample:512K", "sample:1T"
FRAMES = TABLES + ",sample_stack:frames"
# Package and file. None: this library; no file: the C library's own malloc.
JEMALLOC = ("libjemalloc2", "libjemalloc.so.2")
TCMALLOC = ("libgoogle-perftools4", "libtcmalloc.so.4")
GLIBC = ("libc6", "")
HEAPTRACK = ("libheaptrack", "heaptrack/libheaptrack_preload.so")
MIMALLOC = ("libmimalloc2.0", "libmimalloc.so.2.0")
# A column, its baseline (its own name: it is one), what to preload, what turns it on.
# FOLDER is a temporary one.
COLUMNS = (
    (OFF, OFF, None, {}),
    (AGAIN, OFF, None, {}),
    ("tables", OFF, None, {"NUMATALLY_CONF": TABLES}),
    ("frames", OFF, None, {"NUMATALLY_CONF": FRAMES}),
    ("jemalloc", "jemalloc", JEMALLOC, {}),
    ("jemalloc-prof", "jemalloc", JEMALLOC,
     {"MALLOC_CONF": "prof:true,prof_active:true,lg_prof_sample:19"}),
    ("tcmalloc", "tcmalloc", TCMALLOC, {}),
    ("tcmalloc-sample", "tcmalloc", TCMALLOC, {"TCMALLOC_SAMPLE_PARAMETER": "524288"}),
    ("tcmalloc-heap", "tcmalloc", TCMALLOC, {"HEAPPROFILE": "FOLDER/heap"}),
    ("glibc", "glibc", GLIBC, {}),
    ("heaptrack", "glibc", HEAPTRACK, {"DUMP_HEAPTRACK_OUTPUT": "/dev/null"}),
    ("mimalloc", "mimalloc", MIMALLOC, {}),
    ("mimalloc-stats", "mimalloc", MIMALLOC, {"MIMALLOC_SHOW_STATS": "1"}),
)
BASE_OF = {name: base for name, base, _, _ in COLUMNS}
BLOCKS = (
    ("This library", ("tables", "frames")),
    ("Others that sample once for 512 KiB", ("jemalloc-prof", "tcmalloc-sample")),
    ("Others: every call traced (tcmalloc-heap, heaptrack); statistics (mimalloc-stats)",
     ("tcmalloc-heap", "heaptrack", "mimalloc-stats")),
)


# Real programs: the names in the table, and those in programs.py.
PROGRAMS = {"python3 json": "python3", "sqlite3": "sqlite3", "gcc -O2": "cc1"}


def choose_columns(build, folder):
    """(columns, what is missing): off and on of all that is here."""
    library = os.path.join(build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        run.fail(f"{library} is not there: ./dev build, or name a build with --build")
    columns, missing = [], []
    for name, _, source, settings in COLUMNS:
        package, file = source or ("", "")
        path = allocators.find_library(file) if file else None if source else library
        if file and not path:
            missing.append(f"missing: {name} ({file}, Debian package {package})")
            continue
        columns.append(allocators.Allocator(name, path, package=package))
        columns[-1].settings = {key: value.replace("FOLDER", folder)
                                for key, value in settings.items()}
    return columns, missing


def measure_times(reader, columns, cases, real, options, runner):
    """{case: {column: [cost in each round, None if it failed]}}: ns, of programs s."""
    cpus, files = sorted(os.sched_getaffinity(0)), {case: file for file, case in cases}
    times = {case: {column.name: [] for column in columns} for case in [*files, *real]}
    progress = run.Progress(options.rounds * len(times) * len(columns))
    for number in range(options.rounds):
        cpu = cpus[number % len(cpus)]
        for case, row in times.items():
            for column in random.sample(columns, len(columns)):
                progress.step(f"round {number + 1}/{options.rounds} {case} {column.name}")
                if case in files:
                    line = reader.run(column, case, [files[case], "--case", case, "--ms",
                                                     str(options.ms)], cpu)
                    cost = figures.cost_of(line) if line else None
                else:
                    cost, _ = runner.run(column, case, real[case], cpu)
                row[column.name].append(cost)
    progress.end()
    return times


def measure_instructions(reader, library, cases, options, folder):
    """{case: [(instructions per pair, samples counted) of off, armed, on]}"""
    found = {}
    for program, case in cases:
        if not re.fullmatch(COUNTED, case):
            continue
        row = []
        for setting in ("sample:off", ARMED, TABLES):
            column = allocators.Allocator(f"{OFF} {setting}", library)
            column.settings["NUMATALLY_CONF"] = setting
            counted = run.count_once(reader, column, program, case, options.steps, folder)
            if counted:
                with open(os.path.join(folder, "callgrind.out"), encoding="utf-8",
                          errors="replace") as file:
                    row.append((counted[0],
                                figures.callgrind_calls(file.read(), "sampled_block")))
        if [samples > 0 for _, samples in row] == [False, False, True]:
            found[case] = row
        else:
            reader.problem(f"{case}: no figure of instructions, for of off, {ARMED} and "
                           f"{TABLES} the last alone has to have samples: {row}")
    return found


def middle(row, name):
    values = [value for value in row.get(name, []) if value]
    return statistics.median(values) if values else None


def ratio(row, name):
    """(median, low, high) of on / off of the same round; None without any."""
    pairs = [on / off for on, off in zip(row.get(name, []), row.get(BASE_OF[name], []))
             if on and off]
    return figures.interval(pairs) if pairs else None


def said(figure):
    if figure is None:
        return "-"
    median, low, high = (f"{x:.{1 if figure[0] >= 10 else 3}f}" for x in figure)
    return f"{median} [{low} {high}]"


def time_report(times):
    parts = ["CPU time. off: the baseline's, in ns per operation, of whole programs in s.\n"
             "The others: the median of on / off, and its 95 % interval"]
    worse = []
    for title, names in BLOCKS:
        head, rows = ["case", f"{OFF} off", AGAIN], []
        for name in names:
            head += [name] if BASE_OF[name] == OFF else [f"{BASE_OF[name]} off", name]
        for case, row in times.items():
            def off(base, row=row, case=case):
                return report.show(middle(row, base), 1 if "/" in case else 3)
            again = said(ratio(row, AGAIN))
            cells = [case, off(OFF), again]
            for name in names:
                figure, own = ratio(row, name), BASE_OF[name] == OFF
                high = own and figure and figure[0] > TIME_MARK
                cells += [] if own else [off(BASE_OF[name])]
                cells.append(said(figure) + (" *" if high else "  " if own else ""))
                if high:
                    worse.append(f"  {case} {name} {said(figure)}, {AGAIN} {again}")
            rows.append(cells)
        parts.append(f"{title}\n" + report.table_text(head, rows))
    return "\n\n".join(parts + [f"* {OFF} above the mark of {TIME_MARK}:\n"
                                + ("\n".join(worse) or "  nowhere")])


def instruction_report(counted, steps):
    pairs = 1000 * steps  # a step of pairs/* (bench_pairs.c)
    rows, worse = [], []
    if not counted:
        return "No instructions were counted"
    for case, ((off, _), (armed, _), (on, samples)) in counted.items():
        rows.append([case, f"{off:.3f}", f"{armed:.3f}", f"{armed - off:+.3f}", f"{on:.3f}",
                     str(samples), f"{(on - armed) * pairs / samples:.0f}"])
        if armed - off > INSTRUCTION_MARK:
            rows[-1][3] += " *"
            worse.append(f"{case} {armed - off:+.3f}")
    return (f"Instructions per malloc+free pair, {pairs} pairs after as many of warm-up.\n"
            f"armed: {ARMED}, on without a sample in these pairs: what the fast path "
            f"pays.\non: {TABLES}, with so many samples among the pairs; each: "
            "(on - armed) * pairs / samples,\nwhat one took from malloc to free\n"
            + report.table_text(["case", "off", "armed", "armed - off", "on", "samples",
                              "each"], rows)
            + f"\n* above the mark of {INSTRUCTION_MARK}: "
            + (", ".join(worse) or "nowhere"))


def write_csv(path, times, counted):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["case", "column", "baseline", "unit", "rounds", "median_off",
                      "median_on", "ratio", "low", "high"])
        for case, row in times.items():
            for name, base in BASE_OF.items():
                figure = ratio(row, name)
                if figure and name != base:
                    out.writerow([case, name, base, "ns" if "/" in case else "s",
                                  len(row[name])]
                                 + [f"{x:.4f}" for x in (middle(row, base),
                                                         middle(row, name), *figure)])
        for case, (off, *others) in counted.items():
            for name, other in zip(("armed", "tables"), others):
                out.writerow([case, name, OFF, "instructions", 1, f"{off[0]:.4f}",
                              f"{other[0]:.4f}", f"{other[0] / off[0]:.4f}", "", ""])


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="dev bench --sampling",
        description="What sampling costs, here and in other allocators and profilers.")
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter readings: under three minutes")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only the cases and programs whose names match")
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write sampling.csv and sampling.txt (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and bench/ were built")
    parser.add_argument("--rounds", type=int, help="readings per case and column")
    parser.set_defaults(instructions=False, two_nodes=False, steps=200)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 9)
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
    with tempfile.TemporaryDirectory(prefix="numatally-sampling-") as folder:
        columns, notes = choose_columns(options.build, folder)
        if not shutil.which("valgrind"):
            notes.append("missing: valgrind (Debian package valgrind)")
        found, missing = programs.prepare(folder, PROGRAMS.values())
        real = {name: found[program] for name, program in PROGRAMS.items()
                if program in found and re.search(options.only, name)}
        cases = [pair for pair in run.find_cases(os.path.join(options.build, "bench"),
                                                 f"^({CASES})$", False)
                 if re.search(options.only, pair[1])]
        if not cases and not real:
            run.fail(f"--only {options.only!r} matches none of {CASES} and the programs")
        conditions = run.describe(columns, notes + missing, options).replace(folder, "/tmp")
        print(conditions + "\n", flush=True)
        reader, counted = run.Reader(), {}
        if shutil.which("valgrind"):
            counted = measure_instructions(reader, columns[0].preload, cases, options,
                                           folder)
        runner = programs.Runner(os.path.join(options.build, "bench", "launch"), folder,
                                 reader)
        times = measure_times(reader, columns, cases, real, options, runner)
        reader.problems += programs.differing(runner.outputs)
    text = "\n\n".join([conditions, time_report(times),
                          instruction_report(counted, options.steps),
                          f"load after   {allocators.load()}"])
    text += "".join(f"\nproblem: {problem}" for problem in reader.problems)
    print(text[len(conditions) + 2:])
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, "sampling.csv"), times, counted)
        with open(os.path.join(options.save, "sampling.txt"), "w",
                  encoding="utf-8") as file:
            file.write(f"{text}\n".replace(run.ROOT + "/", ""))
        print(f"written: sampling.csv and sampling.txt in {options.save}")
    return 1 if reader.problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
