#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally tune from outside: a program whose sizes the built-in table serves badly, and one
# that it serves well; the waste that is predicted, beside what new records say; records that
# are bad, and programs that fail, under --verify.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
command -v cc >/dev/null || skip "there is no C compiler"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so
mkdir tmp
export TMPDIR=$work/tmp

# sizes N SIZE...: N blocks of each size in turn, kept, and as many before that are not.
cat >sizes.c <<'C'
#include <stdlib.h>
#include <string.h>
int main(int count, char **sizes)
{
    int n = atoi(sizes[1]);
    for (int kept = 0; kept < 2; kept++) {
        char **block = malloc((size_t)n * sizeof *block);
        for (int i = 0; i < n; i++) {
            size_t size = (size_t)atoi(sizes[2 + i % (count - 2)]);
            block[i] = memset(malloc(size), 1, size);
        }
        for (int i = 0; i < n && !kept; i++)
            free(block[i]);
        if (!kept)
            free(block);
    }
    return 0;
}
C
cc -O1 -fno-builtin -o sizes sizes.c || skip "the C compiler does not work"
skewed="264 520 1040 2064 4112"

# number JSON-FILE EXPRESSION over d
number() {
    python3 -c 'import json, sys
d = json.loads(open(sys.argv[1]).readline())
print(eval(sys.argv[2]))' "$@"
}

# What all blocks of all time wasted, counted and not sampled.
counted='d["total"]["allocated_bytes_total"] - d["total"]["requested_bytes_total"]'
# What those at the peak wasted, by a sample of every block.
at_peak='sum(s["at_peak_allocated_bytes"] - s["at_peak_held_bytes"]
             for s in d["profile"]["sizes"])'

# ---- a table that is worth it: exact, since every block is sampled

# shellcheck disable=SC2086
try 0 "$tool" run --sample 1 --report before.json -- ./sizes 20000 $skewed
try 0 "$tool" tune --svg waste.svg -o numatally.conf before.json
err 'Waste at the peak: 3\.[0-9]+ MiB'
try 0 "$tool" tune --json before.json
cp out predicted.json
[ "$(grep -vcE '^(#|$)' numatally.conf)" = 1 ] || fail "not one setting: $(cat numatally.conf)"
for size in 272 528 1040 2064 4112; do
    grep -qE "^classes:.*\\b$size\\b" numatally.conf || fail "no class of $size"
done
python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' waste.svg ||
    fail "the picture is no XML"
# shellcheck disable=SC2086
NUMATALLY_CONF_FILE=$work/numatally.conf try 0 "$tool" run --sample 1 --report after.json -- \
    ./sizes 20000 $skewed
no_err .
predicted=$(number predicted.json 'd["at_peak"]["best"]["waste_bytes"]')
builtin=$(number predicted.json 'd["at_peak"]["builtin"]["waste_bytes"]')
measured=$(number after.json "$at_peak")
before=$(number before.json "$at_peak")
python3 -c '
predicted, measured, builtin, before = map(float, __import__("sys").argv[1:])
assert abs(predicted - measured) <= 0.1 * measured, (predicted, measured)
assert abs(builtin - before) <= 0.01 * before, (builtin, before)
assert measured <= before / 2, (measured, before)' \
    "$predicted" "$measured" "$builtin" "$before" || fail "the waste is not as predicted"
# The exact counters of runs without a profiler say the same.
# shellcheck disable=SC2086
{
    try 0 "$tool" run --report before.json -- ./sizes 20000 $skewed
    NUMATALLY_CONF_FILE=$work/numatally.conf try 0 "$tool" run --report after.json -- \
        ./sizes 20000 $skewed
}
[ $(($(number after.json "$counted") * 2)) -le "$(number before.json "$counted")" ] ||
    fail "the counters do not say that waste was halved"
json after.json '{264 + 8, 528, 1040, 2064, 4112} <= {c["block_bytes"] for c in r[0]["classes"]}'

# ---- blocks that grow and blocks that are aligned: what they were to hold is no table's doing

