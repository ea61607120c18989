# SPDX-License-Identifier: MIT
"""From readings to figures: medians, ratios, instruction counts. No input or output.

Readings are kept as {case: {allocator: [value, ...]}}, one value per round, None if that
reading failed. Values are costs: lower is better.
"""
import math
import random
import re
import statistics

CONTROL = "again"  # the name of the A/A control: the subject, measured a second time
# The subject built without its counters (so without sampling, too), sampling, checks.
WITHOUT = ("uncounted", "unsampled", "unchecked")
TWO_NODES = "2x1"   # the subject on two made-up nodes
CHECK_OFF = "check-off"  # the subject with its setting check:off
# The subject again, in some other way: no competitors.
VARIANTS = (CONTROL, *WITHOUT, TWO_NODES, CHECK_OFF)


def known(values):
    """The readings that did not fail."""
    return [value for value in values if value is not None]


def medians(readings):
    """{case: {allocator: median}}; an allocator without a reading is left out."""
    return {case: {name: statistics.median(known(values))
                   for name, values in row.items() if known(values)}
            for case, row in readings.items()}


def geometric_mean(values):
    values = list(values)
    if not values:
        return math.nan
    return math.exp(sum(math.log(value) for value in values) / len(values))


def ratio_to_best(row, subject):
    """The subject over the cheapest allocator of a row {allocator: figure}.

    The control is no competitor: it is the subject again, whole or without a part."""
    best = min(value for name, value in row.items()
               if name == subject or name not in VARIANTS)
    return row[subject] / best if best > 0 else math.nan


def ratio_to_median_peer(row, subject, peers):
    """The subject over the median of the peers in the row; nan if there are none."""
    others = [row[name] for name in peers if name in row and name != subject]
    if not others:
        return math.nan
    middle = statistics.median(others)
    return row[subject] / middle if middle > 0 else math.nan


def best_peer(row, subject, peers):
    """The name of the cheapest peer in the row; None if there is none."""
    return min((name for name in peers if name in row and name != subject),
               key=row.get, default=None)


def ratio_to_best_peer(row, subject, peers):
    best = best_peer(row, subject, peers)
    return row[subject] / row[best] if best and row[best] > 0 else math.nan


def mean_ratio(table, name, base):
    """The geometric mean of what `name` costs over what `base` costs, of the cases that
    have both."""
    return geometric_mean(ratios(table, name, base).values())


def mean_to_best(table, name):
    """The geometric mean of its ratios to the best of each case, of the cases it has."""
    return geometric_mean(ratio_to_best(row, name) for row in table.values()
                          if name in row)


def mean_to_best_peer(table, subject, peers):
    found = [ratio_to_best_peer(row, subject, peers) for row in table.values()
             if subject in row]
    return geometric_mean(ratio for ratio in found if not math.isnan(ratio))


def together(table, sets):
    """{set: {allocator: geometric mean of its figures}} of sets {set: [case, ...]}, each
    over the cases that the first allocator of the table has. An allocator that lacks one
    of these is left out of the set: means over other cases compare with nothing."""
    found = {}
    for name, cases in sets.items():
        rows = [table[case] for case in cases if table.get(case)]
        common = [key for key in (rows[0] if rows else ()) if all(key in r for r in rows)]
        if common:
            found[name] = {key: geometric_mean(row[key] for row in rows) for key in common}
    return found


def control_spread(table, subject):
    """The A/A control: |control / subject - 1| of all cases, sorted."""
    return sorted(abs(row[CONTROL] / row[subject] - 1) for row in table.values()
                  if CONTROL in row and subject in row)


