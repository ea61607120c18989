#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Hostile surroundings: limits, missing file systems, refused calls, set-user-ID,
# malformed settings, report paths that are traps. Never a crash, never silence where a
# line was due, never a line where all is well. Parts that need rights are skipped aloud.
# With NT_PRELOAD only what any allocator can do (peers.sh).
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

here=$source_dir/tests/front
around=$programs/prog_surroundings
threads=("$programs/prog_threads" gone)
true=$(command -v true)

# in_shell WHAT LIMITS COMMAND: run under the shell's limits.
in_shell() {
    local what=$1 limits=$2
    shift 2
    # shellcheck disable=SC2016  # expanded by the inner shell
    program "$what" -- bash -c "$limits"' && exec "$@"' bash "$@"
}

# ---- at rest, limits --------------------------------------------------------

for what in descriptors threads handlers space code policy; do
    program "at rest: $what" -- "$around" standard "$around" at-rest $what
    cat "$work/out"
done
in_shell "ulimit -v 250 MB" "ulimit -v 250000" "${threads[@]}"
in_shell "ulimit -v 250 MB, fork" "ulimit -v 250000" "$programs/prog_process" fork 5
in_shell "ulimit -v 100 MB" "ulimit -v 100000" "$true"
in_shell "ulimit -d 200 MB" "ulimit -d 200000" "${threads[@]}"
in_shell "ulimit -s 128 KiB" "ulimit -s 128" "$programs/prog_threads" stacks
in_shell "ulimit -l 0" "ulimit -l 0" "${threads[@]}"
program "no descriptor open" -- "$around" closed "$true"
program "calls refused (EPERM)" -- "$around" refused "${threads[@]}"
program "calls missing (ENOSYS)" -- "$around" missing "${threads[@]}"
program "no rseq" GLIBC_TUNABLES=glibc.pthread.rseq=0 -- "${threads[@]}"
program "loader named first" -- /lib64/ld-linux-x86-64.so.2 "${threads[@]}"
program "empty environment" -- env -i LD_PRELOAD="$preload" "${threads[@]}"

# ---- no /proc, no /sys ------------------------------------------------------

if unshare -m true 2>/dev/null; then
    mkdir "$work/empty" "$work/garbage" "$work/garbage/node0"
    head -c 300 /dev/urandom >"$work/garbage/online"
    printf '0-,,-3\n' >"$work/garbage/has_memory"
    head -c 300 /dev/urandom >"$work/garbage/node0/cpulist"
    printf 'ten -1 99999999999999999999\n' >"$work/garbage/node0/distance"
    printf '0-4294967295\n' >"$work/garbage/possible"
    without() {
        local what=$1 mounts=$2
        shift 2
        # shellcheck disable=SC2016
        program "$what" -- unshare -m bash -c "$mounts"' && exec "$@"' bash "$@"
    }
    for prog in "${threads[*]}" "$programs/prog_process fork 5"; do
        # shellcheck disable=SC2086
        without "no /proc: ${prog##*/}" "mount --bind $work/empty /proc" $prog
        # shellcheck disable=SC2086
        without "no /sys: ${prog##*/}" "mount --bind $work/empty /sys" $prog
        # shellcheck disable=SC2086
        without "neither: ${prog##*/}" \
            "mount --bind $work/empty /sys && mount --bind $work/empty /proc" $prog
    done
    if [ -d /sys/devices/system/node ]; then
        without "garbage in /sys/devices/system/node" \
            "mount --bind $work/garbage /sys/devices/system/node" "${threads[@]}"
    fi
    run -- unshare -m bash -c \
        "mount --bind $work/empty /sys && mount --bind $work/empty /proc && exec \"\$@\"" \
        bash "$programs/prog_misuse" foreign 100
    ok "misuse without /proc and /sys is stopped" test "$status" = 134
else
    echo "skipped: no /proc, no /sys: this user cannot mount"
fi

# ---- the file ---------------------------------------------------------------

has() {
    readelf -W -l -d "$library" | grep -qE "$1"
}
# shellcheck disable=SC2317  # called through ok
has_not() {
    ! has "$1"
}
library=${preload:-$(ldconfig -p | awk '$1 == "libc.so.6" { print $NF; exit }')}
ok "RELRO" has GNU_RELRO
ok "bound at once" has 'BIND_NOW|FLAGS.* NOW'
ok "nothing writable and executable" has_not 'LOAD.* RWE |GNU_STACK .*E'
[ -z "${NT_PRELOAD:-}" ] || finish

# ---- set-user-ID ------------------------------------------------------------

chmod 755 "$work"
cp "$build_dir/libnumatally_malloc.so" "$work/" && cp "$around" "$work/secure"
${CC:-cc} -D_GNU_SOURCE -fno-builtin -w -o "$work/setuid" "$here/prog_misuse.c" \
    -L"$work" -Wl,-rpath,"$work" -Wl,--no-as-needed -l:libnumatally_malloc.so -lpthread
ln -s libnumatally_malloc.so "$work/$(basename "$(readlink -f "$build_dir/libnumatally_malloc.so")" | sed 's/\(\.so\.[0-9]*\).*/\1/')"
chmod u+s "$work/secure" "$work/setuid" 2>/dev/null
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${nobody[@]}" "$work/secure" secure 2>/dev/null; then
    saved_preload=$preload preload=
    mkdir -m 777 "$work/open"
    run NUMATALLY_CONF="check:off,report:$work/open/report.txt,nonsense:1" \
        NUMATALLY_TOPOLOGY=garbage -- "${nobody[@]}" "$work/setuid" double_free 40
    ok "set-user-ID: check:off is ignored" test "$status" = 134
    ok "set-user-ID: no report" test ! -e "$work/open/report.txt"
    ok "set-user-ID: no word on the settings" \
        bash -c "! grep -qE 'nonsense|garbage' $work/err"
    preload=$saved_preload
