#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The contract of the malloc family and of operator new, to the letter; again with the
# code for several nodes, and with the checks off.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

for settings in NUMATALLY_CONF= NUMATALLY_TOPOLOGY=2x1 NUMATALLY_CONF=check:off \
    NUMATALLY_CONF=hugepages:thp NUMATALLY_CONF=hugepages:hugetlb \
    NUMATALLY_CONF=return:0; do
    for prog in prog_contract prog_limits prog_new prog_new_replaced; do
        program "$prog, $settings" "$settings" -- "$programs/$prog"
        tail -n 1 "$work/out"
    done
done
finish
