# SPDX-License-Identifier: MIT
"""The goal's table: what was aimed at (issue 5), the measured figure, met or not, and
every cell that is above its goal. Why one is above is written by hand in docs/design.md."""
import math
import re

import figures
from report import show_interval, table_text

# Instructions per pair, at most: all cases whose names match, in which column. None: the
# subject.
INSTRUCTIONS = (
    ("pairs, all checks", r"pairs/.*", None, 40),
    ("1000 blocks, last first", r"lifo/.*", None, 40),
    ("mixed sizes at random", r"mixed/random", None, 41),
    ("calloc 64 B", r"calloc/64", None, 60),
    ("pairs, check:off", r"pairs/.*", figures.CHECK_OFF, 34),
    ("last first, check:off", r"lifo/.*", figures.CHECK_OFF, 33),
)
COUNTING = 4       # instructions per pair that counting costs, at most
SAMPLING = 1       # and that sampling costs
BEST_MEAN = 1.03   # time to the best of each program, geometric mean
WORST_PEER = 1.10  # time to the best peer, the worst program
MEMORY_MEAN = 1.15  # peak memory to the best of each program, geometric mean


class Goals:
    """The rows of the table, and what is above, in words."""

    def __init__(self):
        self.rows, self.above = [], []

    def add(self, what, limit, found, below=False):
        """A figure with its interval against its limit; below: it has to be less. "?":
        the limit lies within the interval, so another run may say otherwise."""
        value, low, high = found
        met = "-"
        if not math.isnan(value):
            met = "yes" if (value < limit if below else value <= limit) else "no"
            if low <= limit < high:
                met += "?"
        self.rows.append([what, f"{'<' if below else '<='} {limit:g}", show_interval(found),
                          met])

    def count(self, what, limit, cells):
        """Of exact counts {cell: figure} the largest."""
        if not cells:
            self.rows.append([what, f"<= {limit}", "not measured", "-"])
            return
        shown = {cell: round(value, 1) for cell, value in cells.items()}
        largest = max(shown.values())
        self.rows.append([what, f"<= {limit}", f"{largest:.1f}",
                          "yes" if largest <= limit else "no"])
        self.list(what, [f"{cell} {value:.1f}" for cell, value in shown.items()
                         if value > limit])

    def list(self, what, cells):
        if cells:
            self.above.append(f"{what}:\n" + "\n".join(f"  {cell}" for cell in cells))

    def text(self):
        return ("Goals of issue 5 (?: the limit lies within the 95 % interval)\n"
                + table_text(["goal", "at most", "measured", "met"], self.rows)
                + "\n\nAbove goal\n" + ("\n".join(self.above) or "  nowhere"))


def of_instructions(table, columns):
    """From {case: {column: instructions per pair}}."""
    goals = Goals()
    for what, pattern, column, limit in INSTRUCTIONS:
        name = column or columns.subject
        goals.count(f"instructions: {what}", limit,
                    {case: row[name] for case, row in table.items()
                     if re.fullmatch(pattern, case) and name in row})
    for what, limit, built, without in (
            ("counting", COUNTING, "unsampled", "uncounted"),
            ("sampling", SAMPLING, columns.subject, "unsampled")):
        goals.count(f"instructions: {what}", limit,
                    {case: row[built] - row[without] for case, row in table.items()
                     if built in row and without in row})
    return goals.text()


def worst_first(cells, limit, strict=False):
    """The lines of {cell: (figure, low, high)} above the limit, the worst first; strict:
    of those that reach it."""
    over = [cell for cell, found in cells.items()
            if found[0] > limit or (strict and found[0] == limit)]
    return [f"{cell} {show_interval(cells[cell])}"
            for cell in sorted(over, key=lambda cell: -cells[cell][0])]


def per_program(bootstrap, layout, statistic, programs=None):
    """statistic({program: {allocator: mean}}) with its interval."""
    sets = layout.programs if programs is None else {
        name: layout.programs[name] for name in programs}
    return bootstrap.of(lambda table: statistic(figures.together(table, sets)))


def of_times(times, peaks, layout, columns):
    """From the Bootstraps of times and of peaks."""
    goals, subject, peers = Goals(), columns.subject, columns.peers
    cells = {}
    for group, cases in layout.groups.items():
        for peer in peers:
            if peer != subject:
                found = times.of(lambda table, peer=peer: figures.mean_ratio(
                    table, subject, peer), cases)
                if not math.isnan(found[0]):
                    cells[f"{group} / {peer}"] = found
    nothing = (math.nan,) * 3
    largest = max(cells, key=lambda cell: cells[cell][0], default=None)
    what = "time: to each peer in each group"
    goals.add(f"{what}, worst: {largest}" if largest else what, 1,
              cells.get(largest, nothing), below=True)
    goals.list(what, worst_first(cells, 1, strict=True))

    def mean(table):
        return figures.mean_to_best(table, subject)
    goals.add("time: to best, mean of all programs", BEST_MEAN,
              per_program(times, layout, mean))
    goals.add("time: to best, mean of all cases", BEST_MEAN, times.of(mean))
    for kind, sets in (("program", layout.programs),
                       ("case", {case: [case] for case in times.table})):
        cells = to_best_peer(times, sets, columns)
        largest = max(cells, key=lambda cell: cells[cell][0], default=None)
        what = f"time: to best peer, worst {kind}"
        goals.add(f"{what}: {largest}" if largest else what, WORST_PEER,
                  cells.get(largest, nothing))
        goals.list(what, worst_first(cells, WORST_PEER))
    goals.add("peak memory: to best, mean of all programs", MEMORY_MEAN,
              per_program(peaks, layout, mean))
    cells = {}
    for name in layout.programs:
        cells[name] = per_program(peaks, layout, mean, [name])
    goals.list(f"peak memory: programs above {MEMORY_MEAN} of the best",
               worst_first(cells, MEMORY_MEAN))
    text = goals.text()
    return text + ("\n\nInstructions: ./dev bench --instructions; start-up, growth and "
                   "memory given back: not here")


def to_best_peer(bootstrap, sets, columns):
    """{set: (ratio, low, high)} of those that have one."""
    found = {}
    for name, cases in sets.items():
        def ratio(table, name=name, cases=cases):
            return figures.ratio_to_best_peer(figures.together(table, {name: cases})[name],
                                              columns.subject, columns.peers)
        value = bootstrap.of(ratio)
        if not math.isnan(value[0]):
            found[name] = value
    return found


