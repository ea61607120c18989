#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# On a machine with one node, as this one must be, the library makes no call that has to
# do with nodes (tests/lab/calls.sh does the counting).
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build_dir=${NT_BUILD:-$source_dir/build/release}
nodes=(/sys/devices/system/node/node[0-9]*)
if [ ${#nodes[@]} -gt 1 ]; then
    echo "skipped: this machine has ${#nodes[@]} nodes"
    exit 77
fi
PATH=$build_dir/tests/lab:$PATH NT_PRELOAD=$build_dir/libnumatally_malloc.so \
    exec sh "$source_dir/tests/lab/calls.sh" none
