#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The history of records: of programs that end, fork and are killed, on made-up nodes; read
# back and printed again unchanged; and records of before there was one.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so

# What holds of any record's: points in order, from the start to the present.
cat >check.py <<'PY'
import json, sys
for path in sys.argv[1:]:
    for line in open(path):
        r = json.loads(line)
        points = r["history"]["points"]
        times = [p["ns"] for p in points]
        assert 1 <= len(points) <= 256, path
        assert all(a < b for a, b in zip(times, times[1:])), path
        assert all(b - a >= r["history"]["interval_ns"] for a, b in zip(times[:-1], times[1:-1])), path
        assert times[-1] <= r["now_unix_ns"] - r["start_unix_ns"] + 10**9, path
        for key in ("live_bytes_now", "committed_bytes_now"):
            assert all(len(p[key]) == len(r["nodes"]) for p in points), path
            assert points[-1][key] == [n[key] for n in r["nodes"]], (path, key)
PY
# check FILE...
check() { python3 check.py "$@" || fail "see above"; }

# Up in steps, down at once, and up again: as bytearrays of a MB, each a large block.
cat >steps.py <<'PY'
import time
for most in (40, 20):
    kept = []
    for i in range(most):
        kept.append(bytearray(1000000))
        time.sleep(0.02)
    kept.clear()
PY
try 0 "$tool" run --report run.json -- "$python" steps.py
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:exit.json "$python" steps.py
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:nodes.json NUMATALLY_TOPOLOGY=3x1 \
    "$python" steps.py
check run.json exit.json nodes.json
for f in run exit nodes; do
    json $f.json '20 <= len(r[0]["history"]["points"])'
    python3 - $f.json <<'PY' || fail "$f.json: not two hills of 40 and 20 MB"
import json, sys
points = json.loads(open(sys.argv[1]).readline())["history"]["points"]
live = [sum(p["live_bytes_now"]) for p in points]
top = live.index(max(live))
print(live)
valley = next(i for i in range(top, len(live)) if live[i] < 12e6)
assert live[0] == 0 and 34e6 < live[top] < 44e6 and valley < len(live) - 1
assert 14e6 < max(live[valley:]) < 24e6 and live[-1] < 8e6
PY
done

# Killed: it is there up to the last update of the live file, which may be some time ago.
cat >killed.py <<'PY'
import os, sys, time
kept = []
for i in range(int(sys.argv[1])):
    kept.append(bytearray(1000000))
    time.sleep(0.02)
os.kill(os.getpid(), 9)
PY
try 137 bash -c '"$@"; exit $?' - "$tool" run --report killed.json -- "$python" killed.py 50
check killed.json
json killed.json 'not r[0]["final"]'
mkdir live
NUMATALLY_CONF=live:$work/live LD_PRELOAD=$library "$python" killed.py 1000000 &
pid=$!
until "$tool" report --format json live/numatally-$pid.live >live.json 2>/dev/null &&
    python3 -c 'import json
assert len(json.loads(open("live.json").readline())["history"]["points"]) > 15' 2>/dev/null; do
    kill -0 $pid || fail "it ended before it was killed"
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
try 0 "$tool" report --format json live/numatally-$pid.live
mv out live.json
check live.json
json live.json 'sum(r[0]["history"]["points"][-1]["live_bytes_now"]) > 10e6'

# A forked child's begins at its fork.
cat >fork.py <<'PY'
import os, time
kept = [bytearray(1000000) for i in range(20)]
time.sleep(1)
if os.fork():
    os.wait()
else:
    more = [bytearray(1000000) for i in range(5)]
PY
try 0 "$tool" run --children --report fork.json -- "$python" fork.py
check fork.json
json fork.json 'sorted(x["inherited"] for x in r) == [False, True]'
json fork.json 'all((x["history"]["points"][-1]["ns"] < 1e9) == x["inherited"] for x in r)'

# Printed again it is the same; text has no more than before.
for f in run nodes killed fork; do
    try 0 "$tool" report --format json $f.json
    cmp -s $f.json out || fail "$f.json changed"
    try 0 "$tool" report $f.json
    ! grep -qi history out || fail "the text shows the history"
done

# Records of before some of the figures, and the history, were in them.
try 0 "$tool" run --sample 4K --report sampled.json -- "$python" steps.py
python3 - <<'PY'
import json
r = json.loads(open("sampled.json").readline())
del r["history"]
for c in r["classes"]:
    del c["slab_bytes_now"]
for site in r["profile"]["sites"] + [r["profile"]["total"]]:
    del site["reallocs_total"]
open("older.json", "w").write(json.dumps(r))
PY
try 0 "$tool" report older.json
out '^Allocations '
try 0 "$tool" report --format json older.json
json out '"history" not in r[0] and all(c["slab_bytes_now"] == 0 for c in r[0]["classes"])'
json out 'r[0]["profile"]["total"]["reallocs_total"] == 0 and len(r[0]["profile"]["sites"]) > 3'
json out 'r[0]["classes"][3]["live_blocks_now"] == json.loads(open("sampled.json").readline())["classes"][3]["live_blocks_now"]'

# Not as it should be.
python3 - <<'PY'
import json
def spoil(name, change):
    r = json.loads(open("run.json").readline())
    change(r["history"])
    open(name, "w").write(json.dumps(r))
spoil("text.json", lambda h: h.update(points="x"))
spoil("back.json", lambda h: h["points"].reverse())
spoil("wide.json", lambda h: h["points"][2]["live_bytes_now"].append(1))
spoil("long.json", lambda h: h.update(points=[dict(h["points"][0], ns=i) for i in range(300)]))
PY
for f in text.json=points back.json=ns wide.json=live_bytes_now long.json=points; do
    try 1 "$tool" report ${f%=*}
    err "${f%=*}: record 1 cannot be read: \"${f#*=}\""
done
echo "ok"
