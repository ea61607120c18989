#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of docs/phases.md: they compile without a warning, and the first prints what
# stands there.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE LD_PRELOAD

# The blocks of their sections: a program, then perhaps what it prints.
awk -v folder="$work" '
/^## / {
    name = /An example$/ ? "/example" : /not linked/ ? "/weak" : ""
}
name != "" && /^```/ {
    open = !open
    if (open)
        out = folder name (/c$/ ? ".c" : ".out")
    next
}
name != "" && open { print > out }' "$NT_SOURCE/docs/phases.md"
"${CC:-cc}" -std=c17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" -o "$work/example" \
    "$work/example.c" -L"$NT_BUILD" -lnumatally
export LD_LIBRARY_PATH=$NT_BUILD
"$work/example" >"$work/printed"
diff "$work/example.out" "$work/printed"
# Under libnumatally_malloc.so there is one heap, and its report has the phases.
LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=report:$work/report.txt \
    "$work/example" >/dev/null
grep -q '^assembly  *3  ' "$work/report.txt"

"${CC:-cc}" -std=c17 -Wall -Wextra -Werror -o "$work/weak" "$work/weak.c"
"$work/weak"
LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=report:$work/weak.txt "$work/weak"
grep -q '^set-up  *1 ' "$work/weak.txt"
grep -q '^work (runs)  *1 ' "$work/weak.txt"
echo "ok"
