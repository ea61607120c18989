#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A tracked allocator's counts against valgrind's heap summary of the same process: what a
# program with a hundred thousand tracked calls has more than the same program with none must
# be what was counted, to the last block and byte; and so must what is in use at its end.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v valgrind >/dev/null || { echo "skip: valgrind is not installed"; exit 77; }
unset NUMATALLY_CONF NUMATALLY_CONF_FILE LD_PRELOAD
export LD_LIBRARY_PATH=$build

"${CC:-cc}" -std=c17 -O1 -fno-builtin -Wall -Wextra -Werror -I"$source_dir/include" \
    -o "$work/tracked" "$source_dir/tests/oracle/tracked.c" -L"$build" -lnumatally

# "ALLOCATIONS FREES BYTES BLOCKS_AT_EXIT BYTES_AT_EXIT" by valgrind; the program's own line
# is left in $work/own.
summary() { # CALLS
    LC_ALL=C valgrind --log-file="$work/log" "$work/tracked" "$1" >"$work/own"
    tr -d , <"$work/log" | awk '
        / in use at exit: / { bytes = $6; blocks = $9 }
        / total heap usage: / { print $5, $7, $9, blocks, bytes }'
}

read -r allocs0 frees0 bytes0 blocks0 live0 < <(summary 0)
counts=(1 1000 100000)
[ "${NT_LONG:-0}" = 1 ] && counts+=(1000000)
for calls in "${counts[@]}"; do
    read -r allocs frees bytes blocks live < <(summary "$calls")
    difference="$((allocs - allocs0)) $((frees - frees0)) $((bytes - bytes0))"
    difference+=" $((blocks - blocks0)) $((live - live0))"
    if [ "$difference" != "$(cat "$work/own")" ]; then
        echo "$calls calls: valgrind has $difference, the library $(cat "$work/own")"
        exit 1
    fi
    echo "$calls calls: $difference"
done
