#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tests/stress/stress.c on malloc and its family: random sizes, threads that come and
# go, blocks freed by others, every byte checked.
. "$(dirname "$0")/lib.bash"
need "${CC:-cc}"

"${CC:-cc}" -std=c17 -D_GNU_SOURCE -DSTRESS_SYSTEM -O1 -fno-builtin \
    "$source_dir/tests/stress/stress.c" -o "$work/stress" -pthread ||
    skip "the stress program cannot be compiled here"

# Who gets which block from the exchange, and so how many there are, is chance.
program() {
    run "$work/stress" 1 6 10 4000 300000 | tr -d 0-9
}

compare
used 1 'stress=1:61' # 6 threads in each of 10 rounds, and the first
finish
