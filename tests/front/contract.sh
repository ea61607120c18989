#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The contract of the malloc family and of operator new, to the letter; again with the
# code for several nodes, with the checks off, and with other pages. NT_FEW=1: the first two, memory's end for the first only.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

all=(NUMATALLY_CONF= NUMATALLY_TOPOLOGY=2x1 NUMATALLY_CONF=check:off
    NUMATALLY_CONF=hugepages:thp NUMATALLY_CONF=hugepages:hugetlb NUMATALLY_CONF=return:0)
[ -z "${NT_FEW:-}" ] || all=("${all[@]:0:2}")
for settings in "${all[@]}"; do
    for prog in prog_contract prog_limits prog_new prog_new_replaced; do
        [ "${NT_FEW:-}$prog$settings" != 1prog_limitsNUMATALLY_TOPOLOGY=2x1 ] || continue
        program "$prog, $settings" "$settings" -- "$programs/$prog"
        tail -n 1 "$work/out"
    done
done
finish
