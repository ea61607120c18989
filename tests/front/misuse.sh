#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Misuse stops: each kind and size ends in SIGABRT with exactly one line that begins
# with "numatally:" and names the kind and the address. With check:off nothing is said and nobody is
# stopped, and what follows is sound.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

prog=$programs/prog_misuse
kinds=$("$prog" list) || { echo "$prog is not built"; exit 1; }
stopped=0 contained=0 harmed=0

# shellcheck disable=SC2317  # called through ok
one_line_with_address() {
    [ "$(grep -c '' "$work/err")" = 1 ] && grep -q '^numatally: ' "$work/err" &&
        grep -qF -- "$(head -n 1 "$work/out")" "$work/err"
}

# What the line must say of this kind.
words_for() {
    case $1 in
    double_free* | realloc_of* | realloc_smaller* | usable*) echo 'already free|freed before' ;;
    interior* | unaligned) echo 'inside a block' ;;
    size_* | wrong_*) echo 'of another size' ;;
    before_block | never_*) echo 'inside a block|no block is in use|not from this heap' ;;
    *) echo 'not from this heap' ;;
    esac
}

for kind in $kinds; do
    for bytes in 40 100000 8000000; do
        run -- timeout -s KILL 300 "$prog" "$kind" "$bytes"
        case $status in
        134 | 135 | 139) stopped=$((stopped + 1)) ;;
        0) contained=$((contained + 1)) ;;
        *) harmed=$((harmed + 1)) ;;
        esac
        ok "$kind of $bytes is stopped" test "$status" = 134
        ok "$kind of $bytes is told in one line with the address" one_line_with_address
        ok "$kind of $bytes is called by its name" \
            grep -qE "$(words_for "$kind")" "$work/err"

        run NUMATALLY_CONF=check:off -- timeout -s KILL 300 "$prog" "$kind" "$bytes"
        ok "$kind of $bytes with check:off is ignored" test "$status" = 0
        ok "$kind of $bytes with check:off says nothing" quiet
    done
done

# A hundred thousand good frees of every sort are no misuse.
program "no false alarm" -- "$programs/prog_contract"
echo "stopped $stopped, survived unharmed $contained, harmed $harmed"
finish
