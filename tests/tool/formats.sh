#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The formats of numatally report: figures of real programs, read back from each; names of any
# bytes; several records, old ones, bad ones, a full disk.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so
check=$NT_SOURCE/tests/tool/formats.py

# every RECORDS: all formats of it have its figures. Records without a profile have no
# stacks.
every() {
    local value
    try 0 "$tool" report -o every.csv "$1"
    python3 "$check" csv every.csv "$1" || fail "CSV of $1"
    try 0 "$tool" report -o every.prom "$1"
    python3 "$check" prometheus every.prom "$1" || fail "Prometheus of $1"
    if command -v promtool >/dev/null; then
        promtool check metrics <every.prom >out 2>err || fail "promtool on $1"
        [ ! -s err ] || fail "promtool has something to say on $1"
    fi
    grep -q '"profile":' "$1" || return 0
    while read -r value figure; do
        try 0 "$tool" report --value "$value" -o every.folded "$1"
        python3 "$check" collapsed every.folded "$1" "$figure" || fail "$value of $1"
    done <<'END'
peak at_peak_requested_bytes
live live_requested_bytes_now
requested requested_bytes_total
allocations allocations_total
END
    try 0 "$tool" report --format collapsed "$1" # by the peak
    python3 "$check" collapsed out "$1" at_peak_requested_bytes || fail "$1"
}

# ---- Real programs ---------------------------------------------------------------------

# Pools, phases, threads and a tracked allocator, with names that no format likes; two pools
# have the same.
cat >names.py <<'PY'
import ctypes, sys, threading, time
nt = ctypes.CDLL(None)
nt.nt_pool_malloc.restype = ctypes.c_void_p
pool = ctypes.c_void_p()
nt.nt_thread_name(b'main,"one"\n\xff')
for name in b'p;,"1"\r\n\xff', b"<script>alert('&amp;')</script>", b'=1+1\\', b'p;,"1"\r\n\xff':
    assert nt.nt_pool_create(None, ctypes.byref(pool)) == 0
    assert nt.nt_pool_name(pool, name) == 0
    for size in range(200):
        nt.nt_pool_malloc(pool, ctypes.c_size_t(size))
tracked, inner = (ctypes.c_size_t * 8)(), (ctypes.c_size_t * 8)()
nt.nt_pool_allocator(pool, inner)
assert nt.nt_tracked(inner, b't\xc3("', tracked) == 0
get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(tracked[2])
for size in range(3000):
    get(tracked[1], size)
nt.nt_mark(b'set-up, "quoted"\\\n\x01')
kept = [bytes(size * 100) for size in range(500)]
nt.nt_mark('löse\u2028'.encode())
def work():
    nt.nt_thread_name(b'w\xed\xa0\x80')
    for size in range(3000):
        bytes(size)
    done.wait()
done = threading.Event()
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads:
    t.start()
while len(sys.argv) > 1:
    bytes(4 << 20) # a slow call, so that the live file moves on
    time.sleep(0.01)
done.set()
for t in threads:
    t.join()
PY
export NUMATALLY_TOPOLOGY=3x2
PMI_RANK=5 try 0 "$tool" run --sample 16K --report real.json -- "$python" names.py
unset NUMATALLY_TOPOLOGY
json real.json 'len(r) == 1 and r[0]["rank"] == 5 and len(r[0]["nodes"]) == 3'
json real.json 'len(r[0]["pools"]) == 5 and len(r[0]["phases"]) == 2 and r[0]["tracked"]'
json real.json 'len(r[0]["profile"]["sites"]) > 20 and type(r[0]["profile"]["remote_frees"]) is list'
every real.json

try 0 "$tool" report --format prometheus real.json
out '^# HELP numatally_pool_live_peak_bytes .*; of several with one name the sum, which is an upper bound$'
! grep -E '^# HELP numatally_(node|class)_.*one name' out || fail "nodes have no names"

# Several processes: one head of columns; families in one piece.
try 0 "$tool" run --children --sample 1K --report two.json -- sh -c 'ls / >/dev/null; ls /'
json two.json 'len(r) == 3'
cat real.json two.json >all.json
every all.json
try 0 "$tool" report --format csv real.json two.json
cmp -s out every.csv || fail "two files are not as one with both in it"
[ "$(grep -c '^record,' out)" = 1 ] || fail "not one head"