cat >grow.c <<'C'
#include <stdlib.h>
#include <string.h>
int main(void)
{
    static void *kept[4000];
    for (int i = 0; i < 4000; i++) {
        size_t size = 100, end = 300 + (size_t)i * 7919 % 5000;
        char *grown = malloc(size);
        for (; size < end; size += size / 10)
            grown = realloc(grown, size + size / 10);
        kept[i] = memset(grown, 1, size);
    }
    for (int i = 0; i < 4000; i++) {
        void *p = NULL;
        if (posix_memalign(&p, i % 100 ? 64 : 65536, i % 100 ? 4100 : 131072) != 0)
            return 1;
    }
    for (int i = 0; i < 20000; i++)
        memset(malloc(264 + (size_t)i % 3 * 256), 1, 264);
    return kept[0] == NULL;
}
C
cc -O1 -fno-builtin -o grow grow.c || skip "the C compiler does not work"
try 0 "$tool" run --sample 1 --report before.json -- ./grow
try 0 "$tool" tune --json before.json
cp out predicted.json
json predicted.json 'r[0]["at_peak"]["room_bytes"] > 4e5'
try 0 "$tool" tune -o grow.conf before.json
grep -qE '^classes:.*\b4160\b' grow.conf || fail "no class that 4100 bytes at 64 need"
NUMATALLY_CONF_FILE=$work/grow.conf try 0 "$tool" run --sample 1 --report after.json -- ./grow
python3 -c '
predicted, measured, before = map(float, __import__("sys").argv[1:])
assert abs(predicted - measured) <= 0.1 * measured, (predicted, measured)
assert measured < before, (measured, before)' \
    "$(number predicted.json 'd["at_peak"]["best"]["waste_bytes"]')" \
    "$(number after.json "$at_peak")" "$(number before.json "$at_peak")" ||
    fail "the waste of what grows and is aligned is not as predicted"
for record in before after; do
    json $record.json '[s["align_bytes"] for s in r[0]["profile"]["sizes"]
                        if s["up_to_bytes"] in (4160, 131072)] == [64, 65536]'
done
# Records of before these were kept say what was asked for.
python3 - before.json >old.json <<'PY'
import json, sys
r = json.loads(open(sys.argv[1]).readline())
for s in r["profile"]["sizes"]:
    for key in ("held_bytes_total", "at_peak_held_bytes", "align_bytes"):
        del s[key]
print(json.dumps(r))
PY
try 0 "$tool" tune --json old.json
json out 'r[0]["at_peak"]["room_bytes"] == 0 and r[0]["at_peak"]["recorded_waste_bytes"] > 0'

# ---- the same from samples, from several records, of which one is of another program

# shellcheck disable=SC2086
try 0 "$tool" run --sample 8K --report one.json -- ./sizes 20000 $skewed
try 0 "$tool" run --sample 8K --report two.json -- ./sizes 20000 100 200 300
try 0 "$tool" tune --json one.json
one=$(number out 'd["at_peak"]["requested_bytes"]')
err_one=$(number out 'd["at_peak"]["saved_bytes_error"]')
try 0 "$tool" tune --json two.json
two=$(number out 'd["at_peak"]["requested_bytes"]')
cat one.json two.json >job.json
try 0 "$tool" tune --json job.json
cp out job.out
try 0 "$tool" tune --json one.json two.json
cmp -s out job.out || fail "a job is another thing than its records"
python3 -c '
one, two, both, error = map(float, __import__("sys").argv[1:])
assert one + two == both and error > 0, (one, two, both)' \
    "$one" "$two" "$(number out 'd["at_peak"]["requested_bytes"]')" "$err_one" ||
    fail "records are not added up"
try 0 "$tool" tune one.json
out '^# It saves 3\.[0-9]+ \+- 0\.[0-9]+ MiB'

# ---- nothing to propose, and few classes

try 0 "$tool" run --sample 1 --report good.json -- ./sizes 20000 64 128 1024 8192
try 0 "$tool" tune good.json
out 'the built-in one stays'
! grep -vE '^(#|$)' out || fail "settings without a reason"
try 0 "$tool" tune --json good.json
json out 'r[0]["settings"] == {}'
try 0 "$tool" tune -c 1 good.json
err 'may waste 100 %'
for n in 5 40 127; do
    try 0 "$tool" tune --classes $n --json one.json
    json out "0 < len(r[0]['at_peak']['sizes']) <= $n"
done

# ---- what is bad

for n in 0 10000 128 -1 x ''; do
    try 2 "$tool" tune -c "$n" one.json
    err 'a number from 1 to 127'
    try 2 "$tool" tune --verify -n "$n.5" -- ./sizes 10 64
    err 'a number from 3 to 1000'
