# SPDX-License-Identifier: MIT
"""sums.py JOB RECORD...: every figure of the job's record is the sum of the ranks'.

The tables are matched by what names their rows: nodes by number, classes by block size.
Rows of ranks are held against the records, too.
"""
import json
import sys

NAMES = {"node", "block_bytes"}  # these name a row; pid and the like name the process
PROCESS = ["threads_now", "threads_total", "pools_now", "tracked_now", "cpu_ns_total",
           "foreign_frees_total", "metadata_bytes_now", "residency_pages_now"]


def load(path):
    with open(path) as f:
        records = [json.loads(line) for line in f]
    if len(records) != 1:
        sys.exit(f"{path} has {len(records)} records")
    return records[0]


def add(rows, key):
    table = {}
    for row in rows:
        into = table.setdefault(row[key], {})
        for name, value in row.items():
            if name not in NAMES:
                into[name] = into.get(name, 0) + value
    return table


job, ranks = load(sys.argv[1]), [load(path) for path in sys.argv[2:]]
bad, compared = [], 0


def same(what, got, want):
    global compared
    compared += 1
    if got != want:
        bad.append(f"{what}: {got}, but the ranks' records sum up to {want}")


for name in PROCESS:
    same(name, job[name], sum(r[name] for r in ranks))
for name, value in job["total"].items():
    same(f"total {name}", value, sum(r["total"][name] for r in ranks))
for table, key in (("nodes", "node"), ("classes", "block_bytes")):
    got = add(job[table], key)
    want = add([row for r in ranks for row in r[table]], key)
    same(f"rows of {table}", sorted(got), sorted(want))
    for row in got:
        for name, value in got[row].items():
            same(f"{table} {row} {name}", value, want[row][name])
same("free_matrix", [[sum(x) for x in zip(*rows)] for rows in
                     zip(*[r["free_matrix"] for r in ranks])], job["free_matrix"])
rows = {row["rank"]: row for row in job["job"]["rows"]}
same("ranks", sorted(rows), sorted(r["rank"] for r in ranks))
for r in ranks:
    row = rows[r["rank"]]
    for name in ("pid", "host", "program", "start_unix_ns", "now_unix_ns"):
        same(f"rank {r['rank']} {name}", row[name], r[name])
    for name, value in row.items():
        if name in r["total"]:
            same(f"rank {r['rank']} {name}", value, r["total"][name])
if bad or compared < 100 or job["total"]["allocations_total"] < 100:
    sys.exit("\n".join(bad[:20]) or f"too little was compared: {compared} figures")
print(f"{compared} figures compared")
