# SPDX-License-Identifier: MIT
"""The tables of a run: a row per case, a row per group, the CSV. Text in, text out."""
import csv
import math

import figures

# The bench program that a case is of, by the group it is shown in; a program that is not
# named here is a group of its own.
GROUPS = {"prodcons": "cross-thread", "handoff": "cross-thread", "server": "cross-thread",
          "oversub": "threads"}
PROGRAMS = "programs"  # the group of the real programs; each of them is one


class Layout:
    """Which cases belong together: in a group, and in a program.

    A program is a bench_*.c with all its cases, or one real program."""

    def __init__(self, cases):
        """cases: {case: name of its bench program without "bench_", or PROGRAMS}"""
        self.groups, self.programs = {}, {}
        for case, program in cases.items():
            self.groups.setdefault(GROUPS.get(program, program), []).append(case)
            self.programs.setdefault(case if program == PROGRAMS else program,
                                     []).append(case)
        if PROGRAMS in self.groups:  # the last
            self.groups[PROGRAMS] = self.groups.pop(PROGRAMS)


class Columns:
    """Who is who: all names in order, whose library this is about, the packaged peers."""

    def __init__(self, names, subject, peers):
        self.names, self.subject, self.peers = names, subject, peers
        self.competitors = [name for name in names if name not in figures.VARIANTS]


def show(value, digits):
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def show_interval(found, digits=3):
    value, low, high = found
    if math.isnan(value):
        return "-"
    return f"{value:.{digits}f} [{show(low, digits)} {show(high, digits)}]"


def table_text(head, rows):
    """Columns under each other: the first to the left, all others to the right."""
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    return "\n".join("  ".join([row[0].ljust(widths[0])] +
                               [cell.rjust(width) for cell, width
                                in zip(row[1:], widths[1:])]).rstrip()
                     for row in [head] + rows)


def peer_interval(bootstrap, case, name, columns):
    """(ratio, low, high) of an allocator to the best peer of one case."""
    return bootstrap.of(lambda table: figures.ratio_to_best_peer(
        table[case], name, columns.peers))


def case_table(bootstrap, cases, columns, digits):
    """A row per case: each allocator's figure, then the subject's ratios."""
    rows = []
    for case in cases:
        row = bootstrap.table[case]
        ratios = ["-", "-", "-"]
        if columns.subject in row:
            ratios = [show(figures.ratio_to_best(row, columns.subject), 2),
                      figures.best_peer(row, columns.subject, columns.peers) or "-",
                      show_interval(peer_interval(bootstrap, case, columns.subject,
                                                 columns), 2)]
        rows.append([case] + [show(row.get(name), digits) for name in columns.names]
                    + ratios)
    return table_text(["case"] + columns.names + ["to best", "best peer", "to best peer"],
                      rows)


def instruction_table(table, columns):
    """As case_table, of counts, which have no interval."""
    rows = []
    for case, row in table.items():
        ratios = ["-", "-"]
        if columns.subject in row:
            ratios = [show(figures.ratio_to_best(row, columns.subject), 2),
                      show(figures.ratio_to_median_peer(row, columns.subject,
                                                        columns.peers), 2)]
        rows.append([case] + [show(row.get(name), 1) for name in columns.names] + ratios)
    return table_text(["case"] + columns.names + ["to best", "to median peer"], rows)


def group_table(bootstrap, layout, columns):
    """A row per group: the subject's two means with their intervals, the controls."""
    subject, peers = columns.subject, columns.peers
    variants = [name for name in (figures.CONTROL, figures.TWO_NODES)
                if name in columns.names]
    sets = [(name, cases, lambda table: table) for name, cases in layout.groups.items()]
    sets.append(("all cases", list(bootstrap.table), lambda table: table))
    sets.append(("all programs", list(bootstrap.table),
                 lambda table: figures.together(table, layout.programs)))
    rows = []
    for name, cases, shape in sets:
        count = len(layout.programs) if name == "all programs" else len(cases)
        rows.append([name, str(count)] + [
            show_interval(bootstrap.of(statistic, cases)) for statistic in [
                lambda table, shape=shape: figures.mean_to_best(shape(table), subject),
                lambda table, shape=shape: figures.mean_to_best_peer(shape(table), subject,
                                                                     peers),
                *(lambda table, shape=shape, other=other: figures.mean_ratio(
                    shape(table), other, subject) for other in variants)]])
    return table_text(["group", "of", "to best", "to best peer"] + variants, rows)


def mean_table(table, layout, columns):
    """{group: {competitor: geometric mean of its ratios to the best of each case}}, "all"
    programs at the end."""
    found = {}
    for group, cases in layout.groups.items():
        found[group] = {case: table[case] for case in cases if case in table}
    found["all programs"] = figures.together(table, layout.programs)
    return {group: {name: figures.mean_to_best(part, name) for name in columns.competitors}
            for group, part in found.items()}


