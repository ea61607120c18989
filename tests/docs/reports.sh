#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What docs/reports.md says of formats, on a real record: the awk line does what it says; its
# tables, columns and metrics are those that there are.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/../tool/lib.bash"
cd "$work" || exit 1
page=$NT_SOURCE/docs/reports.md

cat >all.py <<'PY'
import ctypes, threading
nt = ctypes.CDLL(None)
pool, a, out = ctypes.c_void_p(), (ctypes.c_size_t * 8)(), (ctypes.c_size_t * 8)()
nt.nt_pool_create(None, ctypes.byref(pool))
nt.nt_pool_allocator(pool, a)
nt.nt_tracked(a, b"t", out)
get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(out[2])
put = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(out[6])
kept = [get(out[1], size) for size in range(5000)]
nt.nt_mark(b"one")
nt.nt_malloc.restype = ctypes.c_void_p
blocks = [nt.nt_malloc(ctypes.c_size_t(1000)) for _ in range(1000)]
def free():
    for b in blocks:
        nt.nt_free(ctypes.c_void_p(b))
t = threading.Thread(target=free)
t.start()
t.join()
PY
NUMATALLY_TOPOLOGY=2x1 try 0 "$tool" run --sample 4K --report run.json -- "$python" all.py
try 0 "$tool" report -o run.csv run.json
try 0 "$tool" report -o run.prom run.json

# The line of awk: node, its number, its live bytes.
grep '^awk ' "$page" >lines.sh || fail "the page has no awk"
try 0 bash lines.sh
python3 - <<'PY' || fail "the awk line prints something else"
import json
r = json.loads(open("run.json").readline())
want = [f"node {n['node']} {n['live_bytes_now']}" for n in r["nodes"]]
assert len(want) == 2 and open("out").read().splitlines() == want
PY

python3 - "$page" <<'PY' || fail "see above"
import csv, re, sys
page = open(sys.argv[1]).read()
rows = list(csv.DictReader(open("run.csv", newline="")))
part = page[page.index("## CSV"):page.index("## Prometheus")]
columns, tables = part.split("| table | row | column | |\n")
told = {t for line in tables.split("\n") if line.startswith("| `")
        for t in re.findall(r"`(\w+)`", line.split("|")[1])}
there = {r["table"] for r in rows}
assert told == there, told ^ there
told = [c for line in columns.split("\n") if line.startswith("| `")
        for c in re.findall(r"`(\w+)`", line.split("|")[1])]
assert told == list(rows[0]), told
units = set(re.findall(r"`(count|bytes|ns|id)`", columns))
assert {r["unit"] for r in rows} == units
metrics = set(re.findall(r"numatally_\w+", page)) - {"numatally_"}
there = set(re.findall(r"^# TYPE (\w+)", open("run.prom").read(), re.M))
assert len(metrics) >= 4 and metrics <= there, metrics - there
PY
echo "ok"
