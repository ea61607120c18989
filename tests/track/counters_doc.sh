#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# docs/counters.md and the lists of figures in the headers say the same: in each
# section the same names, units and sentences, in the same order.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-doc-XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/list.c" <<'C'
#include <stdio.h>
#include <numatally/profile.h>
#include "src/track/profile.h"
#include "src/track/report.h"
#define ROW(name, unit, label, text) printf("%s|%s|%c|%s\n", section, #name, unit, text);
int main(void)
{
    const char *section = "Nodes";
    NT_NODE_FIGURES(ROW)
    section = "Size classes";
    NT_CLASS_FIGURES(ROW)
    section = "The process";
    NT_PROCESS_FIGURES(ROW)
    section = "Pools";
    NT_POOL_FIGURES(ROW)
    section = "Tracked allocators";
    NT_TRACKED_FIGURES(ROW)
    section = "Threads";
    NT_THREAD_FIGURES(ROW)
    section = "Phases";
    NT_PHASE_FIGURES(ROW)
    section = "Ranks";
    NT_JOB_FIGURES(ROW)
    section = "Ranks, by node";
    NT_JOB_NODE_FIGURES(ROW)
    section = "Sites";
    NT_SITE_FIGURES(ROW)
    section = "Sizes";
    NT_SIZE_FIGURES(ROW)
    return 0;
}
C
cc -I"$NT_SOURCE" -I"$NT_SOURCE/include" -o "$work/list" "$work/list.c"
"$work/list" >"$work/headers"
awk -F ' *[|] *' '
/^## / { section = substr($0, 4) }
/^[|] `/ { gsub("`", "", $2); print section "|" $2 "|" $3 "|" $4 }
' "$NT_SOURCE/docs/counters.md" >"$work/manual"
if [ ! -s "$work/headers" ] || [ ! -s "$work/manual" ]; then
    echo "nothing to compare"
    exit 1
fi
if ! diff "$work/headers" "$work/manual"; then
    echo "docs/counters.md (>) differs from the headers (<)"
    exit 1
fi
# What the record holds beside the lists.
for key in program pid rank host start_unix_ns now_unix_ns page_bytes final inherited \
    fake_topology free_matrix history interval_ns points; do
    grep -q "\`$key\`" "$NT_SOURCE/docs/counters.md" || { echo "missing: $key"; exit 1; }
done
echo "$(wc -l <"$work/headers") figures agree"
