#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Records, live files and profiles that were spoilt somewhere, always at the same places, in
# all formats: the tool complains or prints, but never ends by a signal. NT_TOOL may name
# another build of it, as that of the asan preset, and NT_SEED other places.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
under_test=${NT_TOOL:-$tool}
export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99
mutate() { python3 "$NT_SOURCE/tests/tool/mutate.py" "$@" "${NT_SEED:-1}" || fail "mutate.py $*"; }
library=$NT_BUILD/libnumatally_malloc.so

cat >small.py <<'PY'
import ctypes, sys, time
nt = ctypes.CDLL(None)
nt.nt_pool_malloc.restype = ctypes.c_void_p
pool = ctypes.c_void_p()
nt.nt_pool_create(None, ctypes.byref(pool))
nt.nt_mark(b"one")
kept = [nt.nt_pool_malloc(pool, ctypes.c_size_t(size)) for size in range(1000)]
nt.nt_mark(b"two")
while len(sys.argv) > 1:
    bytes(4 << 20)
    time.sleep(0.01)
PY
NUMATALLY_TOPOLOGY=2x2 try 0 "$tool" run --sample 32K --report good.json -- "$python" small.py
json good.json 'len(r[0]["nodes"]) == 2 and r[0]["pools"][1] and r[0]["profile"]["samples"]'
mkdir live
NUMATALLY_CONF=live:$work/live,sample:32K LD_PRELOAD=$library "$python" small.py wait &
pid=$!
until "$tool" report --format json "live/numatally-$pid.live" 2>/dev/null | grep -q '"name":"two"'; do
    kill -0 $pid || fail "it ended without a live file"
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
cp "live/numatally-$pid.live" good.live
cp "live/numatally-$pid.profile" good.profile

# Live files are spoilt with a good profile beside them, and good ones beside spoilt profiles.
mutate good.json spoilt 300
mutate good.live lives 60
mutate good.profile profiles 60
for i in $(seq 0 59); do
    cp good.profile "lives/$i.profile"
    cp good.live "profiles/$i.live"
done

# survives COMMAND...: it ends by itself, with 0 or 1.
survives() {
    "$@" >/dev/null 2>err
    case $? in
    0 | 1) ;;
    *) fail "status $? of $*" ;;
    esac
    no_err 'runtime error|Sanitizer'
}
formats='text json csv prometheus collapsed pprof html'
for format in $formats; do
    survives "$under_test" report --format "$format" spoilt/*.json lives/*.live profiles/*.live
done
for format in text json; do
    survives "$under_test" report --findings --format "$format" spoilt/*.json lives/*.live profiles/*.live
done
"$under_test" report --format json spoilt/*.json lives/*.live profiles/*.live >some.json 2>err
[ "$(wc -l <some.json)" -gt 100 ] || fail "all are so spoilt that nothing is tested"
for i in $(seq 1 2 99); do # those that are spoilt in their values
    survives "$under_test" tune "spoilt/$i.json"
    survives "$under_test" report --diff --format "$(echo text json csv | cut -d' ' -f$((i % 3 + 1)))" \
        good.json "spoilt/$i.json"
done
# A job of all of them; and jobs' records, spoilt, which are merged once more. What comes out
# is a record.
"$under_test" report --merge -f json spoilt/*.json lives/*.live profiles/*.live >job.json 2>err
json job.json 'len(r[0]["job"]["rows"]) > 0'
"$under_test" report --merge -f json job.json >again.json || fail "the job is no record"
cmp job.json again.json || fail "the job read back is another one"
mutate job.json jobs 100
for format in text json csv prometheus html; do
    survives "$under_test" report --merge --format "$format" spoilt/*.json lives/*.live
    survives "$under_test" report --format "$format" jobs/*.json
    survives "$under_test" report --merge --format "$format" jobs/*.json
done
for file in jobs/*.json; do survives "$under_test" report --merge "$file"; done
for file in lives/*.live; do survives "$under_test" report --diff "$file" good.live; done
echo "ok"
