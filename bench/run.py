#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is this library as fast as the others? Runs the bench programs on every allocator.

All allocators take turns, case by case and round by round, so that whatever the machine
does meanwhile hits them alike; the order rotates with each round. Each reading is a
process of its own. The figure is the median over the rounds. Columns: this library
(numatally), the same library measured a second time (again: what differs between these
two is noise), glibc, Debian's packaged allocators as far as they are installed, and this
library on two made-up nodes (2x1). After the bench programs come real ones (programs.py).
report.py makes the tables, goals.py compares with what was aimed at, chart.py draws.

What runs on one thread stays on one cpu in all columns, another one in each round: with
2x1 each cpu is a node, and a thread that is moved would take other memory.

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
import chart  # noqa: E402
import figures  # noqa: E402
import goals  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import twonodes  # noqa: E402

ROOT = os.path.dirname(HERE)
HANG_SECONDS = 60  # a reading that takes this long is given up; it is no limit on speed
# The reference cases of the instruction mode; --quick counts only these.
REFERENCE = (r"pairs/(16|64|1K|4K|32K)|lifo/(64|4K|32K)|mixed/random|calloc/64")
# --quick: rounds of cases and of real programs, milliseconds of a reading, and seconds for
# all cases together: the longest are left out until the rest fits.
QUICK_ROUNDS, QUICK_PROGRAM_ROUNDS, QUICK_MS, QUICK_SECONDS = 3, 2, 20, 100


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
        if name in figures.VARIANTS or name in [column.name for column in columns]:
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
    ours = subject.name == allocators.SUBJECT
    if options.instructions and ours:
        columns.append(variant(subject, figures.CHECK_OFF, "NUMATALLY_CONF", "check:off"))
    elif not options.instructions:
        columns.insert(1, variant(subject, figures.CONTROL))
        if ours:
            columns.append(variant(subject, figures.TWO_NODES, *twonodes.SETTING))
    return columns, subject.name, notes


def variant(subject, name, variable=None, value=None):
    """The subject once more, with one more setting."""
    column = allocators.Allocator(name, subject.preload)
    column.settings = dict(subject.settings)
    if variable:
        column.settings[variable] = value
    return column


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


def probe(reader, column, cases):
    """{case: (threads, seconds that the shortest reading takes)} of those that run."""
    found, progress = {}, Progress(len(cases))
    for program, case in cases:
        progress.step(f"looking at {case}")
        start = time.monotonic()
        line = reader.run(column, case, [program, "--case", case, "--ms", "1"])
        if line:
            found[case] = line["threads"], time.monotonic() - start
    progress.end()
    return found


def fit(seconds, most):
    """The cases of {case: seconds} to leave out, the longest first, until the others take
    no more than so many seconds together."""
    left, out = sum(seconds.values()), []
    for case in sorted(seconds, key=lambda case: -seconds[case]):
        if left <= most:
            break
        left -= seconds[case]
        out.append(case)
    return out


class Readings:
    """What the rounds read, None where a reading failed, so that rounds stay aligned."""

    def __init__(self, names):
        self.names = names
        self.times, self.peaks = {}, {}
        self.others = {}  # figures of a program's own: {"CASE FIGURE": {name: [value]}}

    def add(self, case, name, cost, peak, others=()):
        for table, value in ((self.times, cost), (self.peaks, peak or None)):
            table.setdefault(case, {key: [] for key in self.names})[name].append(value)
        for figure, value in dict(others).items():
            self.others.setdefault(f"{case} {figure}", {key: [] for key in self.names})[
                name].append(value)


