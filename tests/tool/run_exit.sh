#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally run leaves the program's standard files, environment, status and death as
# they are, and says what is wrong with a program that cannot be run or counted.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"

# ---- statuses
for status in 0 1 7 125 126 127 128 255; do
    try $status "$tool" run -- sh -c "exit $status"
    err 'numatally [0-9.]+: sh, pid'
done
try 127 "$tool" run -- no-such-program-at-all
err 'no-such-program-at-all.*not found in PATH'
try 127 "$tool" run -- /nonexistent/program
err '/nonexistent/program.*not found; check the path'
try 127 "$tool" run -- ''
touch "$work/plain"
try 126 "$tool" run -- "$work/plain"
err 'plain.*cannot be executed: Permission denied'
try 126 "$tool" run -- "$work"
err 'cannot be executed: Is a directory'
printf '#!/nonexistent/interpreter\n' >"$work/script"
chmod +x "$work/script"
try 127 "$tool" run -- "$work/script"
err 'script.*cannot be executed'
printf '\177ELF garbage' >"$work/garbage"
chmod +x "$work/garbage"
"$tool" run -- "$work/garbage" >"$work/out" 2>"$work/err"
[ $? -ge 126 ] || fail "a broken program was run"
try 125 "$tool" run
err 'no program was given'
try 125 "$tool" run --format xml -- true
err '"xml"; it may be text or json'
try 125 "$tool" run --no-such-option -- true
try 2 "$tool" rnu -- true
err 'did you mean "numatally run"'
try 2 "$tool" reprot x
err 'did you mean "numatally report"'
try 2 "$tool"
try 0 "$tool" --version
out '^numatally [0-9]+\.[0-9]+\.[0-9]+$'
for verb in "" run report; do
    # shellcheck disable=SC2086  # no verb is no word
    try 0 "$tool" $verb --help
    out 'Usage:'
done
try 0 "$tool" --help
out 'report:off'

# ---- deaths
for sig in KILL TERM INT HUP QUIT USR1 SEGV ABRT PIPE ALRM; do
    try $((128 + $(kill -l $sig))) bash -c "ulimit -c 0; '$tool' run -- sh -c 'kill -$sig \$\$'; exit \$?"
    err 'numatally [0-9.]+: sh, pid'
    err 'before its end; what it did after that is missing'
done
# Dead of the signal, not of an exit with 128 + 9.
python3 - "$tool" <<'PY' || fail "the tool did not die of the program's signal"
import subprocess, sys
p = subprocess.run([sys.argv[1], "run", "--", "sh", "-c", "kill -9 $$"],
                   stderr=subprocess.DEVNULL)
sys.exit(0 if p.returncode == -9 else 1)
PY

# ---- what the program gets
printf 'a\nb\n' >"$work/in"
try 0 "$tool" run -- cat <"$work/in"
cmp -s "$work/in" "$work/out" || fail "stdin did not pass through"
try 0 "$tool" run -- sh -c 'echo to stdout; echo to stderr >&2'
[ "$(cat "$work/out")" = "to stdout" ] || fail "stdout is not the program's alone"
err '^to stderr$'
try 0 "$tool" run -- printf '%s|' a '' 'b c' --report -- x
[ "$(cat "$work/out")" = 'a||b c|--report|--|x|' ] || fail "arguments changed"
# shellcheck disable=SC2012  # descriptors have plain names
here=$(ls -l /proc/self/fd | wc -l)
try 0 "$tool" run -- sh -c 'ls -l /proc/self/fd'
[ "$(wc -l <"$work/out")" -le "$((here + 1))" ] || fail "descriptors leak"
pgid=$(ps -o pgid= $$ | tr -d ' ')
try 0 "$tool" run -- sh -c 'ps -o pgid= $$'
[ "$(tr -d ' ' <"$work/out")" = "$pgid" ] || fail "the process group changed"
masks() { "$@" grep -E '^Sig(Blk|Ign)' /proc/self/status; }
masks env >"$work/want"
masks "$tool" run -- env >"$work/got" 2>/dev/null
cmp -s "$work/want" "$work/got" || fail "signal masks changed: $(cat "$work/got")"
(trap '' HUP USR2 CHLD && masks env >"$work/want" && masks "$tool" run -- env >"$work/got" 2>/dev/null)
cmp -s "$work/want" "$work/got" || fail "ignored signals changed: $(cat "$work/got")"

# ---- the preload
libm=$(ldconfig -p | sed -n 's/.*libm\.so\.6 .*=> //p' | head -1)
# shellcheck disable=SC2016  # for the inner shell
LD_PRELOAD=$libm try 0 "$tool" run -- sh -c 'echo "$LD_PRELOAD"'
out "^$libm:.*/libnumatally_malloc.so\$"
mkdir "$work/with blank"
cp "$tool" "$NT_BUILD/libnumatally_malloc.so" "$work/with blank/"
try 125 "$work/with blank/numatally" run -- true
err 'allows no blank'
mkdir "$work/alone" "$work/bin" "$work/lib"
cp "$tool" "$work/alone/"
try 125 "$work/alone/numatally" run -- true
err 'cannot find libnumatally_malloc.so in .*alone'
cp "$tool" "$work/bin/"
cp "$NT_BUILD/libnumatally_malloc.so" "$work/lib/"
try 0 "$work/bin/numatally" run -- ls /
err 'numatally [0-9.]+: ls, pid'

# ---- programs that cannot be counted
if echo 'int main(void) { return 3; }' >"$work/s.c" && cc -static -o "$work/static" "$work/s.c" 2>/dev/null; then
    try 3 "$tool" run -- "$work/static"
    err 'static is statically linked: a library cannot be preloaded'
    err 'left no figures.*see: numatally doctor -- '
    printf '#!%s\n' "$work/static" >"$work/script"
    try 3 "$tool" run -- "$work/script"
    err 'static is statically linked'
fi
try 0 "$tool" run -- env -i sh -c 'exit 0'
err 'env, pid' # what it was before it cleared its environment
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    cp "$(command -v cat)" "$work/setuid"
    chmod 4755 "$work/setuid"
    chmod 755 "$work"
    chmod 777 "$XDG_RUNTIME_DIR"
    if setpriv --reuid 65534 --clear-groups test -x "$tool"; then
        try 0 setpriv --reuid 65534 --clear-groups "$tool" run -- "$work/setuid" /dev/null
        err 'setuid gains rights when it starts'
        err 'left no figures.*see: numatally doctor -- '
    fi
fi
echo "ok"
