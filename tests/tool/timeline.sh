#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# report:every=TIME: rows while programs run, end, fork and are killed; beside a report; and
# what goes wrong, which costs one line on stderr and nothing else.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so

cat >steps.py <<'PY'
import os, sys, time
def steps(n):
    kept = []
    for i in range(n):
        kept.append(bytearray(1000000))
        time.sleep(0.02)
steps(25)
if "fork" in sys.argv:
    if os.fork():
        os.wait()
    else:
        steps(5)
if "kill" in sys.argv:
    os.kill(os.getpid(), 9)
print("done")
PY

# What holds of any: rows in order, at least so far apart (the last, at the end, may come
# sooner), totals that only grow. Prints how many rows there are.
cat >check.py <<'PY'
import csv, json, sys
path, apart, nodes = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
names = ["live_bytes_now", "committed_bytes_now", "allocations_total", "frees_total",
         "remote_frees_total"]
if path.endswith(".csv"):
    with open(path) as f:
        table = list(csv.reader(f))
    assert table[0] == ["unix_ns", "seconds"] + [f"{name}.{n}" for n in range(nodes) for name in names]
    assert all(len(r) == len(table[0]) for r in table)
    rows = [(int(r[0]), float(r[1]), [list(map(int, r[2 + 5 * n:7 + 5 * n])) for n in range(nodes)])
            for r in table[1:]]
else:
    rows = []
    for line in open(path):
        r = json.loads(line)
        assert [n["node"] for n in r["nodes"]] == list(range(nodes))
        rows.append((r["unix_ns"], r["seconds"], [[n[name] for name in names] for n in r["nodes"]]))
for a, b in zip(rows, rows[1:]):
    assert b[0] > a[0] and b[1] >= a[1]
    assert all(y[i] >= x[i] for x, y in zip(a[2], b[2]) for i in (2, 3, 4))
assert all(b[0] - a[0] > (apart - 0.005) * 1e9 for a, b in zip(rows[:-1], rows[1:-1])), rows
assert all(sum(n[0] for n in r[2]) <= sum(n[1] for n in r[2]) for r in rows)
print(len(rows), max(sum(n[0] for n in r[2]) for r in rows))
PY
# check FILE SECONDS NODES: sets $rows and $most, the most that was live.
check() {
    read -r rows most < <(python3 check.py "$@") || fail "see above"
    [ -n "$rows" ] || fail "see above"
}

run() { env LD_PRELOAD="$library" "$@"; }

# By its default name, in the folder of the start.
NUMATALLY_CONF=report:every=100ms try 0 run "$python" steps.py
out '^done$'
no_err .
file=$(ls numatally-*.csv)
[ "$(stat -c %a "$file")" = 600 ] || fail "mode $(stat -c %a "$file")"
case $file in numatally-"$(uname -n)"-*.csv) ;; *) fail "its name is $file" ;; esac
check "$file" 0.1 1
[ "$rows" -ge 3 ] || fail "$rows rows"
[ "$most" -gt 15000000 ] || fail "at most $most bytes"

# Beside a report, on made-up nodes, as JSON lines; the last row is the report's.
NUMATALLY_TOPOLOGY=2x1 NUMATALLY_CONF="report:exit.json,report:every=50ms;t-%r-%p.jsonl" \
    try 0 run "$python" steps.py
file=$(ls t-none-*.jsonl)
check "$file" 0.05 2
[ "$rows" -ge 3 ] || fail "$rows rows"
python3 - "$file" <<'PY' || fail "the last row is not the report's"
import json, sys
row = json.loads(open(sys.argv[1]).readlines()[-1])
r = json.loads(open("exit.json").readline())
assert row["unix_ns"] == r["now_unix_ns"]
assert all(row["nodes"][n][key] == r["nodes"][n][key] for n in range(2) for key in row["nodes"][n])
PY

# A forked child has a file of its own; a program that is killed leaves its rows, whole.
NUMATALLY_CONF='report:every=50ms;f-%p.csv' try 0 run "$python" steps.py fork
# shellcheck disable=SC2012
[ "$(ls f-*.csv | wc -l)" = 2 ] || fail "no two files: $(ls)"
for f in f-*.csv; do
    check "$f" 0.05 1
done
NUMATALLY_CONF='report:every=50ms;k-%p.csv' try 137 bash -c '"$@"; exit $?' - \
    env LD_PRELOAD="$library" "$python" steps.py kill
check k-*.csv 0.05 1
[ "$rows" -ge 3 ] || fail "$rows rows of a killed program"

# Under numatally run, which has its own report.
NUMATALLY_CONF='report:every=50ms;r-%p.csv' try 0 "$tool" run --report run.json -- "$python" steps.py
check r-*.csv 0.05 1
json run.json 'r[0]["final"]'

# What goes wrong: the program's output and status are its own.
NUMATALLY_CONF='report:every=50ms;/nonexistent/%p.csv' try 0 run "$python" steps.py
out '^done$'
err 'numatally: no timeline in /nonexistent/[0-9]+.csv: cannot be created: its folder does not exist'
[ "$(wc -l <err)" = 1 ] || fail "more than a line"
# shellcheck disable=SC2016
NUMATALLY_CONF='report:every=10ms;l-%p.csv' try 0 bash -c 'ulimit -f 1; "$@"' - \
    env LD_PRELOAD="$library" "$python" steps.py
out '^done$'
err 'numatally: no more timeline in .*/l-[0-9]+.csv: File too large'
[ "$(wc -l <err)" = 1 ] || fail "more than a line"
check l-*.csv 0.01 1
# shellcheck disable=SC2016
NUMATALLY_CONF='report:every=10ms;c-%p.csv' try 3 run sh -c 'echo x >&2; exec 2>&-; ls /; exit 3'
out '^usr$'
NUMATALLY_CONF='report:every=1x,report:every=1s;t.csv' try 0 run ls /
err 'report:every=1x has no time from 10ms to 1440m; it may be off, exit, a path'
echo "ok"
