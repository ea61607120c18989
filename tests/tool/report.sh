#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally report: records and live files printed again, and files that are neither.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# A record printed again is the same record, its text the text of the run.
try 0 "$tool" run --children --report r.json -- sh -c 'ls / >/dev/null; :'
json r.json 'len(r) == 2'
try 0 "$tool" report --format json r.json
cmp -s r.json out || fail "the records changed"
try 0 "$tool" report r.json
[ "$(grep -c '^numatally [0-9.]*: ' out)" = 2 ] || fail "not two records as text"
out '^Allocations '
python3 -c 'import json
for line in open("r.json"): print(json.dumps(json.loads(line), indent=2))' >pretty.json
try 0 "$tool" report --format json pretty.json r.json
cat r.json r.json | cmp -s - out || fail "records over several lines changed"

# A live file, while its program runs and after it was killed.
mkdir live
NUMATALLY_CONF=live:$work/live sh -c 'LD_PRELOAD='"$NT_BUILD"'/libnumatally_malloc.so exec sleep 300' &
pid=$!
file=live/numatally-$pid.live
until "$tool" report "$file" >/dev/null 2>&1; do
    kill -0 $pid || fail "it ended without a live file"
    sleep 0.05
done
try 0 "$tool" report "$file"
err 'at its last update, not those of its end'
out "numatally [0-9.]+: sleep, pid $pid"
kill -9 $pid
wait $pid 2>/dev/null
try 0 "$tool" report --format json "$file"
json out "r[0][\"pid\"] == $pid and not r[0][\"final\"]"
json out 'r[0]["threads"][0]["name"] == "exited" and r[0]["pools"][0]["name"] == "process"'

# The next process in that folder removes it; one that lives keeps its own.
cp "$file" kept
NUMATALLY_CONF=live:$work/live LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so sleep 300 &
pid=$!
while [ -e "$file" ]; do
    kill -0 $pid || fail "the file of a process that is gone was not swept"
    sleep 0.05
done
NUMATALLY_CONF=live:$work/live LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so true
[ -e "live/numatally-$pid.live" ] || fail "the file of a process that lives was swept"
kill $pid
wait $pid 2>/dev/null
file=kept

# What is neither.
try 1 "$tool" report /nonexistent
err '/nonexistent: No such file'
try 1 "$tool" report "$work"
err 'Is a directory'
: >empty
try 1 "$tool" report empty
err 'empty is empty'
try 1 "$tool" report /dev/zero
err '/dev/zero begins with a zero byte'
head -c 1000 "$file" >half
try 1 "$tool" report half
err 'record 1 is no JSON'
head -c 100 r.json >cut.json
try 1 "$tool" report cut.json
err 'cut.json: record 1 is no JSON'
head -c 100000 /dev/urandom >garbage
try 1 "$tool" report garbage
echo '{"some": "thing"}' >other.json
try 1 "$tool" report other.json
err 'no record of numatally'
sed 's/"record":1/"record":2/' r.json >newer.json
try 1 "$tool" report newer.json
err 'version 2, and this tool reads version 1'
sed 's/"frees_total":[0-9]*/"frees_total":"x"/' r.json >wrong.json
try 1 "$tool" report wrong.json
err '"frees_total" is missing or no whole number'
try 1 "$tool" report r.json other.json # the good one is printed all the same
out '^Allocations '
try 2 "$tool" report
err 'no file was given'
try 2 "$tool" report --format xml r.json

# A good record after a bad one; one cut short at the end.
{ sed -n 1p r.json; echo '{"record":1,'; sed -n 2p r.json; head -c 100 r.json; } >some.json
try 1 "$tool" report --format json some.json
cmp -s r.json out || fail "good records among bad ones were lost"
err 'some.json: record 2 is no JSON'

# Laid out by others: with a byte order mark, indented, or one value a line and nested braces
# at the beginning of lines. What is cut short costs no other record.
python3 - <<'PY'
import json
lines = open("r.json").read().splitlines()
first = json.loads(lines[0])
with open("laid.json", "w", encoding="utf-8-sig") as out:
    for indent in None, 2, 0, 0:
        print(json.dumps(first, indent=indent), file=out)
    print(lines[0], file=out)