def mean_text(means, columns):
    return table_text(["group"] + columns.competitors, [
        [group] + [show(row.get(name), 2) for name in columns.competitors]
        for group, row in means.items()])


def worst(table, columns):
    """The row with the largest ratio to the best, as text."""
    found = {name: figures.ratio_to_best(row, columns.subject)
             for name, row in table.items() if columns.subject in row}
    if not found:
        return "-"
    name = max(found, key=found.get)
    return f"{name} {found[name]:.2f}"


def dearest(table, name, base, most=5):
    """The cases in which one column is furthest above another, as text."""
    found = figures.ratios(table, name, base)
    return ", ".join(f"{case} {found[case]:.2f}"
                     for case in sorted(found, key=lambda case: -found[case])[:most]) or "-"


def part(what, bootstrap, layout, columns):
    """Groups, means and the worst of one kind of figures."""
    table = bootstrap.table
    return [
        f"{what}: {columns.subject}, geometric means of its ratios to the cheapest and to "
        "the best peer of each\ncase (of each program in the last row), and of other "
        f"columns to {columns.subject}; 95 % intervals\n"
        + group_table(bootstrap, layout, columns),
        f"{what}: geometric means of the ratios to the best\n"
        + mean_text(mean_table(table, layout, columns), columns),
        f"{what}, worst to best: of the programs "
        f"{worst(figures.together(table, layout.programs), columns)}, of the cases "
        f"{worst(table, columns)}"
        + (f"; {figures.TWO_NODES} to {columns.subject}: "
           f"{dearest(table, figures.TWO_NODES, columns.subject)}"
           if figures.TWO_NODES in columns.names else "")]


def other_table(others, columns):
    """What some programs measure besides: others is {"CASE FIGURE": {name: [value]}}."""
    return table_text(["case"] + columns.names, [
        [case] + [show(row.get(name), 3) for name in columns.names]
        for case, row in figures.medians(others).items()])


def time_report(times, peaks, others, layout, columns):
    """All tables of a timed run; times and peaks are Bootstraps."""
    real = layout.groups.get(PROGRAMS, [])
    parts = []
    timed = [case for case in times.table if case not in real]
    if timed:
        parts.append("Nanoseconds per operation, median (one thread: CPU time; several: "
                     "wall clock)\n" + case_table(times, timed, columns, 1))
    if real:
        parts.append("Real programs: milliseconds of CPU time, all processes, median\n"
                     + case_table(times, real, columns, 0))
    parts.append("Peak resident memory in KiB, median; of real programs that of the "
                 "largest process\n" + case_table(peaks, peaks.table, columns, 0))
    if others:
        parts.append("Other figures of the programs, median\n"
                     + other_table(others, columns))
    parts += part("Time", times, layout, columns)
    parts += part("Peak memory", peaks, layout, columns)
    spread = figures.control_spread(times.table, columns.subject)
    parts.append(
        f"A/A control ({columns.subject} against itself): half of the cases differ by up "
        f"to {100 * figures.quantile(spread, 0.5):.1f} %, nine of ten by up to "
        f"{100 * figures.quantile(spread, 0.9):.1f} %, all by up to "
        f"{100 * figures.quantile(spread, 1):.1f} %")
    return "\n\n".join(parts)


def instruction_report(table, columns):
    return ("Instructions inside malloc+free per pair (the calls included, the loop and "
            "the touch taken off)\n" + instruction_table(table, columns))


def write_csv(path, times, peaks, layout, columns, unit):
    """One row per case and allocator; ratios are those of that allocator."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["case", "group", "allocator", "subject", "readings", "unit", "median",
                      "min", "max", "ratio_to_best", "ratio_to_median_peer",
                      "ratio_to_best_peer", "low", "high", "peak_kib", "peak_to_best",
                      "peak_to_best_peer"])
        for group, cases in layout.groups.items():
            for case in cases:
                for name, median in times.table.get(case, {}).items():
                    row, memory = times.table[case], peaks.table.get(case, {})
                    values = figures.known(times.readings[case][name])
                    out.writerow([
                        case, group, name, int(name == columns.subject), len(values),
                        "ms" if group == PROGRAMS else unit, f"{median:.3f}",
                        f"{min(values):.3f}", f"{max(values):.3f}",
                        show(figures.ratio_to_best(row, name), 4),
                        show(figures.ratio_to_median_peer(row, name, columns.peers), 4),
                        *(show(x, 4) for x in peer_interval(times, case, name, columns)),
                        show(memory.get(name), 0)]
                        + ([show(figures.ratio_to_best(memory, name), 4),
                            show(figures.ratio_to_best_peer(memory, name, columns.peers),
                                 4)] if name in memory else ["-", "-"]))
