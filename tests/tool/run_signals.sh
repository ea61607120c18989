#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Signals: what is sent to the tool reaches the program, once; what the terminal
# sends to the group is not sent on; what is ignored stays ignored.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"

cat >"$work/count.py" <<'PY'
# Counts the signals it gets, says "ready", writes each into that file as it comes, and
# prints the counts after SIGTERM.
import collections, os, signal, sys, time
got = collections.Counter()
def note(number, frame):
    name = signal.Signals(number).name
    got[name] += 1
    os.write(ready, f"{name}\n".encode())
for s in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
          signal.SIGUSR2, signal.SIGTERM, signal.SIGWINCH, signal.SIGALRM,
          signal.SIGRTMIN):
    signal.signal(s, note)
# There by its name only when it is known here: the first signal may come at once.
ready = os.open(sys.argv[1] + ".new", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while not got["SIGTERM"]: # ctest guards against for ever
    time.sleep(0.05)
time.sleep(0.3) # for those that come twice
print(" ".join(f"{k}={v}" for k, v in sorted(got.items())), flush=True)
sys.exit(5)
PY

# Start the counting program under the tool; $pid is the tool's.
start() {
    rm -f "$work/ready"
    "$@" "$tool" run -- "$python" "$work/count.py" "$work/ready" >"$work/out" 2>"$work/err" &
    pid=$!
    while [ ! -e "$work/ready" ]; do
        kill -0 $pid 2>/dev/null || fail "the program did not start"
        sleep 0.05
    done
}

# One after the other: several that wait come in an order of the kernel's own.
start env
ignored=$((16#$(awk '/^SigIgn/ { print $2 }' /proc/$pid/status)))
for sig in INT HUP QUIT USR1 USR2 WINCH ALRM RTMIN; do
    kill -$sig $pid
    while [ $((ignored >> ($(kill -l $sig) - 1) & 1)) = 0 ] &&
        ! grep -qx "SIG$sig" "$work/ready"; do
        sleep 0.05
    done
done
kill -TERM $pid
wait $pid
[ $? = 5 ] || fail "the status is not the program's"
# In the background of a shell without jobs SIGINT and SIGQUIT are ignored at the
# start: the tool leaves them so, and so they never reach a program.
out '^SIGALRM=1 SIGHUP=1 (SIGINT=1 SIGQUIT=1 )?SIGRTMIN=1 SIGTERM=1 SIGUSR1=1 SIGUSR2=1 SIGWINCH=1$'
err 'numatally [0-9.]+: python3'

# nohup: SIGHUP ignored when the tool starts is not taken up by it.
start nohup
kill -HUP $pid
sleep 0.2
kill -TERM $pid
wait $pid
out '^SIGTERM=1$'

# A program that signals its whole group has no need of an echo.
cat >"$work/group.py" <<'PY'
import os, signal, time
n = 0
def note(*_):
    global n
    n += 1
signal.signal(signal.SIGUSR1, note)
os.killpg(0, signal.SIGUSR1)
time.sleep(0.5)
print(f"got {n}")
PY
try 0 setsid --wait "$tool" run -- "$python" "$work/group.py"
out '^got 1$'

# Ctrl-C and a terminal that hangs up: both have it from the terminal already.
cat >"$work/terminal.py" <<'PY'
import os, pty, sys, time
tool, count, ready, keys = sys.argv[1:]
def wait_for(lines): # signals of one kind that wait are one
    while not os.path.exists(ready) or len(open(ready).readlines()) < lines:
        time.sleep(0.05)
pid, master = pty.fork()
if pid == 0:
    os.execv(tool, [tool, "run", "--", sys.executable, count, ready])
wait_for(0)
for n, key in enumerate(keys.encode().decode("unicode_escape")):
    os.write(master, key.encode())
    wait_for(n + 1)
    time.sleep(0.3) # for one that the tool should not send on
os.kill(pid, 15)
text = b""
try:
    while chunk := os.read(master, 4096):
        text += chunk
except OSError:
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(text.decode(errors="replace").replace("\r", ""))
sys.exit(os.waitstatus_to_exitcode(status))
PY
rm -f "$work/ready"
try 5 python3 "$work/terminal.py" "$tool" "$work/count.py" "$work/ready" '\x03'
out 'SIGINT=1 SIGTERM=1$'
rm -f "$work/ready"
try 5 python3 "$work/terminal.py" "$tool" "$work/count.py" "$work/ready" '\x03\x1c\x03'
out 'SIGINT=2 SIGQUIT=1 SIGTERM=1$'
echo "ok"
