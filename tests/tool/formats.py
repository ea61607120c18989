# SPDX-License-Identifier: MIT
"""Do the figures in a format equal those of the records it was made from?

formats.py csv|prometheus|collapsed OUTPUT RECORDS [FIGURE]

Written from docs/reports.md, not from the tool: what it expects is made from the JSON. Of
prometheus every series must be there once, in families that are in one piece. FIGURE is
the figure of a site that collapsed stacks were made of.
"""
import collections
import csv
import decimal
import json
import re
import sys

HISTOGRAMS = ("sizes", "lifetimes")
NO_FIGURES = ("tid", "node", "name", "stack", "generation", "site", "free_site")
NOT_ASKED = "resident_bytes_now elsewhere_full_bytes_now elsewhere_refused_bytes_now " \
    "elsewhere_moved_bytes_now lying_bytes_now lying_huge_bytes_now".split()


def fail(*what):
    print(*what, file=sys.stderr)
    sys.exit(1)


def same(got, want, what):
    for key in sorted(set(got) | set(want), key=str):
        if got.get(key) != want.get(key):
            fail(f"{what}: {key}: {got.get(key)} instead of {want.get(key)}")
    if not want:
        fail(what, "nothing to compare")


def numbers(row):
    """The figures of a row: what is a number and no name."""
    return {k: int(v) for k, v in row.items()
            if isinstance(v, (int, bool)) and k not in NO_FIGURES}


def asked(record, row):
    """Of a node, without what the kernel was not asked."""
    return {k: v for k, v in numbers(row).items()
            if record["residency_pages_now"] or k not in NOT_ASKED}


def tables(r):
    """(table, row, column, name, {figure: value}) of all rows of a record."""
    top = numbers(r)
    for key in ("pid", "rank", "record"):
        top.pop(key, None)
    kind = "start_unix_ns now_unix_ns page_bytes final inherited fake_topology".split()
    yield "record", "", "", "", {k: top.pop(k) for k in kind}
    yield "process", "", "", "", top
    yield "total", "", "", "", asked(r, r["total"])
    for node, frees in zip(r["nodes"], r["free_matrix"]):
        yield "node", node["node"], "", "", asked(r, node)
        for home, n in zip(r["nodes"], frees):
            yield "free_matrix", node["node"], home["node"], "", {"frees_total": n}
    for c in r["classes"]:
        size = c["block_bytes"]
        yield "class", size, "", "" if size else "large", numbers(c)
    for table in ("phase", "pool", "tracked"):
        for i, row in enumerate(r.get(table if table == "tracked" else table + "s", [])):
            yield table, i, "", row["name"], numbers(row)
            for k, n in enumerate(row.get("sizes", [])):
                if n:
                    yield "tracked_size", i, 2 ** k if k else 0, "", {"allocations_total": n}
    for t in r.get("threads", []):
        yield "thread", t["tid"], "", t["name"], {**numbers(t), "node": t["node"]}
    for point in r.get("history", {"points": []})["points"]:
        for n, (live, committed) in enumerate(zip(point["live_bytes_now"],
                                                  point["committed_bytes_now"])):
            yield "history", point["ns"], r["nodes"][n]["node"], "", {
                "live_bytes_now": live, "committed_bytes_now": committed}
    yield from profile(r.get("profile"))


def profile(p):
    if p is None:
        return
    yield "profile", "", "", "", numbers(p)
    yield "site_total", "", "", "", numbers(p["total"])
    for i, site in [("", p["total"])] + list(enumerate(p["sites"])):
        if i != "":
            yield "site", i, "", None, numbers(site)
        for k, n in enumerate(site["lifetimes"]):
            if n:
                yield ("lifetime_total" if i == "" else "lifetime", i,
                       1000 * 4 ** (k - 1) if k else 0, "", {"sampled_frees_total": n})
    for s in p["sizes"]:
        yield "size", s["up_to_bytes"], "", "", s
    for i, s in enumerate(p["samples"]):
        yield "sample", i, "", "", s
    for f in p["remote_frees"]:
        yield "remote_free", f["site"], f["free_site"], "", numbers(f)


# ---- CSV -------------------------------------------------------------------------------


