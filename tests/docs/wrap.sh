#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of docs/wrap.md: their text is that of the files in docs/examples, they compile
# without a warning, and print what stands there, whosever malloc is below. Under
# libnumatally_malloc.so there is one heap, and its report has the tracked allocators.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_TOPOLOGY LD_PRELOAD
export LD_LIBRARY_PATH=$NT_BUILD

# Below the name of a file: the program, then what it prints.
awk -v folder="$work" '
/^`docs\/examples\/.*\.c`:$/ {
    name = $0
    gsub(/^`docs\/examples\/|\.c`:$/, "", name)
}
/^## / { name = "" }
name != "" && /^```/ {
    open = !open
    if (open)
        out = folder "/" name (/c$/ ? ".c" : ".out")
    next
}
name != "" && open { print > out }' "$NT_SOURCE/docs/wrap.md"

for name in printing recycling node_bound; do
    file=$NT_SOURCE/docs/examples/$name.c
    diff "$file" "$work/$name.c"
    "${CC:-cc}" -std=c17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" -o "$work/$name" \
        "$file" -L"$NT_BUILD" -lnumatally
    "$work/$name" >"$work/printed"
    diff "$work/$name.out" "$work/printed"
    LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so "$work/$name" >"$work/printed"
    diff "$work/$name.out" "$work/printed"
    NUMATALLY_TOPOLOGY=2x1 "$work/$name" >"$work/printed"
    diff "$work/$name.out" "$work/printed"
done

# One that does not release, and one that is killed a second after it was done with the rest:
# what a report and a live file say.
sed 's/return nt_tracked_release.*/return 0;/' "$work/printing.c" >"$work/left.c"
sed 's/return nt_tracked_release.*/for (int i = 0; i < 50; i++) {\
        usleep(20000);\
        a.free(a.context, a.malloc(a.context, 1));\
    }\
    return raise(9);/
    1i #define _DEFAULT_SOURCE\n#include <signal.h>\n#include <unistd.h>' \
    "$work/printing.c" >"$work/killed.c"
for name in left killed; do
    "${CC:-cc}" -std=c17 -I"$NT_SOURCE/include" -o "$work/$name" "$work/$name.c" \
        -L"$NT_BUILD" -lnumatally
done
row='^printing  *5  *12.00  *0  *5  *12.00  *0  *0.00  *12.00  *0  *0$'
NUMATALLY_CONF=report:$work/own.txt "$work/left" >/dev/null
grep -A 2 '^Tracked allocators' "$work/own.txt" | grep -q "$row"
NUMATALLY_CONF=report:$work/own.json "$work/left" >/dev/null
"$NT_BUILD/numatally" report "$work/own.json" | grep -q "$row"
LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=report:$work/one.txt \
    "$work/left" >/dev/null
grep -q "$row" "$work/one.txt"
grep -q '^Tracked  *1$' "$work/one.txt"
# In a shell of its own, as the tool dies of what its program died of.
bash -c '"$@" >/dev/null 2>&1; exit $?' - \
    "$NT_BUILD/numatally" run --report "$work/killed.txt" -- "$work/killed" 2>/dev/null || true
grep -q '^printing  *[1-5][0-9]  *12.00  *0 ' "$work/killed.txt"
echo "ok"
