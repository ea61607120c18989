#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally report --diff: a program before and after a change, a process at two moments, other
# nodes; and what cannot be compared.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

cat >work.c <<'C'
#include <pthread.h>
#include <stdlib.h>
#define KEEP __attribute__((noinline, noclone))
#define AFTER __asm__ volatile("" ::: "memory")
static void *volatile kept;
KEEP void same(size_t n) { kept = malloc(n); AFTER; }
KEEP void grows(size_t n) { kept = malloc(n); AFTER; }
int main(int argc, char **argv)
{
    for (int i = 0; i < 20000; i++)
        same(1000);
    for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 0); i++)
        grows(5000);
    return 0;
}
C
"${CC:-cc}" -g -O1 -fno-omit-frame-pointer -o work work.c || fail "work.c does not compile"
export NUMATALLY_CONF=sample_seed:1
try 0 "$tool" run --sample 64K --report a.json -- ./work 1000
export NUMATALLY_CONF=sample_seed:2
NUMATALLY_TOPOLOGY=3x1 try 0 "$tool" run --sample 64K --report b.json -- ./work 4000
unset NUMATALLY_CONF

# By JSON: each figure is that of its record, and all that both have are there.
try 0 "$tool" report --diff --format json a.json b.json
python3 - <<'PY' || fail "see above"
import json
a, b = (json.loads(open(f"{x}.json").readline()) for x in "ab")
diff = json.loads(open("out").readline())
assert diff["before"]["file"] == "a.json" and diff["after"]["pid"] == b["pid"]
of = {(f["table"], f["row"], f["figure"]): f for f in diff["figures"]}
for record, side in (a, "before"), (b, "after"):
    rows = [("total", "", record["total"])]
    rows += [("node", str(n["node"]), n) for n in record["nodes"]]
    rows += [("class", str(c["block_bytes"] or "large"), c) for c in record["classes"]]
    rows += [("pool", p["name"], p) for p in record["pools"]]
    rows += [("site_total", "", record["profile"]["total"])]
    for table, row, figures in rows:
        for figure, value in figures.items():
            if not isinstance(value, int) or figure.endswith("_error") or figure in (
                    "node", "block_bytes", "generation"):
                continue
            if not record["residency_pages_now"] and (
                    "resident" in figure or "elsewhere" in figure or "lying" in figure):
                continue
            got = of[table, row, figure]
            assert got[side] == value, (table, row, figure, got, value)
            assert got["difference"] == (got["after"] or 0) - (got["before"] or 0), got
    for figure in "samples_total", "requested_bytes_total":
        sites = sum(f[side] or 0 for f in diff["figures"]
                    if f["table"] == "site" and f["figure"] == figure)
        assert sites == sum(s[figure] for s in record["profile"]["sites"]), figure
assert of["node", "2", "allocations_total"]["before"] is None
assert of["total", "", "allocations_total"]["difference"] == 3000
errors = [f for f in diff["figures"] if "error" in f]
assert errors and all(f["table"] in ("site", "site_total") for f in errors)
# The one that grows, 15 MB, is the largest and no noise; the other, 20 MB, is noise.
sites = [f for f in diff["figures"] if f["table"] == "site"
         and f["figure"] == "at_peak_requested_bytes"]
assert [abs(f["difference"]) for f in sites] == sorted(
    (abs(f["difference"]) for f in sites), reverse=True)
first = sites[0]
assert not first["noise"] and abs(first["difference"] - 15e6) < 6 * first["error"], first
PY

# As text; sites by another figure.
try 0 "$tool" report --diff a.json b.json
out '^Before  a.json: work, pid [0-9]+, host .*, at its end, '
out '^Allocations +[0-9]+ +[0-9]+ +\+3000 '
out '^Nodes  '
out '^  At peak .* \+[0-9.]+ +\+[0-9.]+ +[0-9.]+$'
out '^    grows$'
try 0 "$tool" report --diff --value allocations a.json b.json
out '^All sites '
try 0 "$tool" report --diff a.json a.json
out '^The counters are the same$'
out '^The sites are the same$'
try 0 "$tool" report --diff --format csv -o d.csv a.json b.json
python3 - <<'PY' || fail "CSV and JSON differ"
import csv
rows = list(csv.DictReader(open("d.csv", newline=""), strict=True))
assert any(r["table"] == "total" and r["figure"] == "allocations_total" and
           int(r["difference"]) == 3000 == int(r["after"]) - int(r["before"]) for r in rows)
assert any(r["noise"] == "1" and int(r["error"]) > 0 for r in rows)
PY
try 1 "$tool" report --diff -o /dev/full --format json a.json b.json
err '/dev/full: No space left'
for format in text json csv; do
    "$tool" report --diff --format $format a.json b.json >/dev/full 2>err && fail "a full disk was not noticed"
    err 'standard output: No space left'
done

# One process at two moments, by its live file.
mkdir live
NUMATALLY_CONF=live:$work/live LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so \
    "$python" -c 'import time
kept = []
while True:
    kept.append(bytes(4 << 20))
    time.sleep(0.05)' &
pid=$!
file=live/numatally-$pid.live
until [ -s "$file" ] && "$tool" report "$file" >/dev/null 2>&1; do
    kill -0 $pid || fail "it ended without a live file"
    sleep 0.05
done
cp "$file" early
live() { "$tool" report --format json "$1" 2>/dev/null | grep -o '"total":{.*' | grep -o '"live_bytes_now":[0-9]*' | head -1; }
until [ "$(live "$file")" != "$(live early)" ]; do
    kill -0 $pid || fail "it ended"
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
try 0 "$tool" report --diff early "$file"
out '^Live  +.* \+[0-9]+\.[0-9]+ '
out "^After   $file: .*, while it ran, "
if grep -q '^Sites' out; then fail "sites of nothing"; fi
try 0 "$tool" report --diff a.json "$file"
out '^Sites are not compared: nothing was sampled after'

# What cannot be compared, and what is bad in one.
cat a.json b.json >two.json
try 1 "$tool" report --diff a.json two.json
err 'two.json holds 2 records, and --diff compares one with one: put it into a file'
[ ! -s out ] || fail "something was compared"
{ cat b.json && head -c 1000 a.json; } >cut.json
try 1 "$tool" report --diff a.json cut.json
err 'cut.json: record 2 is no JSON'
out '^Allocations +[0-9]+ +[0-9]+ +\+3000 '
try 1 "$tool" report --diff a.json /nonexistent
err '/nonexistent: No such file'
try 2 "$tool" report --diff a.json
err '--diff compares two files, and 1 were given'
try 2 "$tool" report --diff --format prometheus a.json b.json
err '--diff cannot be shown as prometheus, but as text, json or csv'
try 2 "$tool" report --diff -o x.folded a.json b.json
echo "ok"