# A process at two moments: its newest figures are the series.
sed 's/"now_unix_ns":1/"now_unix_ns":2/; s/"threads_total":/"threads_total":7/' real.json >later.json
cat later.json real.json >moments.json
every moments.json
try 0 "$tool" report --format prometheus moments.json
err '1 of 2 records are left out'
out '^numatally_threads_started_total.* 7'

# Of an older version, or without anything optional.
python3 - <<'PY'
import json
r = json.loads(open("real.json").readline())
for part in "threads", "pools", "phases", "tracked", "profile", "history":
    del r[part]
print(json.dumps(r), file=open("old.json", "w"))
r["rank"] = None
r["nodes"], r["free_matrix"], r["classes"] = [], [], [] # nothing at all
print(json.dumps(r), file=open("bare.json", "w"))
PY
every old.json
every bare.json

# Names that JSON can hold.
python3 - <<'PY'
import json
names = ['"', '""', ",", "\n", "\r\n", "a\tb", "\\", "\\n", "}", '{x="1"}', "#", " ", "",
         "<img src=x onerror=alert(1)>", "é\u0301\u202e\ufeff", "\U0001f600", "\x7f\x1b[31m",
         "%s%n", "'; drop table t; --", "=HYPERLINK(0)", "long" * 7]
line = open("real.json").readline() # some with sites, which are long
with open("hostile.json", "w") as out, open("others.json", "w") as others:
    for i, name in enumerate(names):
        r = json.loads(line)
        r["program"], r["host"], r["pid"] = name, names[i - 1], i
        for table in "pools", "threads", "phases", "tracked":
            for k, row in enumerate(r[table]):
                row["name"] = names[(i + k) % len(names)]
        if i > 2:
            del r["profile"]
            out = others
        print(json.dumps(r, ensure_ascii=i % 2 == 0), file=out)
PY
every hostile.json
every others.json

# Names as they are in a live file: bytes that are not UTF-8.
mkdir live
NUMATALLY_CONF=live:$work/live,sample:16K LD_PRELOAD=$library "$python" names.py wait &
pid=$!
file=live/numatally-$pid.live
until "$tool" report --format json "$file" 2>/dev/null | grep -q '"name":"w'; do
    kill -0 $pid || fail "it ended without a live file"
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
[ -e "live/numatally-$pid.profile" ] || fail "no profile beside the live file"
grep -q $'p;,"1"\r' -a "$file" || fail "the live file has not the name as it is"
try 0 "$tool" report --format json "$file"
cp out live.json
every live.json
for format in csv prometheus collapsed; do
    "$tool" report --format $format live.json >of.json 2>/dev/null
    try 0 "$tool" report --format $format "$file"
    cmp -s out of.json || fail "$format of the live file is not that of its record"
    python3 -c 'open("out", encoding="utf-8").read()' || fail "$format is not UTF-8"
done

# ---- Stacks ----------------------------------------------------------------------------

try 0 "$tool" report --format collapsed old.json real.json
err 'nothing was sampled in 1 of 2 records; numatally run --sample 512K does'
python3 "$check" collapsed out real.json at_peak_requested_bytes || fail "the good one was lost"
try 1 "$tool" report -o old.folded old.json
err 'nothing was sampled in 1 of 1 records'
[ ! -e old.folded ] || fail "a file without a stack"
try 2 "$tool" report --value size real.json
err '"size"; it may be peak, live, requested or allocations'

# ---- Bad input, full disk --------------------------------------------------------------

{ cat real.json && head -c 5000 two.json; } >cut.json
for format in csv prometheus collapsed; do
    try 1 "$tool" report --format $format cut.json
    err 'cut.json: record 2 is no JSON'
    cp out cut.out
    try 0 "$tool" report --format $format real.json
    cmp -s out cut.out || fail "$format lost the good record"
    try 1 "$tool" report --format $format -o /dev/full real.json
    err '/dev/full: No space left'
    "$tool" report --format $format real.json >/dev/full 2>err && fail "a full disk was not noticed"
    err 'standard output: No space left'
done

# Few figures, so that the disk is full when the stream is flushed.
for format in csv prometheus; do
    "$tool" report --format $format bare.json >/dev/full 2>err && fail "a full disk was not noticed"
    err 'standard output: No space left'
done
# All else was tested.
command -v promtool >/dev/null || skip "there is no promtool (Debian's package prometheus)"
echo "ok"
