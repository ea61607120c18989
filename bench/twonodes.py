# SPDX-License-Identifier: MIT
"""What does the code for several nodes cost? `run.py --two-nodes`.

The cases run on this library as it is and with a second node made up
(NUMATALLY_TOPOLOGY=2x1), by which all code for several nodes runs, but for mbind. The
columns take turns as in the other modes, and the first is measured a second time: what
those two differ by is noise.

With 2x1 each cpu is a node of its own, and the system moves threads about as it likes. A
thread that is moved takes other memory from then on, which is work, but not the price
of the code. So a case of one thread stays on one cpu in all columns: another one in each
round. Cases of several threads are left alone, for they need more than one.

Page faults are those that the bench program counts while it is timed. System calls are
counted by strace in two runs, one of three times the steps of the other: the difference
is free of what the start costs.
"""
import os
import tempfile

import allocators
import figures

ONE, TWO = allocators.SUBJECT, "two-nodes"
SETTING = ("NUMATALLY_TOPOLOGY", "2x1")
MARK = 1.05  # the most that the geometric mean may be
WORST = 5    # so many cases are named, and calls of a case


def choose_columns(subject):
    """The library, again, and on two nodes."""
    columns = [subject]
    for name in (figures.CONTROL, TWO):
        columns.append(allocators.Allocator(name, subject.preload))
    columns[-1].settings[SETTING[0]] = SETTING[1]
    return columns


def describe(options):
    """What is said of the run before it begins."""
    lines = [f"{'readings':12} {options.rounds} of {options.ms} ms, interleaved",
             f"{'pinned':12} cases of one thread, in all columns: in round N to cpu N of "
             + ",".join(map(str, sorted(os.sched_getaffinity(0)))),
             f"{'calls':12} strace, {options.steps} and {3 * options.steps} steps after as "
             "many of warm-up; the difference"]
    nodes = allocators.read_first("/sys/devices/system/node/online")
    if nodes not in ("0", "unknown"):
        lines.append(f"{'attention':12} this machine has nodes {nodes}: its own code for "
                     "several nodes runs in the first column, too")
    return lines


def measure_calls(reader, column, program, case, options, cpu):
    """{system call: per operation}; None if a run failed."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="numatally-bench-") as folder:
        out = os.path.join(folder, "strace.out")
        for steps in (options.steps, 3 * options.steps):
            line = reader.run(column, case, [
                "strace", "-f", "-c", "-U", "calls,name", "-o", out, program,
                "--case", case, "--steps", str(steps)], cpu)
            if not line:
                return None
            with open(out, encoding="utf-8", errors="replace") as file:
                runs.append((figures.strace_calls(file.read()), 2 * line["ops"]))
    if not all(calls for calls, _ in runs):
        return reader.problem(f"{case} on {column.name}: strace counted nothing")
    return figures.calls_per_operation(*runs)


def measure(columns, cases, options, reader, progress_of):
    """(times, faults, calls): {case: {column: [value, ...]}} of the first two, of calls
    {case: {column: {system call: per operation}}}."""
    times = {case: {column.name: [] for column in columns} for _, case in cases}
    faults = {case: {column.name: [] for column in columns} for _, case in cases}
    calls = {case: {} for _, case in cases}
    cpus = sorted(os.sched_getaffinity(0))
    progress = progress_of(len(cases) * (options.rounds * len(columns) + 2))
    single = set()
    for program, case in cases:
        probe = reader.run(columns[0], case, [program, "--case", case, "--ms", "1"])
        if probe and probe["threads"] == 1:
            single.add(case)
        for column in columns:
            if column.name in (ONE, TWO):
                progress.step(f"counting {case} {column.name}")
                found = measure_calls(reader, column, program, case, options,
                                      cpus[0] if case in single else None)
                if found is not None:
                    calls[case][column.name] = found
    for number in range(options.rounds):
        cpu = cpus[number % len(cpus)]
        for program, case in cases:
            turn = (number + len(case)) % len(columns)
            for column in columns[turn:] + columns[:turn]:
                progress.step(f"round {number + 1}/{options.rounds} {case} {column.name}")
                line = reader.run(column, case, [program, "--case", case, "--ms",
                                                 str(options.ms)],
                                  cpu if case in single else None)
                if line:
                    times[case][column.name].append(figures.cost_of(line))
                    faults[case][column.name].append(line["faults"])
    progress.end()
    return times, faults, calls


def number(value, form):
    """A figure, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def case_rows(cases, times, faults, calls):
    """Both times, the ratio and that of the control, faults and calls of both."""
    two, again = (figures.ratios(times, name, ONE) for name in (TWO, figures.CONTROL))
    rows = []
    for case in cases:
        sums = {name: sum(row.values()) for name, row in calls.get(case, {}).items()}
        rows.append(
            [case] + [number(times[case].get(name), ".1f") for name in (ONE, TWO)]
            + [number(two.get(case), ".2f"), number(again.get(case), ".2f")]
            + [number(faults[case].get(name), ".3g") for name in (ONE, TWO)]
            + [number(sums.get(name), ".3g") for name in (ONE, TWO)])
    return rows


