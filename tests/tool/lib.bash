# SPDX-License-Identifier: MIT
#
# Read by the scripts here: the tool's path, a folder of the test's own, and checks
# that say what was expected. A script ends with 1 at the first check that fails.
set -uo pipefail

: "${NT_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
tool=$NT_BUILD/numatally
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_RUN LD_PRELOAD
unset PMIX_RANK PMI_RANK OMPI_COMM_WORLD_RANK SLURM_PROCID

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED (line ${BASH_LINENO[0]}, called from ${BASH_LINENO[1]:-0}): $*" >&2
    for f in "$work/out" "$work/err"; do
        [ -s "$f" ] && { echo "--- ${f##*/}:" >&2 && head -c 3000 "$f" >&2; }
    done
    exit 1
}

[ -x "$tool" ] || skip "the tool is not built: $tool"
[ -e "$NT_BUILD/libnumatally_malloc.so" ] || skip "libnumatally_malloc.so is not built"
# The interpreter itself: what is found in PATH may be a script around it.
python=$(python3 -c 'import sys; print(sys.executable)') || skip "there is no python3"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-tool-XXXXXX")
trap 'rm -rf "$work"' EXIT
# Live folders go where the test can see that they are removed.
export XDG_RUNTIME_DIR=$work/runtime
mkdir "$XDG_RUNTIME_DIR"

# try STATUS COMMAND...: run it; its output is in $work/out, its stderr in $work/err.
try() {
    local want=$1 got
    shift
    "$@" >"$work/out" 2>"$work/err"
    got=$?
    [ "$got" = "$want" ] || fail "status $got instead of $want: $*"
    [ -z "$(ls -A "$XDG_RUNTIME_DIR")" ] || fail "left behind: $(ls -A "$XDG_RUNTIME_DIR")"
}

# out and err: what the last try printed must match this extended regular expression.
out() { grep -qE -- "$1" "$work/out" || fail "standard output has no \"$1\""; }
err() { grep -qE -- "$1" "$work/err" || fail "stderr has no \"$1\""; }
no_err() { ! grep -qE -- "$1" "$work/err" || fail "stderr has \"$1\""; }

# json FILE PYTHON: an expression over r, the list of records in FILE.
json() {
    python3 - "$1" "$2" <<'PY' || fail "$1: not true: $2"
import json, sys
r = [json.loads(line) for line in open(sys.argv[1])]
if not eval(sys.argv[2]):
    print(json.dumps(r)[:2000], file=sys.stderr)
    sys.exit(1)
PY
}
