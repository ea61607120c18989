#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Phases, names and signals of real programs: in the records of numatally run, printed again
# by numatally report, and asked for from outside by kill.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so

# What the program calls its phases, its thread and its pool: no bytes spoil a report.
cat >names.py <<'PY'
import ctypes
nt = ctypes.CDLL(None)
nt.nt_thread_name(b'main "one"\n')
pool = ctypes.c_void_p()
assert nt.nt_pool_create(None, ctypes.byref(pool)) == 0
assert nt.nt_pool_name(pool, b'\xff\x1b[2J') == 0
assert nt.nt_mark(b'') < 0
assert nt.nt_mark(b'set-up, "quoted"\\\n\x01') == 0
kept = [bytes(n * 100) for n in range(1000)]
assert nt.nt_mark('löse'.encode()) == 0
assert nt.nt_mark(b'\xc3(' + 30 * b'x') == 0
assert nt.nt_mark('löse'.encode()) == 0
PY
try 0 "$tool" run --report run.json -- "$python" names.py
try 0 env LD_PRELOAD="$library" NUMATALLY_CONF=report:exit.json "$python" names.py
for record in run.json exit.json; do
    json $record '([p["name"] for p in r[0]["phases"]] ==
        ["set-up, \"quoted\"\\\n\x01", "löse", "\ufffd(" + 30 * "x"])'
    json $record '[p["entries_total"] for p in r[0]["phases"]] == [1, 2, 1]'
    json $record '[p["running"] for p in r[0]["phases"]] == [False, True, False]'
    json $record 'r[0]["phases"][0]["allocated_bytes_total"] > 1000 * 900 / 2 * 100'
    json $record 'all(p["live_bytes_peak"] >= p["first_live_bytes"] and
        p["live_bytes_peak"] >= p["last_live_bytes"] for p in r[0]["phases"])'
    json $record '"main \"one\"\n" in [t["name"] for t in r[0]["threads"]]'
    json $record 'r[0]["pools"][1]["name"] == "\ufffd\x1b[2J"'
done
try 0 "$tool" report --format json run.json
json out 'r == [json.loads(line) for line in open("run.json")]'
try 0 "$tool" report run.json
out '^Phases +Entries +Seconds '
out '^set-up, "quoted"\\\?\?  '
out '^löse \(runs\)          +2 '
out '^[0-9]+ main "one"\?, 0 '
out '\?\[2J  '
if LC_ALL=C grep -q $'[\001-\011\013-\037\177]' out; then
    fail "control characters in the text"
fi

# Nothing was marked: nothing of phases is shown.
try 0 "$tool" run --report none.json -- ls /
json none.json '"phases" not in r[0]'
try 0 "$tool" report none.json
if grep -q Phases out; then fail "phases that nobody asked for"; fi

# From outside, of a program that does nothing but compute: it makes no slow call.
cat >loop.c <<'C'
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static volatile sig_atomic_t stop;
static void end(int number) { stop = number; }
int main(void)
{
    char *volatile p = malloc(100);
    signal(SIGTERM, end);
    if (write(1, "x", 1) != 1)
        return 1;
    while (!stop)
        ;
    free(p);
    return 0;
}
C
"${CC:-cc}" -o loop loop.c || fail "loop.c does not compile"
conf=mark_signal:USR1,report_signal:USR2,report:$work/loop-%p.json
LD_PRELOAD=$library NUMATALLY_CONF=$conf ./loop >started &
pid=$!
# Until the report shows N phases: signals of a kind that wait are one.
phases() {
    until "$tool" report --format json "loop-$pid.json" >now.json 2>/dev/null &&
        python3 -c 'import json, sys
record = json.loads(open("now.json").readline())
sys.exit(len(record.get("phases", [])) != int(sys.argv[1]))' "$1"; do
        kill -USR2 $pid || fail "the program is gone"
        sleep 0.05
    done
}
until [ -s started ]; do sleep 0.05; done
phases 0
kill -USR1 $pid
phases 1
kill -USR1 $pid
phases 2
json now.json '[p["name"] for p in r[0]["phases"]] == ["signal 1", "signal 2"]'
json now.json 'r[0]["phases"][1]["running"] and not r[0]["final"]'
kill -TERM $pid
wait $pid || fail "status $? of the program"
json "loop-$pid.json" 'r[0]["final"] and len(r[0]["phases"]) == 2'
json "loop-$pid.json" 'r[0]["phases"][1]["frees_total"] >= 1'

# numatally run passes the signal on; the record comes out of the live file.
NUMATALLY_CONF=mark_signal:USR1 "$tool" run --report passed.json -- ./loop >passed &
pid=$!
until [ -s passed ]; do sleep 0.05; done
kill -USR1 $pid
kill -TERM $pid
wait $pid || fail "status $? of numatally run"
json passed.json '[p["name"] for p in r[0]["phases"]] == ["signal 1"]'
echo "ok"
