#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Misuse stops: each kind and size ends in SIGABRT with exactly one line that begins
# with "numatally:" and names the address. With check:off nothing is said and nobody is
# stopped, and what follows is sound.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

prog=$programs/prog_misuse
kinds=$("$prog" list) || { echo "$prog is not built"; exit 1; }
stopped=0 contained=0 harmed=0

one_line_with_address() {
    [ "$(grep -c '' "$work/err")" = 1 ] && grep -q '^numatally: ' "$work/err" &&
        grep -qF -- "$(head -n 1 "$work/out")" "$work/err"
}

for kind in $kinds; do
    for bytes in 40 100000 8000000; do
        run -- timeout -s KILL 20 "$prog" "$kind" "$bytes"
        case $status in
        134 | 135 | 139) stopped=$((stopped + 1)) ;;
        0) contained=$((contained + 1)) ;;
        *) harmed=$((harmed + 1)) ;;
        esac
        ok "$kind of $bytes is stopped" test "$status" = 134
        ok "$kind of $bytes is told in one line with the address" one_line_with_address

        run NUMATALLY_CONF=check:off -- timeout -s KILL 20 "$prog" "$kind" "$bytes"
        ok "$kind of $bytes with check:off is ignored" test "$status" = 0
        ok "$kind of $bytes with check:off says nothing" quiet
    done
done

# A hundred thousand good frees of every sort are no misuse.
program "no false alarm" -- "$programs/prog_contract"
echo "stopped $stopped, survived unharmed $contained, harmed $harmed"
finish
