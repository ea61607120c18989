#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The binary interface of libnumatally.so is the recorded one, docs/libnumatally.abi: a program
# built with an older header goes on. Who changes it on purpose records it anew, in the same
# commit: tests/abi.sh record. What libnumatally_malloc.so has besides is libc's (symbols.sh).
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
recorded=$source_dir/docs/libnumatally.abi
now=$(mktemp)
trap 'rm -f "$now"' EXIT
readelf -S "$build/libnumatally.so" | grep debug_info >/dev/null || { echo "built without -g"; exit 1; }
abidw --exported-interfaces-only --headers-dir "$source_dir/include" --drop-private-types \
    --no-architecture --no-elf-needed --no-corpus-path --no-comp-dir-path --no-show-locs \
    --no-parameter-names "$build/libnumatally.so" >"$now"
# Where it was built is no part of it.
sed -i -E "s,path='/[^']*/(src|numa|pools|include)/,path='\1/," "$now"
if [ "${1:-}" = record ]; then
    cp "$now" "$recorded"
    exit
fi
status=0
abidiff "$recorded" "$now" || status=$?
[ "$status" = 0 ] ||
    { echo "the interface is another (abidiff: $status). If on purpose: tests/abi.sh record"; exit 1; }
