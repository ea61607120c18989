#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The manners of every verb that numatally --help names: manners.py says which.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
"$python" "$NT_SOURCE/tests/tool/manners.py" "$tool" "$NT_SOURCE" || fail "see above"

# JSON where there is something to print.
try 0 "$tool" run --format json --report "$work/record.json" -- ls /
try 0 "$tool" report --format json "$work/record.json"
json "$work/out" 'len(r) == 1'
try 0 "$tool" report --findings --format json "$work/record.json"
json "$work/out" 'len(r) == 1'
try 0 "$tool" topo --json
json "$work/out" 'r[0]["format"] == "numatally-topo"'
"$tool" doctor --json >"$work/out"
json "$work/out" 'r[0]["format"] == "numatally-doctor"'
echo "ok"
