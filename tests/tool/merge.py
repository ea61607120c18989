# SPDX-License-Identifier: MIT
"""Records of a made-up job, and what merging them must give, by other means.

    merge.py make RECORD FOLDER RANKS    the files, after the pattern of a real record
    merge.py check FOLDER JOB            the job's record against the files, figure by figure
    merge.py csv FOLDER CSV              the same for its lines
    merge.py text FOLDER TEXT            the same for tables and sentences of the text
"""
import collections
import csv
import json
import os
import random
import re
import statistics
import sys

PER_HOST = 64
MISSING, TRUNCATED, RUBBISH, FOREIGN, FUTURE = 17, 99, 100, 101, 102
CHILD, TWICE, RUNNING, OUTLIER = 7, 8, 55, 42
IDENTITY = ["numatally", "record", "program", "pid", "rank", "host", "start_unix_ns",
            "now_unix_ns", "final", "inherited", "fake_topology", "page_bytes"]
ROW = ["allocations_total", "allocated_bytes_total", "requested_bytes_total", "frees_total",
       "remote_frees_total", "far_frees_total", "live_bytes_now", "live_bytes_peak",
       "committed_bytes_now", "resident_bytes_now"]
ELSEWHERE = ["elsewhere_full_bytes_now", "elsewhere_refused_bytes_now",
             "elsewhere_moved_bytes_now"]


# ---- making ---------------------------------------------------------------------------


def vary(rng, value, factor):
    return int(value * factor * rng.uniform(0.95, 1.05)) + rng.randrange(1000)


