# SPDX-License-Identifier: MIT
"""Check the records of one `numatally run --children`.

records.py FILE [--pids FILE] WHAT...

Each WHAT is PROGRAM=PROCESSES[:THREADS][~], both a number or, with a + behind it, at
least that number; PROGRAM is a pattern, and a record that fits none is an error.
THREADS holds for each of these processes. With ~ they may end by _exit, exec or a
signal: then the last word is missing and the figures are those of the last update,
so neither THREADS nor the last sentence below is asked of such a record. A pattern
without ~ takes final records only, so `perl=1 perl=2~` tells parent from children.
--pids names a file of process ids, one a line, each of which must have a record.

Of each record: the rows add up to the totals, what is live is what was allocated (or
inherited by a fork) and not freed, and something was allocated. A process id that has
several records went through exec: only the last is the program that was meant.

With NT_SAMPLE in the environment the profile is checked, too: sites add up to the total,
samples in use are listed, and of final records the estimate of all bytes asked for is what
was counted, within six standard errors and what was asked for before sampling began.
"""
import collections
import fnmatch
import json
import os
import re
import sys

NOT_SUMS = {"live_bytes_peak"}  # of different moments
CLASS_SUMS = ["allocations_total", "allocated_bytes_total", "requested_bytes_total",
              "frees_total", "live_blocks_now", "live_bytes_now"]
errors = []


def say(record, text):
    errors.append(f"{record['program']} (pid {record['pid']}): {text}")


def equal(record, what, left, right):
    if left != right:
        say(record, f"{what}: {left} is not {right}")


def check_figures(record):
    total, nodes, classes = record["total"], record["nodes"], record["classes"]
    if total["allocations_total"] == 0 and record["final"]:
        say(record, "it allocated nothing")
    for name in total.keys() - NOT_SUMS:
        equal(record, f"sum of {name} over nodes", sum(n[name] for n in nodes), total[name])
    for name in CLASS_SUMS:
        equal(record, f"sum of {name} over classes", sum(c[name] for c in classes),
              total[name])
    equal(record, "sum of free_matrix", sum(map(sum, record["free_matrix"])),
          total["frees_total"])
    for i, node in enumerate(nodes):
        equal(record, f"column {i} of free_matrix",
              sum(row[i] for row in record["free_matrix"]), node["frees_total"])
    for what, came, went in (("blocks", "allocations_total", "frees_total"),
                             ("bytes", "allocated_bytes_total", "freed_bytes_total")):
        born = total[f"inherited_{what}_now"]
        if not record["inherited"]:
            equal(record, f"inherited {what}", born, 0)
        equal(record, f"live {what}", total[f"live_{what}_now"],
              born + total[came] - total[went])
    if total["live_bytes_peak"] < total["live_bytes_now"]:
        say(record, "the peak is below what is live")
    if not record["start_unix_ns"] <= record["now_unix_ns"]:
        say(record, "it was read before it started")


BEFORE_SAMPLING = 1 << 20  # bytes at most: until constructors run


def check_profile(record):
    profile = record.get("profile")
    if profile is None:
        if record["final"]:
            say(record, "it has no profile")
        return
    total, sites = profile["total"], profile["sites"]
    for name in ("samples_total", "live_samples_now", "sampled_frees_total"):
        equal(record, f"sum of {name} over sites", sum(s[name] for s in sites), total[name])
    equal(record, "samples in use", len(profile["samples"]), total["live_samples_now"])
    equal(record, "samples", total["samples_total"],
          total["live_samples_now"] + total["sampled_frees_total"])
    equal(record, "lost samples", profile["lost_total"], 0)
    if any(s["samples_total"] and not s["stack"] for s in sites):
        say(record, "a site has no stack")
    if not record["final"] or record["inherited"]:
        return  # a child goes on with its parent's samples
    counted, estimate = (r["requested_bytes_total"] for r in (record["total"], total))
    error = 6 * total["requested_bytes_total_error"] + 6 * profile["interval_bytes"]
    if not counted - error - BEFORE_SAMPLING <= estimate <= counted + error:
        say(record, f"sampled: {estimate} +- {error / 6:.0f} bytes; counted: {counted}")


def fits(number, wanted):
    if wanted.endswith("+"):
        return number >= int(wanted[:-1])
    return number == int(wanted)


def check_programs(records, wanted):
    room = {what: int(what[1].rstrip("+")) for what in wanted}
    seen = collections.Counter()
    for record in records:
        fitting = [(pattern, number, threads, unfinished)
                   for pattern, number, threads, unfinished in wanted
                   if fnmatch.fnmatch(record["program"], pattern)
                   and (record["final"] or unfinished)]
        if not fitting:
            say(record, "it is not expected" if record["final"] else
                "it is not expected, at least not without its last word")
            continue
        # The first that is not full yet, one whose threads agree before others; else the
        # last: its count then says too many.
        fitting.sort(key=lambda f: bool(f[2]) and not fits(record["threads_total"], f[2]))
        what = next((f for f in fitting if seen[f] < room[f]), fitting[-1])
        seen[what] += 1
        if what[2] and record["final"] and not fits(record["threads_total"], what[2]):
            say(record, f"{record['threads_total']} threads, not {what[2]}")
    for what in wanted:
        if not fits(seen[what], what[1]):
            errors.append(f"{what[0]}{what[3]}: {seen[what]} processes, not {what[1]}")


def main(arguments):
    path = arguments.pop(0)
    pids = []
    if arguments[0] == "--pids":
        pids = [int(line) for line in open(arguments[1])]
        arguments = arguments[2:]
    wanted = []
    for what in arguments:
        found = re.fullmatch(r"(.+)=(\d+\+?)(?::(\d+\+?))?(~?)", what)
        if not found:
            sys.exit(f"records.py: {what!r} is not PROGRAM=PROCESSES[:THREADS][~]")
        wanted.append(found.groups())
    last = {}
    for line in open(path):
        record = json.loads(line)
        last[record["pid"]] = record
    records = list(last.values())
    for record in records:
        check_figures(record)
        if os.environ.get("NT_SAMPLE"):
            check_profile(record)
    check_programs(records, wanted)
    for pid in set(pids) - last.keys():
        errors.append(f"process {pid} has no record")
    names = collections.Counter(
        (r["program"], r["threads_total"], "" if r["final"] else ", no last word")
        for r in records)
    for (name, threads, word), count in sorted(names.items()):
        print(f"{count} x {name} of {threads} thread{'s' * (threads != 1)}{word}")
    print(sum(r["total"]["allocations_total"] for r in records), "blocks,",
          sum(r["total"]["requested_bytes_total"] for r in records), "bytes requested")
    for error in errors:
        print("FAILED:", error)
    return bool(errors)


sys.exit(main(sys.argv[1:]))
