#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The example of docs/phases.md: it compiles without a warning, and prints what stands there.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE LD_PRELOAD

# The blocks of its section: the program, then what it prints.
awk -v folder="$work" '
/^## / { inside = $0 == "## An example" }
inside && /^```/ {
    open = !open
    if (open)
        out = folder (/c$/ ? "/example.c" : "/expected")
    next
}
inside && open { print > out }' "$NT_SOURCE/docs/phases.md"
"${CC:-cc}" -std=c17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" -o "$work/example" \
    "$work/example.c" -L"$NT_BUILD" -lnumatally
export LD_LIBRARY_PATH=$NT_BUILD
"$work/example" >"$work/printed"
diff "$work/expected" "$work/printed"
# Under libnumatally_malloc.so there is one heap, and its report has the phases.
LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=report:$work/report.txt \
    "$work/example" >/dev/null
grep -q '^assembly  *3  ' "$work/report.txt"
echo "ok"
