#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Threads by the ten thousand, their ends, and the end of the process. NT_LONG=1: many more.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

for part in short overlapping gone ending destructors cancel no-point stacks signals many \
    after-main; do
    prog=prog_threads
    [[ $part = cancel || $part = no-point ]] && prog=prog_cancel
    run -- "$programs/$prog" "$part"
    if [ "$status" = 77 ]; then
        cat "$work/out"
        continue
    fi
    ok "$part" test "$status" = 0
    ok "$part: nothing from the library on stderr" quiet
    grep ' at once$' "$work/out"
done
ok "destructors ran after main" grep -q '^after main$' "$work/out"
program "no-point, watched" \
    "NUMATALLY_CONF=report:every=10ms;$work/%p.csv,live:$work,return:1" -- \
    "$programs/prog_cancel" no-point
program "overlapping, two nodes" NUMATALLY_TOPOLOGY=2x1 -- "$programs/prog_threads" overlapping
program "ending, two nodes" NUMATALLY_TOPOLOGY=2x1 -- "$programs/prog_threads" ending
finish