def more_calls(calls):
    """What two nodes call otherwise, the largest differences first: one line per case."""
    lines = []
    for case, row in calls.items():
        one, two = row.get(ONE), row.get(TWO)
        if one is None or two is None:
            continue
        changed = sorted((call for call in {**one, **two}
                          if abs(two.get(call, 0) - one.get(call, 0))
                          > 0.01 * max(one.get(call, 0), two.get(call, 0))),
                         key=lambda call: (-abs(two.get(call, 0) - one.get(call, 0)), call))
        if changed:
            lines.append(f"{case}: " + ", ".join(
                f"{call} {one.get(call, 0):.3g} -> {two.get(call, 0):.3g}"
                for call in changed[:WORST]))
    return lines


def report(readings, fault_readings, calls, table_text):
    times, faults = figures.medians(readings), figures.medians(fault_readings)
    two, again = (figures.ratios(times, name, ONE) for name in (TWO, figures.CONTROL))
    large = [case for case in times if figures.is_large(case)]
    groups = {"Blocks up to 512 KiB": [case for case in times if case not in large],
              "Large-block loops": large}
    head = ["case", "ns one node", "two nodes", "ratio", "again", "faults one", "two",
            "calls one", "two"]
    parts = ["Per operation: time in ns (median; one thread: CPU time; several: wall "
             "clock),\npage faults (median), system calls"]
    means = []
    for group, cases in {**groups, "all": list(times)}.items():
        if cases and group != "all":
            parts.append(f"{group}\n"
                         + table_text(head, case_rows(cases, times, faults, calls)))
        measured = [case for case in cases if case in two]
        if measured:
            control = [again[case] for case in measured if case in again]
            means.append([
                group, str(len(measured)),
                f"{figures.geometric_mean(two[case] for case in measured):.3f}",
                f"{figures.geometric_mean(control):.3f}"])
    parts.append("Geometric mean of the ratios\n"
                 + table_text(["group", "cases", "two nodes", "again"], means))
    mean = figures.geometric_mean(two.values())
    parts.append(f"the mark is {'met' if mean <= MARK else 'missed'}: {mean:.3f}, "
                 f"at most {MARK}")
    worst = sorted(two, key=lambda case: -two[case])[:WORST]
    parts.append("worst: " + ", ".join(f"{case} {two[case]:.2f}" for case in worst))
    spread = figures.control_spread(times, ONE)
    parts.append("noise, one node against itself: half of the cases differ by up to "
                 f"{100 * figures.quantile(spread, 0.5):.1f} %, nine of ten by up to "
                 f"{100 * figures.quantile(spread, 0.9):.1f} %, all by up to "
                 f"{100 * figures.quantile(spread, 1):.1f} %")
    other = more_calls(calls)
    parts.append("System calls that differ, per operation, one node -> two nodes:\n"
                 + ("\n".join(other) if other else "none"))
    return "\n\n".join(parts)