def check_csv(path, records):
    got, want, names = {}, {}, {}
    for n, r in enumerate(records, 1):
        for table, row, column, name, figures in tables(r):
            names[n, table, str(row), str(column)] = name
            for figure, value in figures.items():
                want[n, table, str(row), str(column), figure] = value
    units = {"count", "bytes", "ns", "id"}
    with open(path, encoding="utf-8", newline="") as f:
        for line in csv.DictReader(f, strict=True):
            n = int(line["record"])
            r = records[n - 1]
            process = (line["host"], line["program"], line["pid"], line["rank"])
            rank = "" if r["rank"] is None else str(r["rank"])
            if process != (r["host"], r["program"], str(r["pid"]), rank):
                fail("another process:", line)
            place = n, line["table"], line["row"], line["column"]
            if names.get(place, "") not in (None, line["name"]):
                fail("another name:", line, names.get(place))
            if names.get(place) is None and line["table"] == "site" and not line["name"]:
                fail("a site without its stack:", line)
            key = place + (line["figure"],)
            if key in got or line["unit"] not in units:
                fail("twice, or of no unit:", line)
            got[key] = int(line["value"])
    same(got, want, path)


# ---- Prometheus ------------------------------------------------------------------------


def family(prefix, figure):
    name = "numatally_" + prefix + figure
    if name.endswith("_now"):
        name = name[:-4]
    if name.endswith("_bytes_peak"):
        name = name[:-11] + "_peak_bytes"
    name = name.replace("_ns", "_seconds")
    return name.replace("numatally_threads_total", "numatally_threads_started_total")


PREFIXES = {"record": "", "process": "", "total": "", "node": "node_", "class": "class_",
            "free_matrix": "matrix_", "phase": "phase_", "pool": "pool_",
            "tracked": "tracked_", "profile": "profile_", "site_total": "profile_"}


def read_prometheus(path):
    """Series to values. A line is a comment or: name{label="value",...} value"""
    series, families, kind = {}, [], None
    for line in open(path, encoding="utf-8", newline="\n"):
        if line.startswith("# "):
            _, what, name, text = line.rstrip("\n").split(" ", 3)
            if what == "HELP":
                families.append(name)
            elif what != "TYPE" or name != families[-1]:
                fail("not in one piece:", line)
            else:
                kind = text
            continue
        m = re.fullmatch(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} ([0-9.]+)\n', line)
        if not m or m[1] != families[-1] or (kind == "counter") != m[1].endswith("_total"):
            fail("no sample of the family above:", line)
        labels = [(k, re.sub(r"\\(.)", lambda e: "\n" if e[1] == "n" else e[1], v))
                  for k, v in re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', m[2])]
        key = m[1], tuple(sorted(labels))
        if key in series:
            fail("a series twice:", line)
        series[key] = decimal.Decimal(m[3])
    if len(families) != len(set(families)):
        fail("a family in several pieces")
    return series


def check_prometheus(path, records):
    newest = {}
    for r in records:
        key = r["host"], r["program"], r["pid"], r["rank"]
        if key not in newest or r["now_unix_ns"] >= newest[key]["now_unix_ns"]:
            newest[key] = r
    want = collections.Counter()
    for r in newest.values():
        process = {"host": r["host"], "program": r["program"], "pid": str(r["pid"])}
        if r["rank"] is not None:
            process["rank"] = str(r["rank"])
        for table, row, column, name, figures in tables(r):
            labels = dict(process)
            if table in ("node", "free_matrix"):
                labels["node"] = str(row)
            if table == "free_matrix":
                labels["home"] = str(column)
            if table == "class":
                labels["class"] = name or str(row)
            if table in ("phase", "pool", "tracked"):
                labels[table] = name
            for figure, value in figures.items():
                if table not in PREFIXES or figure == "block_bytes" or \
                        (table == "total" and not figure.endswith("_peak")):
                    continue
                seconds = figure.endswith("_ns") or "_ns_" in figure
                key = family(PREFIXES[table], figure), tuple(sorted(labels.items()))
                want[key] += decimal.Decimal(value).scaleb(-9 if seconds else 0)
    same(read_prometheus(path), want, path)


# ---- collapsed stacks ------------------------------------------------------------------


def check_collapsed(path, records, figure):
    got, want = collections.Counter(), collections.Counter()
    for r in records:
        program = "".join("_" if c in " \x7f" or ord(c) < 32 else c
                          for c in r["program"].replace(";", ":")) or "[unknown]"
        want[program] += sum(s[figure] for s in r["profile"]["sites"])
    for line in open(path, encoding="utf-8", newline=""):
        stack, count = line.rstrip("\n").split(" ")
        frames = stack.split(";")
        if "" in frames or len(frames) < 2 or int(count) == 0:
            fail("no stack:", line)
        got[frames[0]] += int(count)
    same(got, +want, path)


def main():
    records = [json.loads(line) for line in open(sys.argv[3], encoding="utf-8")]
    if sys.argv[1] == "csv":
        check_csv(sys.argv[2], records)
    elif sys.argv[1] == "prometheus":
        check_prometheus(sys.argv[2], records)
    else:
        check_collapsed(sys.argv[2], records, sys.argv[4])


main()
