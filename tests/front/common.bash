# SPDX-License-Identifier: MIT
#
# What the front's scripts share. They run plain programs under the library, or, with
# NT_PRELOAD=FILE, under another allocator ("none": glibc's), to see what that does.
set -u
source_dir=${NT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
build_dir=${NT_BUILD:-$source_dir/build/release}
programs=${NT_PROGRAMS:-$build_dir/tests/front}
preload=${NT_PRELOAD:-$build_dir/libnumatally_malloc.so}
[ "$preload" = none ] && preload=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
passed=0
failed=0

if [ "$preload" = "$build_dir/libnumatally_malloc.so" ] && [ ! -e "$preload" ]; then
    echo "$preload is not built: build the preset first"
    exit 1
fi

# run [NAME=VALUE...] -- COMMAND ARGS: under the library; output in $work/out and
# $work/err, the exit status in $status (128 + signal).
run() {
    local settings=()
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    shift
    status=0
    # bash itself reports signals on stderr; that goes nowhere.
    { env -u NUMATALLY_CONF ${settings[@]+"${settings[@]}"} LD_PRELOAD="$preload" "$@" \
        >"$work/out" 2>"$work/err" </dev/null || status=$?; } 2>/dev/null
}

# ok WHAT TEST...: count whether TEST (a command) holds; show the last run if not.
ok() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAIL $what (status ${status:-none}; wanted: $*)"
    for stream in out err; do
        [ -s "$work/$stream" ] && tail -n 12 "$work/$stream" | sed "s/^/    $stream: /"
    done
    return 0
}

# program WHAT [NAME=VALUE...] -- COMMAND: run it; it must succeed and say nothing of ours.
program() {
    local what=$1
    shift
    run "$@"
    if [ -n "${NT_PRELOAD:-}" ]; then
        ok "$what, in silence" test "$status$(head -c 1 "$work/err")" = 0
        return
    fi
    ok "$what" test "$status" = 0
    ok "$what: nothing from the library on stderr" quiet
}

quiet() {
    ! grep -q '^numatally' "$work/err"
}

skip() {
    echo "skipped: $*"
    exit 77
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}