else
    echo "skipped: set-user-ID: needs root, and a folder where it counts"
fi

# ---- malformed settings -----------------------------------------------------

# The program runs as ever; a line says what is wrong, and names it.
complains() {
    local what=$1 word=$2
    shift 2
    run "$@" -- "${threads[@]}"
    ok "$what: the program runs" test "$status" = 0
    ok "$what: a line names it" grep -q "^numatally: .*$word" "$work/err"
    ok "$what: not a line too many" test "$(grep -c '' "$work/err")" -le 2
}
complains "unknown key" 'check' NUMATALLY_CONF=chekc:off
complains "unknown key among known ones" 'huge' NUMATALLY_CONF=check:on,hugepage:off,return:5
complains "value no choice" 'maybe' NUMATALLY_CONF=check:maybe
complains "negative number" 'return' NUMATALLY_CONF=return:-5
complains "number out of range" 'return' NUMATALLY_CONF=return:99999999999999999999
complains "no number" 'return' NUMATALLY_CONF=return:soon
complains "key without value" 'check' NUMATALLY_CONF=check
complains "classes that are no sizes" 'classes' 'NUMATALLY_CONF=classes:a;b;c'
complains "classes that go down" 'classes' 'NUMATALLY_CONF=classes:64;32;16'
complains "a missing file" 'nowhere' NUMATALLY_CONF_FILE="$work/nowhere"
complains "a folder for a file" "$work" NUMATALLY_CONF_FILE="$work"
complains "topology" 'TOPOLOGY' NUMATALLY_TOPOLOGY=garbage
complains "topology of nothing" 'TOPOLOGY' NUMATALLY_TOPOLOGY=0x0
complains "topology too large" 'TOPOLOGY' NUMATALLY_TOPOLOGY=9999x9999

# Worse than that: whatever it says, it runs and is not verbose.
long=$(head -c 60000 /dev/zero | tr '\0' 'a')
mkfifo "$work/fifo"
head -c 100000 /dev/urandom >"$work/random"
for settings in NUMATALLY_CONF=: 'NUMATALLY_CONF=,' 'NUMATALLY_CONF=,,,,' NUMATALLY_CONF=::: \
    NUMATALLY_CONF=%n%s%n%s NUMATALLY_CONF=$'\x01\xff\xfe:\x80' NUMATALLY_CONF=$'a\nb:c' \
    "NUMATALLY_CONF=$long" "NUMATALLY_CONF=report:$long" "NUMATALLY_CONF=$long:$long" \
    "NUMATALLY_CONF=classes:$(seq -s ';' 16 16 40000)" 'NUMATALLY_CONF=classes:;;;' \
    'NUMATALLY_CONF=classes:0' 'NUMATALLY_CONF=report:' \
    "NUMATALLY_CONF_FILE=$work/random" "NUMATALLY_CONF_FILE=$work/fifo" \
    "NUMATALLY_CONF_FILE=/dev/null" "NUMATALLY_CONF_FILE=/dev/zero" \
    "NUMATALLY_CONF_FILE=$long" NUMATALLY_CONF_FILE= NUMATALLY_TOPOLOGY= \
    NUMATALLY_TOPOLOGY=2x NUMATALLY_TOPOLOGY=x2 NUMATALLY_TOPOLOGY=-1x-1 \
    "NUMATALLY_TOPOLOGY=$long" NUMATALLY_RUN=1:/nowhere:1 NUMATALLY_RUN=garbage; do
    run "$settings" -- timeout -s KILL 300 "${threads[@]}"
    name=$(printf '%s' "${settings:0:50}" | cat -v)
    ok "$name: the program runs" test "$status" = 0
    ok "$name: at most a few short lines" test "$(wc -c <"$work/err")" -lt 2500
done

# ---- report paths -----------------------------------------------------------

mkdir -m 1777 "$work/shared"
printf 'precious\n' >"$work/precious"
ln -s "$work/precious" "$work/shared/symbolic"
ln "$work/precious" "$work/shared/hard" 2>/dev/null
mkfifo "$work/shared/fifo"
mkdir "$work/shared/folder"
for path in shared/symbolic shared/hard shared/fifo shared/folder nowhere/report; do
    run NUMATALLY_CONF="report:$work/$path" -- timeout -s KILL 300 "${threads[@]}"
    ok "report to $path: the program runs and ends" test "$status" = 0
    ok "report to $path: a line says why not" grep -q "^numatally: .*$path" "$work/err"
done
ok "the target of the links is as it was" grep -qx precious "$work/precious"
run NUMATALLY_CONF="report:/dev/full" -- timeout -s KILL 300 "${threads[@]}"
ok "report to /dev/full: the program runs" test "$status" = 0
ok "report to /dev/full: a line says why not" grep -q '^numatally: .*/dev/full' "$work/err"
run NUMATALLY_CONF="report:$work/report-%p.json" -- "${threads[@]}"
ok "a good report path" bash -c "ls $work/report-*.json"
ok "the report is for its owner only" \
    bash -c "test \"\$(stat -c %a $work/report-*.json)\" = 600"
run NUMATALLY_CONF=report:exit -- bash -c 'exec 2>&-; exec "$@"' bash "${threads[@]}"
ok "report to a closed stderr: the program runs" test "$status" = 0
finish