done
try 2 "$tool" tune -n 5 one.json
err 'runs is for --verify; --classes'
try 2 "$tool" tune --timeout 5 one.json
err 'are for --verify'
# What was there stays where the new file has no room, and links stay links.
echo kept >limited.conf
(trap '' XFSZ && ulimit -f 0 && "$tool" tune -o limited.conf one.json) 2>&1 | cat >err
[ "${PIPESTATUS[0]}" = 1 ] || fail "a file that is too large is no error"
err '"limited.conf" cannot be written: File too large'
[ "$(cat limited.conf limited.conf.* 2>/dev/null)" = kept ] || fail "what was there is lost"
ln -s limited.conf link.conf
try 0 "$tool" tune -o link.conf one.json
[ -L link.conf ] || fail "the link is gone"
grep -q ^classes: limited.conf || fail "it was not written"
try 1 "$tool" tune -o '' one.json
err '"" cannot be written: No such file'
: >empty.json
echo '{"record":1}' >broken.json
echo 'no record' >none.json
try 1 "$tool" tune empty.json
err 'empty.json is empty'
try 1 "$tool" tune broken.json none.json missing.json
err 'no record to tune by'
try 0 "$tool" run --report plain.json -- ./sizes 100 64
try 1 "$tool" tune plain.json
err 'nothing was sampled: record with'
try 1 "$tool" tune broken.json one.json # the good one is used all the same
out '^classes:'
# contradict EXPRESSION over s, the first row of sizes, and p, all of them
contradict() {
    python3 - "$1" one.json >bad.json <<'PY'
import json, sys
r = json.loads(open(sys.argv[2]).readline())
p = r["profile"]["sizes"]
s = p[0]
exec(sys.argv[1])
print(json.dumps(r))
PY
    try 1 "$tool" tune bad.json
    err "$2"
}
contradict 's["up_to_bytes"] = 17' 'up to 17 is none'
contradict 's["up_to_bytes"] = 1 << 62' 'is none of those'
contradict 'p.append(dict(s))' 'is out of order'
contradict 's["allocations_total"] = 0' 'contradicts itself'
contradict 's["at_peak_samples"] = s["samples_total"] + 1' 'contradicts itself'
contradict 's["requested_bytes_total"] = 1 << 62' 'contradicts itself'
contradict 's["at_peak_blocks"] = -1' '"at_peak_blocks" is negative'
contradict 'p[:] = [1, 2]' 'is missing'
try 2 "$tool" tune
err 'no record was given'
try 2 "$tool" tune one.json -- ls
err 'only by --verify'
try 2 "$tool" tune --verify one.json
err 'needs a program'
try 1 "$tool" tune -o missing/numatally.conf one.json
err '"missing/numatally.conf" cannot be written: No such file'
try 1 "$tool" tune -o /dev/full one.json
err '"/dev/full" cannot be written: No space'
"$tool" tune one.json >/dev/full 2>err && fail "a full disk is no error"
grep -q 'standard output cannot be written' err || fail "nothing is said of a full disk"

# ---- the file

# Of another version, or spoilt: what is understood is used, and the program runs.
{ echo "speed:fast" && cat numatally.conf && echo "return:never"; } >other.conf
# shellcheck disable=SC2086
NUMATALLY_CONF_FILE=$work/other.conf try 0 "$tool" run --report after.json -- ./sizes 100 $skewed
err 'unknown setting "speed" is ignored'
err 'return:never'
json after.json '272 in {c["block_bytes"] for c in r[0]["classes"]}'
head -c 300 /dev/urandom >other.conf
try 0 env NUMATALLY_CONF_FILE="$work/other.conf" LD_PRELOAD="$library" ./sizes 100 64

# ---- the setting slab: slabs are as short as it says, if they hold a block

for slab in 64 256 2048; do
    NUMATALLY_CONF=slab:${slab}K try 0 "$tool" run --report after.json -- ./sizes 20000 64 4096 300000
    no_err .
    json after.json "[c['slab_bytes_now'] > 0 and
                      c['slab_bytes_now'] <= c['slabs_now'] * max($slab << 10, c['block_bytes'] * 2)
                      for c in r[0]['classes'] if c['block_bytes'] in (64, 4096)] == [True, True]"
    json after.json "max(c['slab_bytes_now'] / c['slabs_now'] for c in r[0]['classes']
                         if c['block_bytes'] and c['slabs_now']) > ($slab << 9)"