def measure_times(reader, runner, columns, cases, real, options):
    """Readings of all rounds. cases: [(program, case, on one thread)], real: {name:
    Program}."""
    readings = Readings([column.name for column in columns])
    cpus = sorted(os.sched_getaffinity(0))
    progress = Progress(len(columns) * (options.rounds * len(cases)
                                        + options.program_rounds * len(real)))
    for number in range(options.rounds):
        cpu = cpus[number % len(cpus)]
        work = [(case, program, single) for program, case, single in cases]
        if number < options.program_rounds:
            work += [(name, program, True) for name, program in real.items()]
        for case, program, single in work:
            turn = (number + len(case)) % len(columns)
            for column in columns[turn:] + columns[:turn]:
                progress.step(f"round {number + 1}/{options.rounds} {case} {column.name}")
                if case in real:
                    seconds, peak = runner.run(column, case, program, cpu)
                    readings.add(case, column.name, seconds and 1000 * seconds, peak)
                    continue
                line = reader.run(column, case, [program, "--case", case, "--ms",
                                                 str(options.ms)], cpu if single else None)
                if line:
                    readings.add(case, column.name, figures.cost_of(line),
                                 line["peak_kib"], figures.own_figures(line))
                else:
                    readings.add(case, column.name, None, None)
    progress.end()
    return readings


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
    # --two-nodes has three columns and no real programs, so that more rounds fit.
    options.program_rounds = options.rounds or (
        QUICK_PROGRAM_ROUNDS if options.quick else 9)
    options.rounds = options.rounds or (
        9 if not options.quick else 5 if options.two_nodes else QUICK_ROUNDS)
    options.ms = options.ms or (
        200 if not options.quick else 40 if options.two_nodes else QUICK_MS)
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
        lines.append(f"{'readings':12} {options.rounds} of {options.ms} ms, interleaved"
                     + (f"; of whole programs {options.program_rounds}"
                        if getattr(options, "program_rounds", 0) else ""))
    return "\n".join(lines + notes)


def choose_cases(options):
    """[(program path, case name)] of this run; of --quick only those that it wants."""
    pick = options.only or "."
    cases = find_cases(os.path.join(options.build, "bench"), pick, options.instructions,
                       (options.quick or options.two_nodes) and not options.only)
    if options.instructions and options.quick:
        cases = [pair for pair in cases if re.fullmatch(REFERENCE, pair[1])]
        if not cases:
            fail(f"--quick counts the reference cases only ({REFERENCE}), and none of "
                 f"them matches {options.only!r}: leave --quick out")
    return cases


def prepare_programs(folder, options):
    """({"programs/NAME": Program}, what is missing) of those that --only selects."""
    wanted = [name for name in programs.NAMES
              if re.search(options.only, f"{report.PROGRAMS}/{name}")]
    found, missing = programs.prepare(folder, wanted)
    return {f"{report.PROGRAMS}/{name}": found[name] for name in found}, missing


def program_of(path):
    return os.path.basename(path).removeprefix("bench_")


def run_times(columns, cases, options, notes):
    """A timed run: prints the conditions first, returns what is to be reported."""
    reader = Reader()
    with tempfile.TemporaryDirectory(prefix="numatally-bench-") as folder:
        real, missing = prepare_programs(folder, options)
        if not cases and not real:
            fail(f"nothing matches {options.only!r}: neither a case of the programs in "
                 f"{options.build} nor a real program")
        notes = notes + missing
        if real:
            notes.append("programs     " + ", ".join(
                f"{name} {programs.version(name)}"
                for name in (path.rpartition("/")[2] for path in real)))
        notes += [f"note: {name}: {program.note}" for name, program in real.items()
                  if program.note]
        seen = probe(reader, columns[0], cases)
        out = []
        if options.quick:
            turns = options.rounds * len(columns)
            slow = {case for _, case in find_cases(
                os.path.join(options.build, "bench"), options.only or ".", False)}
            out = sorted(slow - {case for _, case in cases}) + fit(
                {case: turns * (seconds + 0.0011 * options.ms)
                 for case, (_, seconds) in seen.items()}, QUICK_SECONDS)
            notes.append(f"left out: {', '.join(out) or 'nothing'} (--quick)")
        timed = [(program, case, seen[case][0] == 1) for program, case in cases
                 if case in seen and case not in out]
        conditions = describe(columns, notes, options)
        print(conditions + "\n", flush=True)
        runner = programs.Runner(os.path.join(options.build, "bench", "launch"), folder,
                                 reader)
        readings = measure_times(reader, runner, columns, timed, real, options)
        reader.problems += programs.differing(runner.outputs)
    layout = report.Layout({**{case: program_of(program) for program, case, _ in timed},
                            **{name: report.PROGRAMS for name in real}})
    return conditions, readings, layout, reader.problems


