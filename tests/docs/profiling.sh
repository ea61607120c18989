#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of docs/profiling.md: the first gives a report like the one there, with its
# sites on the lines that allocate; the second prints what stands there.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE LD_PRELOAD

# The blocks of their sections: a program, then what it prints.
awk -v folder="$work" '
/^## / {
    name = /What it shows$/ ? "/prof" : /From inside$/ ? "/inside" : ""
    calls = 0
}
name != "" && /^```/ {
    open = !open
    c = /c$/
    out = ""
    next
}
# A program begins with what it includes; declarations do not.
name != "" && open && out == "" {
    out = folder name (!c ? ".out" : /^#include/ ? ".c" : ".h")
}
name != "" && open { print > out }' "$NT_SOURCE/docs/profiling.md"

"${CC:-cc}" -std=c17 -Wall -Wextra -Werror -O2 -g -fno-builtin -o "$work/prof" "$work/prof.c"
"$NT_BUILD/numatally" run --sample 64K -r "$work/prof.json" -- "$work/prof"
"$NT_BUILD/numatally" report "$work/prof.json" >"$work/report"
for line in 'Sampled: one block for each 65536 bytes asked for, on average' \
    'Samples that were freed, by how long they lived:' 'At peak, MiB' 'all  '; do
    grep -q -- "^ *$line" "$work/report" || {
        echo "no \"$line\" in the report" && exit 1
    }
    grep -q -- "^ *$line" "$work/prof.out"
done
# The function on top of site 1, and of site 2, with its line, there and here.
top() {
    awk -v site="$1" '$1 == site && NF > 5 { getline; sub(/\(.*\//, "("); print; exit }' "$2"
}
for site in 1 2; do
    [ "$(top $site "$work/report")" = "$(top $site "$work/prof.out")" ]
done
[ "$(top 1 "$work/report")" = "    assemble (prof.c:8)" ]
[ "$(top 2 "$work/report")" = "    solve (prof.c:14)" ]

"${CC:-cc}" -std=c17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" -o "$work/inside" \
    "$work/inside.c" -L"$NT_BUILD" -lnumatally
export LD_LIBRARY_PATH=$NT_BUILD
"$work/inside" >"$work/printed"
diff "$work/inside.out" "$work/printed"
echo "ok"
