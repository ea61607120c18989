#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally report --merge: the records of ten thousand ranks, made after a real one, become
# one report whose figures are those of merge.py's sums; in little memory; what is damaged,
# foreign or there twice is named, and the rest is kept. Then small jobs, of real programs.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
merge=(python3 -B "$NT_SOURCE/tests/tool/merge.py")
: "${RANKS:=10000}"
time=/usr/bin/time
[ -x $time ] || skip "there is no $time"

# ---- ten thousand ranks ----------------------------------------------------------------
# shellcheck disable=SC2016
threads='import threading
t = [threading.Thread(target=lambda: [bytes(n) for n in range(3000)]) for _ in range(2)]
[x.start() for x in t]; [x.join() for x in t]'
try 0 env NUMATALLY_TOPOLOGY=2x1 PMIX_RANK=0 "$tool" run --report base.json -- "$python" -c "$threads"
mkdir job
"${merge[@]}" make base.json job "$RANKS" || fail "no records were made"

# GNU time's %x is the status: 1, as files were bad.
$time -q -o used -f '%e %M %x' "$tool" report --merge -o job.json job/*.json >out 2>err
read -r seconds kib status <used
echo "$RANKS records, $(du -sm job | cut -f1) MiB: $seconds s, $((kib / 1024)) MiB of memory"
[ "$status" = 1 ] || fail "status $status instead of 1, for bad files"
[ "$kib" -lt $((500 * 1024)) ] || fail "it took $((kib / 1024)) MiB of memory"
err 'job/rank-00008.json: rank 8, process 1008 on n000: a record of this process was read before'
err 'job/rank-00099.json: record 1 is no JSON'
err 'job/rank-00100.json: record 1 is no JSON'
err 'job/rank-00101.json: .*no record of numatally'
err 'job/rank-00102.json: .*it has version 2'
[ "$(wc -l <err)" = 5 ] || fail "other complaints than five"
"${merge[@]}" check job job.json || fail "another record"

# The job's record, as every record: the same text, and merged once more the same job.
try 0 "$tool" report -o job.txt job.json
"${merge[@]}" text job job.txt || fail "another text"
try 0 "$tool" report --merge -o again.txt job.json
cmp job.txt again.txt || fail "a job merged with nothing is another one"
try 0 "$tool" report --merge -f csv -o job.csv job.json
"${merge[@]}" csv job job.csv || fail "other lines"
try 0 "$tool" report --merge -f json -o again.json job.json
cmp job.json again.json || fail "a job merged with nothing is another one"
grep -qF 'No figures of 5 ranks: 17, 99-102' job.txt || fail "the missing are not named"
grep -qE 'rank 55 on n000, pid 1055, lmp: ran on, or ended without its last word' job.txt ||
    fail "who did not end is not named"
grep -qE '1 process without a rank, as mpirun \(pid 500\)' job.txt || fail "no mpirun"

# In parts, in another order, and from a pipe.
try 0 "$tool" report --merge -f json -o whole.json job/launcher.json job/rank-00[23]*.json
try 0 "$tool" report --merge -o part1.json job/rank-003[5-9]*.json job/launcher.json
try 0 "$tool" report --merge -o part2.json job/rank-003[0-4]*.json job/rank-002*.json
try 0 "$tool" report --merge -f json -o parts.json part2.json part1.json
cmp whole.json parts.json || fail "a job merged in parts is another one"
cat job/rank-0000[0-6].json | "$tool" report --merge -f json -o pipe.json /dev/stdin ||
    fail "not from a pipe"
try 0 "$tool" report --merge -f json -o files.json job/rank-0000[0-6].json
cmp pipe.json files.json || fail "another job from a pipe"

# ---- who is skipped, and said to be ------------------------------------------------------
try 1 "$tool" report --merge -f json -o twice.json part2.json job/rank-00200.json
err 'job/rank-00200.json: rank 200, process 1200 on n003: a record of this process was read before'
cmp part2.json twice.json || fail "it was counted all the same"
try 1 "$tool" report --merge -f json -o twice.json job/rank-00360.json part1.json
err 'part1.json: rank 360, process 1360 on n005: it was read before, so this record of a whole job'
json twice.json 'len(r[0]["job"]["rows"]) == 1'
try 1 "$tool" report --merge -f json -o twice.json job/rank-001*.json job/rank-001*.json
[ "$(grep -c 'was read before' err)" = 20 ] || fail "not 20 complaints"
err 'numatally: [0-9]+ more records were skipped'
try 1 "$tool" report --merge job/rank-00100.json
[ ! -s out ] || fail "a job of nothing"
try 1 "$tool" report --merge job/rank-00100.json job/rank-00101.json missing.json job/rank-00001.json
err 'missing.json: No such file'
out '^numatally [0-9.]+: a job of 2 ranks on 1 host: lmp$'
out '^No figures of 1 rank: 0$'

# Several records of a process in a row, as in a timeline: the last one counts.
python3 - job/rank-00003.json <<'PY' >timeline.json
import json, sys
r = json.load(open(sys.argv[1]))
for k in range(3):
    r["now_unix_ns"] += 10 ** 9
    r["total"]["allocations_total"] += 1
    print(json.dumps(r))
PY
try 0 "$tool" report --merge -f json timeline.json
mv out last.json
json last.json "r[0]['total'] == json.loads(open('timeline.json').read().splitlines()[2])['total']"
# The same rank on two hosts is no rank of one job.
sed 's/"host": "n000"/"host": "m000"/' job/rank-00003.json >other.json
try 0 "$tool" report --merge -f json -o other.out.json job/rank-00003.json other.json
err 'rank 3 was on m000 and on n000: are these files of one job'
json other.out.json 'len(r[0]["job"]["rows"]) == 2'

# ---- formats and options -------------------------------------------------------------------
try 0 "$tool" report --merge --ranks 8 job/rank-0000[0-5].json
out '^numatally .*: a job of 8 ranks '
out '^No figures of 2 ranks: 6-7$'
try 0 "$tool" report --merge -f prometheus job/rank-0000[0-5].json
out 'numatally_node_live_bytes\{host="n000",program="lmp",pid="0",node="0"'
try 0 "$tool" report --merge --findings -f json job/rank-0000[0-5].json
try 0 "$tool" report --merge -o job.html job/rank-0000[0-5].json
grep -q '"job":{"ranks":6' job.html || fail "the page has no job"
for format in pprof collapsed; do
    try 2 "$tool" report --merge -f $format job.json
    err "cannot be shown as $format, but as text, json, csv, prometheus or html"
done
try 2 "$tool" report --merge --diff job.json job.json
err 'ask for one of them'
try 2 "$tool" report --ranks 5 job.json
err 'ranks belongs to --merge'
for n in 0 x -1 3000000000; do
    try 2 "$tool" report --merge --ranks=$n job.json
    err "ranks is \"$n\"; it must be a number from 1"
done

# ---- real programs ---------------------------------------------------------------------------
# Ranks by each launcher's variable; a rank that is a shell and what it starts; one that
# is killed.
rank() { try "$1" env "$2" "$tool" run --children --report "real-$3.json" -- sh -c "$4"; }
rank 0 PMIX_RANK=0 0 'ls / >/dev/null; :'
rank 0 PMI_RANK=1 1 'ls / >/dev/null; :'
rank 0 OMPI_COMM_WORLD_RANK=2 2 'ls / >/dev/null; :'
rank 0 SLURM_PROCID=3 3 'ls / >/dev/null; :'
# shellcheck disable=SC2016
rank 137 PMIX_RANK=4 4 'kill -9 $$'
try 0 "$tool" report --merge -f json -o real.json real-?.json
json real.json '[x["rank"] for x in r[0]["job"]["rows"]] == [0, 1, 2, 3, 4]'
json real.json '[x["processes"] for x in r[0]["job"]["rows"]] == [2, 2, 2, 2, 1]'
json real.json '[x["end"] for x in r[0]["job"]["rows"]] == ["ended"] * 4 + ["running"]'
cat real-?.json >all.json
python3 - <<'PY' || fail "the sum is not that of the processes"
import json
job = json.load(open("real.json"))
records = [json.loads(line) for line in open("all.json")]
for key in job["total"]:
    assert job["total"][key] == sum(r["total"][key] for r in records), key
for row in job["job"]["rows"]:
    for key in "allocations_total", "frees_total", "live_bytes_peak", "committed_bytes_now":
        assert row[key] == sum(r["total"][key] for r in records
                               if r["rank"] == row["rank"]), key
PY
try 0 "$tool" report --merge real-?.json
out '^1 rank did not end well, or not yet:$'
out '    rank 4 on .*: ran on, or ended without its last word'

# Live files: of processes that run, too; here of one that was killed.
mkdir live running
# shellcheck disable=SC2016
PMI_RANK=0 LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=live:live sh -c 'kill -9 $$'
try 0 "$tool" report live/*.live
err 'these are the figures of process [0-9]+ at its last update'
try 0 "$tool" report --merge live/*.live
out '^1 rank did not end well, or not yet:$'
[ ! -s err ] || fail "and it was said once more"
# One that runs, by its number, beside the other.
PMI_RANK=1 LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=live:running sleep 600 &
running=$!
until "$tool" report --pid $running >out 2>err; do
    kill -0 $running || fail "it ended"
    sleep 0.1
done
try 0 "$tool" report --merge --pid $running live/*.live
out '^2 ranks did not end well, or not yet:$'
kill $running
echo "ok"