def quantile(ordered, share):
    """The value below which `share` of the sorted list lies (nearest rank)."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def interval(values, resamples=2000):
    """(median, low, high) of a list: its 95 % bootstrap interval. Drawn from the list with
    replacement, as often as it is long, the median lies between these 95 times of 100."""
    draw = random.Random(1)
    found = sorted(statistics.median(draw.choices(values, k=len(values)))
                   for _ in range(resamples))
    return statistics.median(values), quantile(found, 0.025), quantile(found, 0.975)


class Bootstrap:
    """95 % intervals of anything that is computed from a table of medians.

    The rounds are drawn anew with replacement, as many as there were, the same for all
    cases and columns of as many rounds, since they took turns: what disturbed the machine
    in a round disturbed them all. Between low and high lie 95 % of the figures that tables
    of such draws yield."""

    def __init__(self, readings, resamples=400):
        self.readings = readings
        self.table = medians(readings)
        draw = random.Random(1)
        lengths = {len(values) for row in readings.values() for values in row.values()}
        self.tables = []
        for _ in range(resamples):
            picks = {length: draw.choices(range(length), k=length)
                     for length in sorted(lengths) if length}
            self.tables.append(medians(
                {case: {name: [values[i] for i in picks[len(values)]]
                        for name, values in row.items() if values}
                 for case, row in readings.items()}))

    def of(self, statistic, cases=None):
        """(figure, low, high) of statistic(table), with these cases only if given. nan
        three times: there is no such figure. A draw may lack what it needs: left out."""
        def figure(table):
            if cases is not None:
                table = {case: table[case] for case in cases if case in table}
            try:
                return statistic(table)
            except (KeyError, ValueError):
                return math.nan
        value = figure(self.table)
        found = sorted(x for x in map(figure, self.tables) if not math.isnan(x))
        return value, quantile(found, 0.025), quantile(found, 0.975)


def parse_line(text):
    """A bench program's line to a dict; ValueError if it is not one."""
    fields = {}
    head, _, fields["malloc"] = text.strip().partition(" malloc=")
    for word in head.split():
        name, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"not a bench line: {text!r}")
        fields[name] = value
    for name in ("wall_ns", "cpu_ns", "faults"):
        fields[name] = float(fields[name]) if name in fields else None
    for name in ("threads", "ops", "peak_kib"):
        fields[name] = int(fields[name]) if name in fields else None
    if "case" not in fields or None in fields.values():
        raise ValueError(f"not a bench line: {text!r}")
    return fields


def own_figures(fields):
    """{name: value} of the figures in a line that only its program has."""
    common = ("case", "unit", "threads", "ops", "wall_ns", "cpu_ns", "faults", "peak_kib",
              "malloc")
    return {name: float(value) for name, value in fields.items() if name not in common}


def cost_of(fields):
    """What a line's operation cost: CPU time of one thread, wall clock of several.

    A single thread that was put aside lost nothing that is the allocator's; threads
    that wait for each other have to be timed by the clock."""
    return fields["cpu_ns"] if fields["threads"] == 1 else fields["wall_ns"]


def callgrind_work(text):
    """(loop, inside, calls) of a callgrind file made with --compress-strings=no
    --compress-pos=no and one event: the instructions of the work_* functions themselves,
    those of everything they called, and how many calls that was.

    A cost line is "position count". After calls=N the next one is the inclusive cost of
    those N calls; any other belongs to the function of the last fn= line."""
    loop = inside = calls = 0
    at_work = is_call = False
    for line in text.splitlines():
        if line.startswith("fn="):
            at_work = line.startswith("fn=work_")
        elif not at_work:
            continue
        elif line.startswith("calls="):
            calls += int(line[6:].split()[0])
            is_call = True
        elif re.match(r"[0-9]", line):
            count = int(line.split()[1])
            if is_call:
                inside += count
            else:
                loop += count
            is_call = False
    return loop, inside, calls


def callgrind_calls(text, function):
    """How often functions whose name begins so were called, in such a callgrind file."""
    return sum(map(int, re.findall(rf"^cfn={re.escape(function)}.*\ncalls=([0-9]+)", text,
                                   re.MULTILINE)))


# The loops of large blocks are what several nodes could cost most: memory that comes from
# the system and goes back each time. They are told apart by name: large/*, and all cases
# whose name ends in more than 512 KiB, the most that a slab holds.
UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


def is_large(case):
    size = re.search(r"[/-]([0-9]+)([KM]?)$", case)
    return case.startswith("large/") or bool(
        size and int(size[1]) * UNITS[size[2]] > 512 * 1024)


def ratios(table, name, base):
    """{case: what `name` costs over what `base` costs}, of cases that have both."""
    return {case: row[name] / row[base] for case, row in table.items()
            if name in row and row.get(base, 0) > 0}


def strace_calls(text):
    """{system call: how often} of a summary made by strace -c -U calls,name."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdigit() and words[1] != "total":
            found[words[1]] = int(words[0])
    return found


def calls_per_operation(short, long):
    """{system call: per operation} of two runs, each a pair ({call: how often},
    operations). The difference leaves out what both did at their start and end."""
    operations = long[1] - short[1]
    if operations <= 0:
        raise ValueError("the longer run did no more operations than the shorter one")
    counts = {call: long[0].get(call, 0) - short[0].get(call, 0)
              for call in {**short[0], **long[0]}}
    return {call: count / operations for call, count in counts.items() if count}