done

# ---- reserve: what a node always had in use again

cat >tide.c <<'C'
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* tide ROUNDS MIB BYTES: so many times up to MIB in blocks of BYTES, and down again. */
int main(int count, char **arg)
{
    int rounds = atoi(arg[1]);
    size_t bytes = (size_t)atoi(arg[3]), n = ((size_t)atoi(arg[2]) << 20) / bytes;
    char **block = malloc(n * sizeof *block);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++)
            block[i] = memset(malloc(bytes), 1, bytes);
        for (size_t i = 0; i < n; i++)
            free(block[i]);
        for (int i = 0; i < 30; i++) {
            usleep(1000);
            for (int k = 0; k < 1000; k++)
                free(malloc(100));
            free(malloc(1 << 20));
        }
    }
    free(block);
    return count < 4;
}
C
cc -O1 -fno-builtin -o tide tide.c || skip "the C compiler does not work"
export NUMATALLY_CONF=return:0
# The history has points now and then: by what they show of the hills, the reserve saves half of
# what waiting would, or a little less. Either way the one that is proposed is the right one.
for _ in 1 2 3 4 5 6; do
    try 0 "$tool" run --sample 16K --report tide.json -- ./tide 6 64 20000
    try 0 "$tool" tune --json tide.json
    cp out reserve.json
    json reserve.json '("return" not in r[0]["settings"],) == (
        r[0]["reserve"]["saves_ns"] >= r[0]["return"]["saves_ns"] / 2,)'
    grep -q '"settings":{[^}]*"reserve":' reserve.json && break
done
json reserve.json '[(n["node"], n["times"] >= 2, 30 << 20 < n["least_bytes"] <= n["most_bytes"] < 90 << 20)
                    for n in r[0]["reserve"]["nodes"]] == [(0, True, True)]'
json reserve.json '"return" not in r[0]["settings"]'
json reserve.json '0 <= r[0]["reserve"]["nodes"][0]["least_bytes"] - r[0]["settings"]["reserve"]["0"] < 1 << 20'
try 0 "$tool" tune -o tide.conf tide.json
grep -qE '^reserve:0=[0-9]+M$' tide.conf || fail "no reserve: $(cat tide.conf)"
grep -qE 'node 0: [0-9]+ times it had given memory back' tide.conf || fail "it does not say why"
# With it that much less goes back to the system, and is faulted in again.
NUMATALLY_CONF_FILE=$work/tide.conf try 0 "$tool" run --report with.json -- ./tide 6 64 20000
no_err .
returned='d["total"]["returned_bytes_total"]'
reserved=$(number reserve.json 'd["settings"]["reserve"]["0"]')
python3 -c '
without, kept, reserve, most = map(float, __import__("sys").argv[1:])
assert kept < without / 2, (without, kept)
assert without - kept >= 3 * reserve, (without, kept, reserve)' \
    "$(number tide.json "$returned")" "$(number with.json "$returned")" "$reserved" 0 ||
    fail "the reserve does not keep what it says"
unset NUMATALLY_CONF
# told EXPRESSION: what is proposed of tide.json with other points: MiB committed in turn, by node.
told() {
    python3 - "$1" tide.json >told.json <<'PY'
import json, sys
r = json.loads(open(sys.argv[2]).readline())
def points(*levels):
    r["history"]["points"] = [
        {"ns": 20000000 * i, "live_bytes_now": [l << 20], "committed_bytes_now": [l << 20]}
        for i, l in enumerate(levels)]
def returned(mib):
    r["nodes"][0]["returned_bytes_total"] = mib << 20
r["total"]["returned_bytes_total"] = 200 << 20
exec(sys.argv[1])
print(json.dumps(r))
PY
    try 0 "$tool" tune --json told.json
}
# Fell to 10 and 5, came to 90 and 80 again: 2 x 80 - 15 MiB need not be faulted in.
told 'points(0, 100, 10, 90, 60, 90, 5, 80, 0); returned(1000)'
json out '[(n["times"], n["least_bytes"] / 2**20, n["most_bytes"] / 2**20)
           for n in r[0]["reserve"]["nodes"]] == [(2, 80, 90)]'
