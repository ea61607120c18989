#!/bin/bash
# SPDX-License-Identifier: MIT
#
# _exit and _Exit: the last word is said, the status kept, nothing hangs; and children in
# their parent's memory say nothing.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
prog=$programs/prog_exit

# reports N: so many reports there are, each whole and final, one for each process.
# shellcheck disable=SC2317  # called by ok
reports() {
    python3 - "$1" "$work"/r/*.json <<'PY'
import json, sys
records = [json.load(open(path)) for path in sys.argv[2:]]
ok = (len(records) == int(sys.argv[1]) and all(r["final"] for r in records)
      and len({r["pid"] for r in records}) == len(records)
      and all(r["total"]["allocations_total"] > 0 for r in records))
sys.exit(not ok)
PY
}

# ends WAY ROUNDS STATUS REPORTS
ends() {
    rm -rf "$work/r" && mkdir "$work/r"
    run NUMATALLY_CONF="report:$work/r/%p.json,live:$work/r" -- "$prog" "$1" "$2"
    ok "$1: status" test "$status" = "$3"
    ok "$1: $4 final reports" reports "$4"
    # Each child sweeps what the one before it left.
    ok "$1: live files" test "$(find "$work/r" -name '*.live' | wc -l)" = $(($4 > 1 ? 2 : 1))
}

for way in plain _Exit thread handler; do
    ends $way 1 5 1
done
ends fork 20 0 21
ends _Fork 20 0 21
ends vfork 200 0 1
ends clone 200 0 1

# A handler may come while the figures are read: then there is no last word. It is the
# hang that matters; some rounds have a report all the same.
rm -rf "$work/r" && mkdir "$work/r"
run NUMATALLY_CONF="report:$work/r/%p.json,live:$work/r" -- "$prog" storm 100
ok "storm: every child ended in its handler" test "$status" = 0
ok "storm: last words" test "$(find "$work/r" -name '*.json' | wc -l)" -gt 0
run -- "$prog" storm 100
ok "storm without settings" test "$status" = 0
run NUMATALLY_CONF="report:$work/r/%p.json,live:$work/r" -- "$prog" births 100
ok "births: every child ended in its handler" test "$status" = 0
for way in plain vfork storm; do
    run -- "$prog" "$way" 10
    ok "$way: nothing from the library on stderr" quiet
done

# What ends every command of dash.
rm -rf "$work/r" && mkdir "$work/r"
run NUMATALLY_CONF="report:$work/r/%p.json" -- sh -c '(:); (exit 3); exit 9'
ok "sh: status" test "$status" = 9
ok "sh: one report for each shell" reports 3
finish
