#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Records of real programs against docs/record.schema.json, and records with one
# figure missing, renamed or of another type, which it must refuse.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so

try 0 "$tool" run --report run.json -- ls /
try 0 "$tool" run --children --report children.json -- sh -c 'ls / >/dev/null; ls /'
PMI_RANK=1 try 0 "$tool" run --report rank.json -- ls /
# shellcheck disable=SC2016
try 137 bash -c '"$@"; exit $?' - "$tool" run --report killed.json -- sh -c 'kill -9 $$'
# At exit, with threads and pools; on made-up nodes; after a fork.
threads='import ctypes, threading
mark = getattr(ctypes.CDLL(None), "nt_mark", lambda name: 0)
mark(b"start \"1\"\n\xff"); mark(b"threads")
lib = ctypes.CDLL(None)
if hasattr(lib, "nt_tracked"):
    pool, a, out = ctypes.c_void_p(), (ctypes.c_size_t * 8)(), (ctypes.c_size_t * 8)()
    lib.nt_pool_create(None, ctypes.byref(pool))
    lib.nt_pool_allocator(pool, a)
    lib.nt_tracked(a, b"a \"name\"\n\xff", out)
    get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(out[2])
    [get(out[1], n) for n in range(100)]
t = [threading.Thread(target=lambda: [bytes(n) for n in range(3000)]) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]'
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:exit.json "$python" -c "$threads"
try 0 env LD_PRELOAD="$library" NUMATALLY_TOPOLOGY=3x1 NUMATALLY_CONF=report:nodes.json "$python" -c "$threads"
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:sampled.json,sample:1K "$python" -c "$threads"
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:fork-%p.json "$python" -c 'import os, sys
if os.fork():
    os.wait()'
# shellcheck disable=SC2012
[ "$(ls fork-*.json | wc -l)" = 2 ] || fail "no two records of a fork: $(ls)"

# A job: of ranks, of processes without one, of more nodes than a row names.
for n in 2 3 4 5 6 7; do
    sed "s/\"nodes\":\[{\"node\":0/\"nodes\":[{\"node\":$((10 * n))/; s/\"pid\":/\"pid\":$n/; s/\"node\":1,/\"node\":$((10 * n + 1)),/; s/\"rank\":null/\"rank\":1/" nodes.json
done >many-nodes.json
try 0 "$tool" report --merge -o job.json ./*.json
json job.json 'any(x["nodes"][-1]["node"] == -1 for x in r[0]["job"]["rows"])'
json job.json '[x["rank"] for x in r[0]["job"]["rows"]][0] == 1 and r[0]["pid"] == 0'

python3 - "$NT_SOURCE/docs/record.schema.json" ./*.json <<'PY' || fail "see above"
import copy, json, sys
import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
check = jsonschema.Draft202012Validator(schema)
bad = n = 0
for path in sys.argv[2:]:
    for line in open(path):
        n += 1
        record = json.loads(line)
        for e in check.iter_errors(record):
            bad += 1
            print(f"{path}: {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}")
records = {p: json.loads(open(p).readline()) for p in sys.argv[2:]}
nodes, end = records["./nodes.json"], records["./exit.json"]
if not (len(nodes["nodes"]) == 3 == len(nodes["free_matrix"]) and nodes["fake_topology"]):
    bad += 1
    print("three made-up nodes are not in the record")
if not (end["pools"] and end["threads"] and len(end["phases"]) == 2):
    bad += 1
    print("a record made at exit has no pools, threads or phases")
tracked = end["tracked"][0]
if not (tracked["name"] == 'a "name"\n\ufffd' and tracked["allocations_total"] == 100
        and tracked["live_requested_bytes_peak"] == 4950 and sum(tracked["sizes"]) == 100
        and len(end["tracked"]) == end["tracked_now"] == 1):
    bad += 1
    print("a record made at exit has not the tracked allocator:", tracked)

# Every place of a good record, spoilt.
def places(value, path=()):
    if isinstance(value, dict):
        for key in value:
            yield path + (key,)
            yield from places(value[key], path + (key,))
    elif isinstance(value, list) and value:
        yield from places(value[0], path + (0,))
spoilt = 0
job = dict(nodes, job=records["./job.json"]["job"])
for path in places(job):
    for how in ("missing", "renamed", "text"):
        r = copy.deepcopy(job)
        at = r
        for step in path[:-1]:
            at = at[step]
        key = path[-1]
        value = at.pop(key)
        if how == "renamed":
            at["other_" + key] = value
        if how == "text":
            at[key] = ["x"]
        optional = key in ("pools", "threads", "phases", "tracked", "history", "job") and how == "missing"
        spoilt += 1
        if check.is_valid(r) != optional:
            bad += 1
            print(f"accepted although {how}: {'/'.join(map(str, path))}")
print(f"{n} records, {spoilt} spoilt ones")
sys.exit(bad != 0 or n < 8)
PY
echo "ok"
