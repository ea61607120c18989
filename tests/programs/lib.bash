# SPDX-License-Identifier: MIT
#
# What the scripts beside this have in common: run a real program as it is, run it
# again under `numatally run --children`, and compare. Those of tests/guests have sides of
# their own: see lib.bash there.
#
# A script makes its input in $inputs, says in a function `program` what is to be run,
# in an empty folder, each command that is to be watched behind the word `run`, and
# then calls
#     compare            output, messages and exit status are the same on both sides
#     used N WHAT...     the records of the N-th `run`: see records.py
#     finish
#
# NT_PRELOAD=LIBRARY puts another allocator in our place: to learn whether a
# difference is this library's doing. There are no records then, and the result is a
# skip.
set -u
source_dir=${NT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
tool=$build/numatally
python=/usr/bin/python3 # Debian's, whatever else comes first in PATH
work=$(mktemp -d)
inputs=$work/inputs
failed=0
mkdir "$inputs"
unset LD_PRELOAD NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_RUN
export LC_ALL=C.UTF-8 HOME="$work" TMPDIR="$work"

at_exit() { :; }
trap 'at_exit; rm -rf "$work"' EXIT

skip() {
    echo "skip: $*"
    exit 77
}

fail() {
    echo "FAILED: $*"
    failed=1
}

need() {
    local name
    for name in "$python" "$@"; do
        command -v "$name" >/dev/null || skip "$name is not installed"
    done
    [ -n "${NT_PRELOAD-}" ] || [ -x "$tool" ] ||
        skip "there is no $tool: build it, or name the build folder in NT_BUILD"
}

run() {
    if [ "$side" = plain ]; then
        "$@"
    elif [ -n "${NT_PRELOAD-}" ]; then
        env LD_PRELOAD="$NT_PRELOAD" "$@"
    else
        runs=$((runs + 1))
        "$tool" run --children --sample "${NT_SAMPLE:-off}" --format json --report "$work/report.$runs" -- "$@"
    fi
}

# What a side printed, less what `numatally run` itself had to say.
said() {
    case $1 in
    ours.*) sed '/^numatally: /d' "$work/$1" ;;
    *) cat "$work/$1" ;;
    esac
}

compare() {
    for side in plain "${@:-ours}"; do
        runs=0
        rm -rf "$work/run"
        mkdir "$work/run"
        (
            cd "$work/run" || exit 1
            program
        ) >"$work/$side.out" 2>"$work/$side.err" </dev/null
        echo "exit status $?" >>"$work/$side.out"
    done
    [ -s "$work/plain.out" ] || fail "the program printed nothing"
    local stream
    for side in "${@:-ours}"; do
        for stream in out err; do
            if ! diff <(said plain.$stream) <(said "$side.$stream") >"$work/difference"; then
                fail "$side: std$stream differs (<: without the library, >: with it)"
                head -40 "$work/difference"
            fi
        done
    done
    if ! grep -q '^exit status 0$' "$work/plain.out"; then
        fail "the program itself did not work"
        tail -n 20 "$work/plain.out"; tail -n 20 "$work/plain.err"
    fi
}

used() {
    local n=$1
    shift
    [ -z "${NT_PRELOAD-}" ] || return
    "$python" "$source_dir/tests/programs/records.py" "$work/report.$n" "$@" || {
        failed=1
        grep '^numatally: ' "$work/ours.err"
    }
}

finish() {
    [ "$failed" = 0 ] || exit 1
    [ -z "${NT_PRELOAD-}" ] || skip "same output with $NT_PRELOAD; no records of it"
    exit 0
}
