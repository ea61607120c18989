#!/bin/bash
# SPDX-License-Identifier: MIT
#
# New processes at any moment while four threads allocate. NT_LONG=1: ten thousand forks with
# handlers that allocate, and ten times as many of all else.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

more=1
[ "${NT_LONG:-0}${NT_FEW:-}" = 1 ] && more=10
handlers=$((more > 1 ? 10000 : 50))
for way in fork:200 fork-chain:20 fork-in-thread:50 _Fork:100 clone:100 vfork:50 \
    posix_spawn:50 system:20; do
    program "${way%:*}" -- "$programs/prog_process" "${way%:*}" $((${way#*:} * more))
done
program fork-with-handlers -- "$programs/prog_process" fork-with-handlers $handlers

# The same with two nodes' worth of arenas, and with the checks off.
program "fork, two nodes" NUMATALLY_TOPOLOGY=2x1 -- "$programs/prog_process" fork 30
program "clone, check:off" NUMATALLY_CONF=check:off -- "$programs/prog_process" clone 30
finish