with open("short.json", "w") as out:
    wide, tall = (json.dumps(first, indent=indent) for indent in (2, 0))
    half = slice(len(tall) // 2)
    print(wide[half], lines[0], wide[half], wide, tall[half], lines[0], sep="\n", file=out)
PY
for i in 1 2 3 4 5; do sed -n 1p r.json; done >five.json
try 0 "$tool" report --format json laid.json
cmp -s five.json out || fail "records in another layout were lost"
try 1 "$tool" report --format json short.json
sed -n 1,3p five.json >three.json
cmp -s three.json out || fail "records beside some that are cut short were lost"

# To a file: by its suffix, whole or as it was.
try 0 "$tool" report -o o.json r.json
[ ! -s out ] || fail "something on standard output"
cmp -s r.json o.json || fail "other records in the file"
[ "$(stat -c %a o.json)" = "$(printf '%o' $((0666 & ~0$(umask))))" ] || fail "not the umask's mode"
ln -s o.json link.json
try 0 "$tool" report -o link.json "$file"
[ -L link.json ] || fail "the symbolic link was replaced"
json o.json 'len(r) == 1'
try 1 "$tool" report -o o.json other.json
json o.json 'len(r) == 1'
left() { ! compgen -G '.numatally-*' || fail "a file beside the output was left behind"; }
left
chmod 640 o.json
try 0 "$tool" report -o o.json r.json
[ "$(stat -c %a o.json)" = 640 ] || fail "the mode became $(stat -c %a o.json)"
ln -s later.json dangling.json
try 0 "$tool" report -o dangling.json r.json
[ -L dangling.json ] || fail "a link to what was not there yet was replaced"
cmp -s r.json later.json || fail "other records in the file that a link names"
long=$(printf '%0250d.json' 0) # 255 bytes
try 0 "$tool" report -o "$long" r.json
cmp -s r.json "$long" || fail "other records in the file with a long name"

# In a folder that takes no new file, even from root.
setpriv --bounding-set -dac_override true 2>err || skip "no setpriv: $(cat err)"
mkdir closed
echo old >closed/o.json
chmod 555 closed
try 0 setpriv --bounding-set -dac_override "$tool" report -o closed/o.json r.json
cmp -s r.json closed/o.json || fail "other records in the folder that takes no file"
try 1 setpriv --bounding-set -dac_override "$tool" report -o closed/new.json r.json
err 'closed/new.json: Permission denied'
chmod 755 closed

# A signal ends it while it waits for a record.
mkfifo slow
for signal in INT TERM HUP; do
    # In the background a shell has SIGINT ignored.
    python3 - "$tool" "$signal" <<'PY' || fail "SIG$signal"
import os, signal, subprocess, sys, time
number = signal.Signals["SIG" + sys.argv[2]]
p = subprocess.Popen([sys.argv[1], "report", "-o", "o.json", "slow"],
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while not any(name.startswith(".numatally") for name in os.listdir(".")):
    assert p.poll() is None, p.returncode
    time.sleep(0.02)
p.send_signal(number)
assert p.wait() == -number, p.returncode
PY
    left
    cmp -s r.json o.json || fail "a signal cost the old output"
done

# Standard descriptors that are closed: complaints do not get into files.
"$tool" report -o apart.json other.json r.json 2>&-
[ $? = 1 ] || fail "a bad file was no error"
cmp -s r.json apart.json || fail "complaints in the output"
"$tool" report r.json >&- 2>err && fail "a closed standard output was not noticed"
err 'standard output: Bad file descriptor'
"$tool" run -- sh -c 'test ! -e /proc/self/fd/2' 2>&- || fail "a program has a descriptor more"
try 0 "$tool" report -o /dev/stdout --format json r.json
cmp -s r.json out || fail "a pipe or device is no place for the output"
try 1 "$tool" report -o /nonexistent/x r.json
err '/nonexistent/x: No such file'
try 1 "$tool" report -o /dev/full r.json
err '/dev/full: No space left'

"$tool" report r.json >/dev/full 2>err && fail "a full disk was not noticed"
err 'standard output: No space left'
echo "ok"
