#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The report of numatally run: its place and format, what a killed program leaves,
# which processes get a record, and every path that must not be written to.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"

# ---- place and format
try 0 "$tool" run --report "$work/r.txt" -- echo hi
[ "$(cat "$work/out" "$work/err")" = hi ] || fail "something beside the program's output"
grep -q '^Allocations ' "$work/r.txt" || fail "no figures in the text report"
[ "$(stat -c %a "$work/r.txt")" = 600 ] || fail "others may read the report"
try 0 "$tool" run --report "$work/r.json" -- ls /
json "$work/r.json" 'len(r) == 1 and r[0]["program"] == "ls" and r[0]["final"]'
json "$work/r.json" '[t["name"] for t in r[0]["threads"]] == ["exited", "ls"] and r[0]["pools"][0]["name"] == "process"'
json "$work/r.json" 'r[0]["threads"][1]["allocations_total"] == r[0]["pools"][0]["allocations_total"]'
json "$work/r.json" 'r[0]["rank"] is None and r[0]["total"]["allocations_total"] > 0'
try 0 "$tool" run --report "$work/x" --format json -- sh -c :
json "$work/x" 'len(r) == 1'
try 0 "$tool" run --report "$work/x.json" --format text -- sh -c :
grep -q '^Allocations ' "$work/x.json" || fail "--format text did not win over .json"
try 0 "$tool" run --format json -- ls /
json "$work/err" 'len(r) == 1'
# shellcheck disable=SC2016  # the shell inside
PMI_RANK=7 try 0 "$tool" run --report "$work/%h.%r.%p.json" -- sh -c 'echo $$'
json "$work/$(uname -n).7.$(cat "$work/out").json" 'r[0]["rank"] == 7'
cd "$work" || exit 1
try 0 "$tool" run --report rel.json -- sh -c 'cd /; :'
json "$work/rel.json" 'len(r) == 1'

# ---- a killed program, and one that never says goodbye
# shellcheck disable=SC2016
try 137 bash -c '"$@"; exit $?' - "$tool" run --report k.json -- sh -c 'kill -9 $$'
json k.json 'len(r) == 1 and not r[0]["final"]'
err 'sh \(pid [0-9]+\) ended without its last word.*[0-9] ms before its end'
# shellcheck disable=SC2016
try 137 bash -c '"$@"; exit $?' - "$tool" run --report k.txt -- sh -c 'kill -9 $$'
grep -q 'ended without its last word' k.txt || fail "the text does not say that it is stale"
# _exit: Python's own, and the end of every dash.
try 3 "$tool" run --report u.json -- "$python" -c 'import os; os._exit(3)'
json u.json 'len(r) == 1 and r[0]["final"]'
try 7 "$tool" run --children --report u.json -- sh -c '(ls / >/dev/null; exit 3); (:); exit 7'
json u.json 'len(r) == 4 and all(x["final"] for x in r)'
# exec: the last program counts, with --children every one.
try 0 "$tool" run --report e.json -- sh -c 'exec ls /'
json e.json 'len(r) == 1 and r[0]["program"] == "ls"'

# ---- children
# shellcheck disable=SC2016
tree='ls / >/dev/null; ls / >/dev/null; exec env true'
try 0 "$tool" run --report c.json -- sh -c "$tree"
json c.json 'len(r) == 1 and r[0]["program"] == "true"'
try 0 "$tool" run --children --report c.json -- sh -c "$tree"
json c.json 'sorted(x["program"] for x in r) in (sorted(["sh","ls","ls","env","true"]), sorted(["dash","ls","ls","env","true"]))'
try 0 "$tool" run --children -- sh -c "$tree"
[ "$(grep -c '^numatally [0-9.]*: ' "$work/err")" = 5 ] || fail "not five text records"
# So many that they are collected while the program runs.
# shellcheck disable=SC2016
try 0 "$tool" run --children --report many.json -- sh -c \
    'i=0; while [ $i -lt 60 ]; do env true; i=$((i+1)); done; sleep 0.7; env true'
