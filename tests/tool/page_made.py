# SPDX-License-Identifier: MIT
#
# page_made.py RECORD FOLDER: records that no run here gives, made of one that did: 64 nodes,
# ten thousand stacks, a profile without samples, a record of an older version, names that
# try to break out of the page, and figures as large as they come.
import copy
import json
import random
import sys

HOSTILE = ("</script><script>document.broken=1</script>", "<!--<script>", "\"'`&amp;",
           "<img src=x onerror=document.broken=2>", "]]></style></pre></noscript><b>",
           "line\nfeed\ttab\r", "\u2028\u2029\u0001\u007f", "\u202eabc\ufeff", "@DATA@ @TEXT@",
           "\ud7ff\ufffd\U0001f9e8", "javascript:document.broken=3")


def nodes64(record):
    r = copy.deepcopy(record)
    base = r["nodes"][0]
    r["program"] = "sixty-four"
    r["nodes"] = []
    for i in range(64):
        node = {key: int(value * random.uniform(0.1, 3)) for key, value in base.items()}
        node["node"] = i if i < 32 else i + 4
        committed = random.randrange(1 << 34)
        for key in ("committed", "resident", "lying"):
            node[f"{key}_bytes_now"] = committed
        node["live_bytes_now"] = committed // random.randrange(1, 9)
        node["live_bytes_peak"] = committed
        for key, part in (("elsewhere_full", 7), ("elsewhere_moved", 9), ("lying_huge", 3)):
            node[f"{key}_bytes_now"] = committed // part
        r["nodes"].append(node)
    r["total"] = {key: sum(n[key] for n in r["nodes"]) for key in r["total"]}
    r["free_matrix"] = [[int(random.random() ** 6 * 1e6 * (50 if f == h else 1))
                         for h in range(64)] for f in range(64)]
    r["residency_pages_now"] = 16384
    r["history"] = {"interval_ns": 10 ** 10, "points": []}
    for k in range(30):
        live = [min(n["live_bytes_now"], n["live_bytes_now"] * k // 12) for n in r["nodes"]]
        r["history"]["points"].append({"ns": k * 13 * 10 ** 9, "live_bytes_now": live,
                                       "committed_bytes_now": [n * 3 // 2 for n in live]})
    r["now_unix_ns"] = r["start_unix_ns"] + 30 * 13 * 10 ** 9
    return r


def sites(record, count=10000):
    """Stacks as programs have them: each goes back some calls from the last one, and on."""
    r = copy.deepcopy(record)
    p = r["profile"]
    r["program"] = "stacks"
    p["modules"] = [dict(p["modules"][0], path=f"/opt/part{m}.so", start=m << 32,
                         end=(m << 32) + (1 << 20), bias=m << 32, from_generation=0,
                         to_generation=4294967295) for m in range(1, 20)]
    template, stack, p["sites"] = p["sites"][0], [], []
    for _ in range(count):
        stack = stack[:random.randrange(len(stack) + 1)][:40]
        stack += [(random.randrange(1, 20) << 32) + 16 * random.randrange(400) + 5
                  for _ in range(random.randrange(1, 12))]
        site = {key: random.randrange(1, 1 << 20) for key, value in template.items()
                if isinstance(value, int)}
        p["sites"].append(dict(site, generation=0, stack=stack[::-1],
                               lifetimes=template["lifetimes"]))
    for key, value in p["total"].items():
        if isinstance(value, int) and key != "generation":
            p["total"][key] = sum(s[key] for s in p["sites"])
    p["samples"] = []
    p["remote_frees"] = [{"site": i, "free_site": i + 1, "samples_total": 3,
                          "frees_total": 9 * i, "requested_bytes_total": 1 << 20}
                         for i in range(200)]
    # Out of range: of sites that are not there.
    p["remote_frees"].append(dict(p["remote_frees"][0], site=count, free_site=1 << 40))
    return r


def empty(record):
    r = copy.deepcopy(record)
    p = r["profile"]
    r["program"] = "nothing-sampled"
    p["sites"], p["samples"], p["remote_frees"], p["modules"] = [], [], [], []
    p["total"] = {key: [0] * 16 if key == "lifetimes" else [] if key == "stack" else 0
                  for key in p["total"]}
    for key in ("phases", "threads", "pools", "tracked"):
        r.pop(key, None)
    r["classes"] = []
    r["free_matrix"] = [[0] * len(row) for row in r["free_matrix"]]
    for figures in [r["total"], *r["nodes"]]:
        figures.update((key, 0) for key in figures if key != "node")
    return r


def older(record):
    """As version 0.1.0 wrote them before there were history and slab_bytes_now."""
    r = copy.deepcopy(record)
    r["program"] = "older"
    r.pop("history", None)
    r.pop("cpu_ns_total", None)
    for c in r["classes"]:
        c.pop("slab_bytes_now", None)
    for site in [r["profile"]["total"], *r["profile"]["sites"]]:
        site.pop("reallocs_total", None)
    return r


def hostile(record):
    r = copy.deepcopy(record)
    names = [name for name in HOSTILE]
    r["program"], r["host"] = names[0][:60], names[3][:60]
    r["threads"] = [dict(r["threads"][-1], tid=100 + i, name=name[:30])
                    for i, name in enumerate(names)]
    r["pools"] = [dict(r["pools"][0], name=name[:30]) for name in names]
    r["phases"] = [dict(r["phases"][0], name=name[:60]) for name in names]
    for i, module in enumerate(r["profile"]["modules"]):
        module["path"] = "/opt/" + names[i % len(names)]
    return r


def enormous(record):
    """Figures that no number of JavaScript's holds exactly."""
    r = copy.deepcopy(record)
    r["program"] = "enormous"
    for figures in [r["total"], *r["nodes"], *r["classes"], *r["threads"], *r["pools"]]:
        figures.update((key, (1 << 63) - 1) for key in figures
                       if key.endswith(("_total", "_now", "_peak")))
    return r


def nodeless(record):
    r = copy.deepcopy(record)
    r["program"] = "nodeless"
    r["nodes"], r["free_matrix"], r["phases"] = [], [], []
    r.pop("history", None)
    return r


def job(record, ranks=300):
    """Ranks on hosts with two nodes of 20; the first of each host is the largest."""
    r = copy.deepcopy(record)
    r.update(program="(several)", host="(several)", pid=0, rank=None, final=False)
    for part in ("history", "profile", "threads", "pools", "phases", "tracked"):
        r.pop(part, None)
    r["job"] = {"ranks": ranks, "rows": []}
    for rank in [*range(ranks), None]:
        if rank in (3, 4, 5, 9):
            continue
        host = (rank or 0) // 16
        peaks = [random.randrange(1 << 30) * (9 if (rank or 0) % 16 == 0 else 1)
                 for _ in range(2)]
        name = ["lmp", HOSTILE[0][:31]][rank == 11] if rank is not None else "mpirun"
        row = {"rank": rank, "pid": 1000 + (rank or 0), "host": (HOSTILE[3] + str(host))[:63],
               "program": name, "processes": 1, "end": "finalized", "code": 0,
               "start_unix_ns": 1, "now_unix_ns": 2, "stale_ns": 0}
        if rank in (20, 21, 22, 23):
            row.update(end=["signalled", "exited", "aborted", "running"][rank - 20],
                       code=[9, 3, 1, 0][rank - 20])
        for key in ("allocations_total", "allocated_bytes_total", "requested_bytes_total",
                    "frees_total", "remote_frees_total", "far_frees_total",
                    "live_bytes_now", "committed_bytes_now", "resident_bytes_now",
                    "elsewhere_bytes_now", "cpu_ns_total"):
            row[key] = random.randrange(1 << 30)
        row["live_bytes_peak"] = sum(peaks)
        row["nodes"] = [{"node": 2 * (host % 10) + k, "live_bytes_now": 0,
                         "live_bytes_peak": peak} for k, peak in enumerate(peaks)]
        if rank == 30:
            row["nodes"].append({"node": -1, "live_bytes_now": 0, "live_bytes_peak": 77})
        r["job"]["rows"].append(row)
    return r


def main():
    random.seed(1)
    record = json.loads(open(sys.argv[1]).readline())
    for make in (nodes64, sites, empty, older, hostile, enormous, nodeless, job):
        with open(f"{sys.argv[2]}/{make.__name__}.json", "w") as out:
            json.dump(make(record), out)


main()