json out 'abs(r[0]["reserve"]["saves_ns"] - 145 * 256 * 1000) < 1'
json out 'r[0]["settings"]["reserve"] == {"0": 80 << 20}'
# Where another `return` does more, that alone is proposed.
told 'points(0, 100, 10, 90, 5, 80, 0); returned(1000); r["total"]["returned_bytes_total"] = 1 << 30'
json out 'list(r[0]["settings"]) == ["classes", "return"]'
try 0 "$tool" tune told.json
out 'reserve is not set: return does the same'
told 'points(0, 100, 10, 90, 5, 80, 0); returned(40)' # no more than was given back
json out 'abs(r[0]["reserve"]["saves_ns"] - 40 * 256 * 1000) < 1'
for levels in '0, 100, 10, 90, 0' '0, 100, 60, 100, 60, 100, 0' '0, 10, 1, 10, 1, 9, 0' '0, 50, 100' '0, 0, 0'; do
    told "points($levels); returned(1000)"
    json out '"reserve" not in r[0]["settings"]'
done
told 'del r["history"]'
json out '"reserve" not in r[0]["settings"]'
try 0 "$tool" tune told.json
out 'reserve is not set: no record has a history'
# Two records: the lower of them; one that never fell says at least what it never came above.
told 'points(0, 100, 10, 90, 5, 80, 0); returned(1000)'
cp told.json first.json
told 'points(0, 70, 70, 70, 0); returned(1000)'
try 0 "$tool" tune --json first.json told.json
json out 'r[0]["reserve"]["nodes"][0]["least_bytes"] == 70 << 20'
# By first touch, on several nodes, no reserve keeps large blocks.
NUMATALLY_CONF=return:0 NUMATALLY_TOPOLOGY=2x1 try 0 "$tool" run --sample 16K --report large.json -- \
    ./tide 6 64 4000000
try 0 "$tool" tune --json large.json
json out '"reserve" not in r[0]["settings"]'

# ---- verify

# shellcheck disable=SC2086
"$tool" tune --verify -n 3 --json -o kept.conf -- ./sizes 20000 $skewed >out 2>err
status=$?
[ -z "$(ls -A tmp)" ] || fail "left behind: $(ls -A tmp)"
json out 'all(v["ratio_low"] <= v["ratio"] <= v["ratio_high"] and v["without"] > 0
              for v in (r[0]["time_s"], r[0]["cpu_s"], r[0]["resident_peak_bytes"]))'
json out 'r[0]["runs"] == 3 and r[0]["exit_status"] == 0'
json out 'r[0]["at_peak"]["with"]["waste_bytes"] < r[0]["at_peak"]["without"]["waste_bytes"] / 2'
json out 'all(abs(r[0]["at_peak"][k]["requested_bytes"] - 32e6) < 2e6 for k in ("with", "without"))'
json out 'r[0]["resident_peak_bytes"]["with"] < r[0]["resident_peak_bytes"]["without"]'
# Whether the time allows it the machine says; the file and the status go with it.
if [ $status = 0 ]; then
    json out 'r[0]["kept"]'
    grep -q ^classes: kept.conf || fail "kept, but not written"
else
    [ $status = 3 ] || fail "status $status"
    json out 'not r[0]["kept"] and r[0]["why"]'
    [ ! -e kept.conf ] || fail "not kept, but written"
    grep -q 'kept.conf is not written' err || fail "nothing is said of it"