def save_charts(folder, times, peaks, layout, columns):
    """Writes the charts of a timed run; what could not be drawn."""
    conditions = dict(allocators.conditions())
    machine = (f"{conditions['cpu']}, {conditions['cpus']} cpus, {conditions['system']}, "
               f"kernel {conditions['kernel']}, {conditions['date'][:10]}")
    return [said for said in (
        chart.draw(report.mean_table(bootstrap.table, layout, columns),
                   columns.competitors, title, machine, folder, stem)
        for bootstrap, title, stem in (
            (times, "Time: geometric mean of the ratios to the best", "time"),
            (peaks, "Peak resident memory: geometric mean of the ratios to the best",
             "memory"))) if said]


def main():
    options = parse_arguments()
    if options.instructions and not shutil.which("valgrind"):
        fail("--instructions needs valgrind, which is not installed: "
             "apt-get install valgrind")
    if options.two_nodes and not shutil.which("strace"):
        fail("--two-nodes needs strace, which is not installed: apt-get install strace")
    allocators_here, subject, notes = choose_allocators(options)
    cases = choose_cases(options)
    timed = not options.instructions and not options.two_nodes
    if not timed:
        if not cases:
            fail(f"no case matches {options.only!r} in {options.build}")
        conditions = describe(allocators_here, notes, options)
        print(conditions + "\n", flush=True)
    columns = report.Columns([column.name for column in allocators_here], subject,
                             [column.name for column in allocators_here if column.peer])
    layout = report.Layout({case: program_of(program) for program, case in cases})
    peaks, unit = {}, "ns"
    if options.two_nodes:
        kind = "twonodes"
        reader = Reader()
        times, faults, calls = twonodes.measure(allocators_here, cases, options, reader,
                                                Progress)
        problems = reader.problems
        text = twonodes.report(times, faults, calls, report.table_text)
    elif options.instructions:
        kind = unit = "instructions"
        times, problems = measure_instructions(allocators_here, cases, options)
        counted = figures.medians(times)
        text = (report.instruction_report(counted, columns) + "\n\n"
                + goals.of_instructions(counted, columns))
    else:
        kind = "time"
        conditions, readings, layout, problems = run_times(allocators_here, cases, options,
                                                           notes)
        times, peaks = readings.times, readings.peaks
    times, peaks = figures.Bootstrap(times), figures.Bootstrap(peaks)
    if timed:
        text = (report.time_report(times, peaks, readings.others, layout, columns) + "\n\n"
                + goals.of_times(times, peaks, layout, columns))
    text += f"\n\nload after   {allocators.load()}"
    print(text)
    for problem in problems:
        print(f"problem: {problem}")
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        report.write_csv(os.path.join(options.save, f"{kind}.csv"), times, peaks, layout,
                         columns, unit)
        with open(os.path.join(options.save, f"{kind}.txt"), "w", encoding="utf-8") as file:
            file.write(f"{conditions}\n\n{text}\n".replace(ROOT + "/", ""))
            file.writelines(f"problem: {problem}\n" for problem in problems)
        print(f"written: {kind}.csv and {kind}.txt in {options.save}")
        if timed:
            said = save_charts(options.save, times, peaks, layout, columns)
            print("\n".join(said) or "written: time and memory, .svg and .png, there, too")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
