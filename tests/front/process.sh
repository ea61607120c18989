#!/bin/bash
# SPDX-License-Identifier: MIT
#
# New processes at any moment while four threads allocate.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

for way in fork:200 fork-chain:20 fork-in-thread:50 fork-with-handlers:50 _Fork:100 \
    clone:100 vfork:50 posix_spawn:50 system:20; do
    program "${way%:*}" -- "$programs/prog_process" "${way%:*}" "${way#*:}"
done

# The same with two nodes' worth of arenas, and with the checks off.
program "fork, two nodes" NUMATALLY_TOPOLOGY=2x1 -- "$programs/prog_process" fork 30
program "clone, check:off" NUMATALLY_CONF=check:off -- "$programs/prog_process" clone 30
finish