fi
try 3 "$tool" tune --verify -n 3 -- ./sizes 20000 64 128 1024 8192
err 'nothing to verify'
try 3 "$tool" tune --verify -n 3 --json -- ./sizes 20000 64 128 1024 8192
json out 'not r[0]["kept"] and "nothing to verify" in r[0]["why"] and r[0]["runs"] == 0'
try 1 "$tool" tune --verify -- true
err 'asked for too little to be sampled; --sample=1'
try 3 "$tool" tune --verify --sample 4K -- ./sizes 2000 64
err 'there were but [0-9]+ samples'
# A setting, and records that are there already. The text has a row for each figure.
"$tool" tune --verify -n 3 --with return:10000 good.json -- ./sizes 2000 64 >out 2>err
case $? in 0 | 3) ;; *) fail "status of --with" ;; esac
out '^Resident peak +[0-9.]+ +[0-9.]+ MiB +[0-9.]+ +[0-9.]+ to [0-9.]+$'
out '^(Kept|Not kept): '
# A search tries what its budget has room for, each setting in pairs, and takes a return or none.
# shellcheck disable=SC2086
"$tool" tune --verify --search=600 -n 3 --json -o kept.conf -- ./sizes 2000 $skewed >out 2>err
case $? in 0 | 3) ;; *) fail "status of --search" ;; esac
json out '3 <= len(r[0]["searched"]) <= 7 and all(s["cpu_s"]["ratio_low"] > 0 for s in r[0]["searched"])'
json out '{s["setting"].split(":")[0] for s in r[0]["searched"]} == {"hugepages", "return", "slab"}'
json out 'r[0]["more"] == ",".join(s["setting"] for s in r[0]["searched"] if s["taken"])'
if [ -e kept.conf ]; then
    NUMATALLY_CONF_FILE=$work/kept.conf try 0 "$tool" run --report after.json -- ./sizes 10 64
    no_err .
fi
# shellcheck disable=SC2016,SC2086
"$tool" tune --verify --search=1 -n 3 -- sh -c 'sleep 0.2; exec "$@"' - ./sizes 2000 $skewed >out 2>err
case $? in 0 | 3) ;; *) fail "status of a short --search" ;; esac
out 'the budget has no room'
# Nor is one gone on with that takes longer than its first run let expect.
# shellcheck disable=SC2016,SC2086
"$tool" tune --verify --search=1 -n 3 -- \
    sh -c '[ ! -e slow ] || sleep 0.3; : >slow; exec "$@"' - ./sizes 2000 $skewed >out 2>err
case $? in 0 | 3) ;; *) fail "status of a --search that slows down" ;; esac
out 'the budget has no room'
# Only a run can say whether to bring a reserve in: where there is one it is tried first.
"$tool" tune --verify --search=30 -n 3 --json tide.json -- ./tide 2 16 20000 >out 2>err
case $? in 0 | 3) ;; *) fail "status of --search with a reserve" ;; esac
json out 'r[0]["searched"][0]["setting"] == "prefault:on"'
try 2 "$tool" tune --search one.json
err 'are for --verify'
try 2 "$tool" tune --verify --with speed:fast -- ./sizes 10 64
err 'is of no setting'

try 127 "$tool" tune --verify -- ./not-there
err 'not-there'
try 126 "$tool" tune --verify -- ./sizes.c
try 125 "$tool" tune --verify --timeout 1 -- sleep 1000
err 'had not ended after 1 s'
# shellcheck disable=SC2016
try 125 "$tool" tune --verify -- sh -c 'kill -9 $$'
err 'signal 9'
# One that fails in another way each time.
# shellcheck disable=SC2016
try 125 "$tool" tune --verify --with return:5000 good.json -- \
    sh -c './sizes 10 64; n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; exit $n'
err 'ended with status 1, but with 0 before'
[ -z "$(ls -A tmp)" ] || fail "left behind: $(ls -A tmp)"

# Ended by a signal: what it runs ends, too, however it resists; and nothing stays, of `numatally
# run` neither.
# ended SIGNAL STATUS COMMANDS
ended() {
    rm -f pid
    env --default-signal=INT,QUIT "$tool" tune --verify -- \
        sh -c "$3"' (setsid sh -c '\''echo $$ >away; exec sleep 1000'\'' &); sleep 0.1; echo $$ >pid; while :; do sleep 0.1; done' >out 2>err &
    local verb=$!
    until [ -s pid ] && [ -s away ]; do
        kill -0 $verb || fail "it ended"
        sleep 0.05
    done
    kill -"$1" $verb
    wait $verb
    [ $? = "$2" ] || fail "status of one that was ended by $1"
    for pid in "$(cat pid)" "$(cat away)"; do
        ! kill -0 "$pid" 2>/dev/null || fail "$pid goes on after $1"
    done
    left=$(find tmp "$XDG_RUNTIME_DIR" -mindepth 1)
    [ -z "$left" ] || fail "left behind: $left"
}
ended TERM 143 ''
ended INT 130 ''
ended QUIT 131 ''
ended HUP 129 'trap "" TERM INT HUP;'