def record(base, rng, rank, pid, factor=1.0):
    """A record with the pattern's shape and figures of its own."""
    r = json.loads(base)
    r.update(rank=rank, pid=pid, host="n%03d" % ((rank or 0) // PER_HOST), final=True,
             program="lmp", start_unix_ns=10**18 + rng.randrange(10**9),
             now_unix_ns=10**18 + 60 * 10**9 + rng.randrange(10**9))
    for key in r:
        if isinstance(r[key], int) and key not in IDENTITY:
            r[key] = vary(rng, r[key], factor)
    r["total"] = dict.fromkeys(r["total"], 0)
    # Nodes in any order; on every fourth host they have other numbers.
    shift = 4 if (rank or 0) // PER_HOST % 4 == 3 else 0
    rng.shuffle(r["nodes"])
    for i, node in enumerate(r["nodes"]):
        for key in r["total"]:
            node[key] = vary(rng, node[key], factor)
            r["total"][key] += node[key]
        node["node"] = i + shift
    r["nodes"].reverse()
    r["free_matrix"] = [[rng.randrange(10**6) for _ in row] for row in r["free_matrix"]]
    for c in r["classes"]:
        for key in c:
            if key != "block_bytes":
                c[key] = vary(rng, c[key], factor)
    r["classes"] = [c for c in r["classes"] if rng.random() < 0.9 or c["block_bytes"] == 0]
    for part in ("history", "threads", "pools", "phases", "tracked", "profile"):
        r.pop(part, None)
    return r


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def make(path, folder, ranks):
    with open(path, encoding="utf-8") as f:
        base = f.readline()
    rng = random.Random(1)
    good = []
    for rank in range(ranks):
        r = record(base, rng, rank, 1000 + rank, 7 if rank == OUTLIER else 1)
        if rank == RUNNING:
            r["final"] = False
        text = json.dumps(r) + "\n"
        if rank == CHILD:  # a forked child of half its size
            child = record(base, rng, rank, 90000, 0.5)
            text += json.dumps(child) + "\n"
            good.append(child)
        if rank == MISSING:
            continue
        if rank == TRUNCATED:
            text = text[: len(text) // 2]
        elif rank == RUBBISH:
            text = "this is no record\n"
        elif rank == FOREIGN:
            text = '{"traceEvents": []}\n'
        elif rank == FUTURE:
            text = text.replace('"record": 1,', '"record": 2,')
        else:
            good.append(r)
        if rank == TWICE:
            write(folder, "again.json", text)
        write(folder, f"rank-{rank:05}.json", text)
    launcher = record(base, rng, None, 500, 0.1)
    launcher["program"] = "mpirun"
    write(folder, "launcher.json", json.dumps(launcher) + "\n")
    good.append(launcher)
    with open(os.path.join(folder, "expected"), "w", encoding="utf-8") as f:
        json.dump({"ranks": ranks, **summed(good), "rows": rows(good)}, f)


# ---- what must come out ---------------------------------------------------------------


def row_of(r):
    row = {key: r["total"][key] for key in ROW}
    row["elsewhere_bytes_now"] = sum(r["total"][key] for key in ELSEWHERE)
    row["cpu_ns_total"] = r["cpu_ns_total"]
    row["nodes"] = {n["node"]: [n["live_bytes_now"], n["live_bytes_peak"]]
                    for n in r["nodes"]}
    return row


def rows(good):
    """By rank, of all its processes; what has no rank comes last."""
    out = {}
    for r in good:
        row, key = row_of(r), str(r["rank"])
        if key in out:
            main = max(out[key], row, key=lambda x: x["live_bytes_peak"])
            pid = out[key]["pid"] if main is out[key] else r["pid"]
            for k in row:
                if k != "nodes":
                    row[k] += out[key][k]
            for n, v in out[key]["nodes"].items():
                row["nodes"][n] = [a + b for a, b in zip(v, row["nodes"].get(n, [0, 0]))]
            row.update(pid=pid, processes=out[key]["processes"] + 1)
        else:
            row.update(pid=r["pid"], processes=1)
        row.update(host=r["host"], final=r["final"])
        out[key] = row
    return out


def summed(good):
    process, total = collections.Counter(), collections.Counter()
    nodes = collections.defaultdict(collections.Counter)
    classes = collections.defaultdict(collections.Counter)
    frees = collections.Counter()
    for r in good:
        process.update({k: v for k, v in r.items()
                        if isinstance(v, int) and k not in IDENTITY})
        total.update(r["total"])
        for n in r["nodes"]:
            nodes[n["node"]].update({k: v for k, v in n.items() if k != "node"})
        for c in r["classes"]:
            classes[c["block_bytes"]].update(
                {k: v for k, v in c.items() if k != "block_bytes"})
        ids = [n["node"] for n in r["nodes"]]
        for f, line in zip(ids, r["free_matrix"]):
            for h, n in zip(ids, line):
                frees[f"{f} {h}"] += n
    return {"process": process, "total": total, "nodes": nodes, "classes": classes,
            "frees": frees, "start": min(r["start_unix_ns"] for r in good),
            "now": max(r["now_unix_ns"] for r in good)}


def expected(folder):
    with open(os.path.join(folder, "expected"), encoding="utf-8") as f:
        return json.load(f)


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got} instead of {want}")


def check(folder, path):
    want = expected(folder)
    with open(path, encoding="utf-8") as f:
        (job,) = (json.loads(line) for line in f)
    for key, value in want["process"].items():
        same(key, job[key], value)
    same("total", job["total"], want["total"])
    same("nodes", [n["node"] for n in job["nodes"]], sorted(map(int, want["nodes"])))
    for n in job["nodes"]:
        same("node", {k: v for k, v in n.items() if k != "node"},
             want["nodes"][str(n["node"])])
    order = [c["block_bytes"] for c in job["classes"]]
    same("classes", order, sorted(map(int, want["classes"]), key=lambda b: b or 10**18))
    for c in job["classes"]:
        same("class", {k: v for k, v in c.items() if k != "block_bytes"},
             want["classes"][str(c["block_bytes"])])
    for f, line in zip(job["nodes"], job["free_matrix"]):
        for h, n in zip(job["nodes"], line):
            same("frees", n, want["frees"].get(f"{f['node']} {h['node']}", 0))
    same("start", job["start_unix_ns"], want["start"])
    same("now", job["now_unix_ns"], want["now"])
    same("identity", [job[k] for k in ("pid", "rank", "host", "program", "final")],
         [0, None, "(several)", "(several)", False])
    same("ranks", job["job"]["ranks"], want["ranks"])
    got = {str(r["rank"]): r for r in job["job"]["rows"]}
    same("rows", sorted(got), sorted(want["rows"]))
    same("their order", [r["rank"] for r in job["job"]["rows"][:-1]],
         sorted(int(k) for k in got if k != "None"))
    for key, w in want["rows"].items():
        g = got[key]
        for figure in ROW + ["elsewhere_bytes_now", "cpu_ns_total", "pid", "processes",
                             "host"]:
            same(f"rank {key}, {figure}", g[figure], w[figure])
        same("end", g["end"], "ended" if w["final"] else "running")
        same("nodes of a rank",
             {str(n["node"]): [n["live_bytes_now"], n["live_bytes_peak"]]
              for n in g["nodes"]}, w["nodes"])
    print(f"{len(got)} rows and their sum agree")


def check_csv(folder, path):
    want = expected(folder)["rows"]
    with open(path, encoding="utf-8", newline="") as f:
        lines = list(csv.DictReader(f))
    same("lines", len(lines), len(want))
    for line in lines:
        w = want[line["rank"] or "None"]
        for figure in ROW + ["elsewhere_bytes_now", "cpu_ns_total", "pid", "processes"]:
            same(f"{line['rank']}, {figure}", int(line[figure]), w[figure])
        same("host", line["host"], w["host"])
        for node in ("0", "1", "4", "5"):
            same("on a node", [line[f"live_bytes_now.node{node}"],
                               line[f"live_bytes_peak.node{node}"]],
                 [str(v) for v in w["nodes"].get(node, ["", ""])])
        same("others", line["live_bytes_now.others"], "")
    print(f"{len(lines)} lines agree")


def mib(value):
    return f"{(value * 100 + 2**19) // 2**20 / 100:.2f}"


def check_text(folder, path):
    want = expected(folder)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    ranks = {int(k): v for k, v in want["rows"].items() if k != "None"}
    peaks = {k: v["live_bytes_peak"] for k, v in ranks.items()}
    low = min(peaks, key=lambda k: (peaks[k], k))
    high = max(peaks, key=lambda k: (peaks[k], -k))
    found = re.search(r"\nRanks .*?\nLive, peak +(.*?)\n", text, re.S).group(1).split()
    same("over ranks", found,
         [mib(sum(peaks.values())), mib(sum(peaks.values()) // len(peaks)),
          mib(sorted(peaks.values())[(len(peaks) - 1) // 2]),
          mib(peaks[low]), str(low), mib(peaks[high]), str(high)])
    hosts = collections.defaultdict(list)
    for row in ranks.values():
        hosts[row["host"]].append(row)
    sums = {h: sum(r["cpu_ns_total"] for r in v) for h, v in hosts.items()}
    least = min(sums, key=lambda h: (sums[h], h))
    most = min(sums, key=lambda h: (-sums[h], h))
    found = re.search(r"\nHosts .*?\nProcessor time, s +(.*?)\n", text, re.S).group(1)
    seconds = [sum(sums.values()) // len(sums), sums[least], sums[most]]
    same("over hosts", found.split(),
         [f"{v // 10**6 / 1000:.3f}" for v in seconds] + [least + ",", most])
    full = sorted(hosts, key=lambda h: (-sum(r["live_bytes_peak"] for r in hosts[h]), h))
    found = re.search(r"\nLive, peak, by host .*?---\n(.*?)\n\n", text, re.S).group(1)
    same("fullest hosts", [line.split()[0] for line in found.split("\n")[:12]], full[:12])
    for line in found.split("\n")[:12]:
        host, *cells = line.split()
        v = [r["live_bytes_peak"] for r in hosts[host]]
        same(host, cells[:5], [str(len(v)), mib(sum(v)), mib(sum(v) // len(v)),
                               mib(min(v)), mib(max(v))])
    found = re.search(r"\nLive, peak, by node .*?---\n(.*?)\n\n", text, re.S).group(1)
    for line in found.split("\n"):
        _, node, *cells = line.split()
        v = [r["nodes"][node][1] for r in ranks.values()
             if r["nodes"].get(node, [0, 0])[1] > 0]
        same(f"node {node}", cells[:5], [str(len(v)), mib(sum(v)), mib(sum(v) // len(v)),
                                         mib(min(v)), mib(max(v))])
    missing = sorted(set(range(want["ranks"])) - set(ranks))
    same("missing", re.search(r"No figures of 5 ranks: (.*)\n", text).group(1),
         f"{missing[0]}, {missing[1]}-{missing[4]}")
    for label, figure, least in (("Live, peak", "live_bytes_peak", 2**20),
                                 ("Remote frees", "remote_frees_total", 1000),
                                 ("Processor time, s", "cpu_ns_total", 10**8)):
        found = re.findall(rf"    {label}: rank (\d+) ", text)
        far = outliers({k: v[figure] for k, v in ranks.items()}, least)
        same(f"outliers, {label}", found, [str(k) for k in far[:3]])
        more = re.search(rf"    {label}: and (\d+) more\n", text)
        same("more of them", int(more.group(1)) if more else 0, max(len(far) - 3, 0))
    picture(text, ranks)
    print("tables and sentences agree")


def outliers(values, least):
    """Further than 5.2 times the median of distances, a quarter of the median, and least."""
    middle = statistics.median_low(values.values())
    away = {k: abs(v - middle) for k, v in values.items()}
    usual = statistics.median_low(away.values())
    far = [k for k, d in away.items()
           if 10 * d > 52 * usual and 4 * d > middle and d >= least]
    return sorted(far, key=lambda k: -away[k])


def picture(text, ranks):
    """The darkest column is that of the outlier; nodes of other hosts are blank there."""
    lines = dict(re.findall(r"\nNode (\d+) +\|(.*)\|", text))
    order = sorted(ranks)
    at = order.index(OUTLIER)
    column = next(c for c in range(64) if (c + 1) * len(order) // 64 > at)
    same("picture", sorted(lines), ["0", "1", "4", "5"])
    same("width", {len(v) for v in lines.values()}, {64})
    same("darkest", "@" in lines["0"][column] + lines["1"][column], True)
    for node, line in lines.items():
        for c in range(64):
            some = [ranks[r] for r in order[c * len(order) // 64:
                                            (c + 1) * len(order) // 64]]
            same("blank", line[c] == " ", all(node not in r["nodes"] for r in some))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        {"check": check, "csv": check_csv, "text": check_text}[sys.argv[1]](*sys.argv[2:])