json many.json 'sum(x["program"] == "true" for x in r) == 61'
# A child that outlives the program is reported as it is then.
export tool
# shellcheck disable=SC2016
try 0 "$tool" run --children --report alive.txt -- sh -c 'sleep 300 & echo $! >pid
    until env -u LD_PRELOAD "$tool" report "$XDG_RUNTIME_DIR"/*/numatally-$!*.live |
        grep -q "^numatally [0-9.]*: sleep, "; do :; done'
kill "$(cat pid)"
grep -q '^sleep (pid [0-9]*) still runs' alive.txt || fail "not said that it still runs"
# fork without exec, under --children a record of its own
try 0 "$tool" run --children --report f.json -- "$python" -c 'import os
if os.fork(): os.wait()'
json f.json 'len(r) == 2 and sorted(x["inherited"] for x in r) == [False, True]'

# ---- threads and pools: as in a report at exit, and no more rows than fit
crowd='import os, sys, threading, time
def work(number):
    bytes(1000)
    here.wait()
    time.sleep(60)
threading.stack_size(1 << 16)
here = threading.Barrier(int(sys.argv[1]) + 1)
for n in range(int(sys.argv[1])):
    threading.Thread(target=work, args=[n], daemon=True).start()
here.wait()
os._exit(0)'
try 0 env NUMATALLY_CONF=report:exit.json "$tool" run --report t.json -- "$python" -c "$crowd" 20
json t.json 'r[0]["threads_now"] == 21 and len(r[0]["threads"]) == 22 and len(r[0]["pools"]) == 1'
json t.json 'sum(t["allocations_total"] for t in r[0]["threads"]) == r[0]["total"]["allocations_total"]'
cat t.json exit.json >both.json
for part in threads pools; do
    json both.json "[sorted((x['name'], sorted(x)) for x in y['$part']) for y in r[:1]] == [sorted((x['name'], sorted(x)) for x in y['$part']) for y in r[1:]]"
done
try 0 "$tool" run --report t.json -- "$python" -c "$crowd" 300
json t.json 'r[0]["threads_now"] == 301 and len(r[0]["threads"]) == 256'
try 0 "$tool" run -- "$python" -c "$crowd" 300
err '^\(46 more threads are not shown\)$'

# ---- ranks count as started; their own children do not become ranks of a rank
# shellcheck disable=SC2016
launch='for i in 0 1; do PMI_RANK=$i ls / >/dev/null; done; exec true'
try 0 "$tool" run --report m.json -- sh -c "$launch"
json m.json 'len(r) == 1 and [(x["program"], x["rank"], x["end"]) for x in r[0]["job"]["rows"]] == [("ls", 0, "ended"), ("ls", 1, "ended")]'
two='sorted((x["program"], x["rank"]) for x in r if x["rank"] is not None) == [("ls", 0), ("ls", 1)]'
try 0 "$tool" run --report m.json --children -- sh -c "$launch"
json m.json "$two and len(r) == 4" # what execs is two
try 0 "$tool" run --report m-%r.json -- sh -c "$launch"
json m-none.json "$two and len(r) == 3"
PMI_RANK=5 try 0 "$tool" run --report m.json -- sh -c 'ls / >/dev/null; :'
json m.json 'len(r) == 1 and r[0]["rank"] == 5'

# ---- paths that are refused, before the program runs
bad() {
    local path=$1 why=$2
    rm -f ran
    try 125 "$tool" run --report "$path" -- touch ran
    err "$why"
    [ ! -e ran ] || fail "the program ran although its report had no place: $path"
}
bad "$work" 'is a folder'
bad /nonexistent/r.txt 'folder does not exist'
bad /dev/full 'is a device'
bad /dev/null 'is a device'
mkfifo fifo
bad fifo 'is a FIFO'
echo keep >victim
ln -s victim symlink
bad symlink 'is a symbolic link'
ln victim hardlink
bad hardlink 'hard links'
[ "$(cat victim)" = keep ] || fail "a refused file was changed"
ln -s /nonexistent dangling
bad dangling 'is a symbolic link'
bad "$work/$(printf 'x%.0s' $(seq 300))" 'File name too long'
bad "$(printf '/x%.0s' $(seq 5000))" 'File name too long'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir ro && chmod 755 "$work" ro && chmod 777 "$XDG_RUNTIME_DIR"
    touch theirs && chmod 666 theirs
    as() { setpriv --reuid 65534 --clear-groups "$@"; }
    if as test -x "$tool"; then
        try 125 as "$tool" run --report ro/r.txt -- true
        err 'Permission denied'
        try 125 as "$tool" run --report theirs -- true
        err 'belongs to another user'
    fi
    mkdir full
    if mount -t tmpfs -o size=4k none full; then
        head -c 4096 /dev/zero >full/filler
        try 4 "$tool" run --report full/r.txt -- sh -c 'exit 4'
        err 'full/r.txt is incomplete: No space left'
        umount full
    fi
fi
(
    ulimit -f 0
    try 4 "$tool" run --report limited.txt -- sh -c 'exit 4' 2>/dev/null
) >/dev/null
[ ! -s limited.txt ] || fail "written beyond the limit"
"$tool" run -- sh -c 'exit 6' 2>/dev/full
[ $? = 6 ] || fail "a full stderr changed the status"
python3 - "$tool" <<'PY' || fail "a closed stderr pipe changed the status"
import os, subprocess, sys
r, w = os.pipe()
os.close(r)
p = subprocess.run([sys.argv[1], "run", "--", "sh", "-c", "exit 6"], stderr=w)
sys.exit(p.returncode != 6)
PY

# ---- nowhere to put live files
(
    unset TMPDIR
    export XDG_RUNTIME_DIR=/nonexistent
    "$tool" run --report n.json -- ls / >/dev/null
    json n.json 'len(r) == 1'
) || exit 1
echo "ok"
