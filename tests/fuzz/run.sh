#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh TARGET CORPUS OPTION...: a fuzz target of the preset fuzz, from a corpus on; one
# line at the end says how it went. With NT_FUZZ_KEEP=FOLDER what it learns and what crashes it
# is kept there, else only the crash is shown. NT_LONG=1: a minute, and other inputs each time.
set -u
target=$1 corpus=$2 name=$(basename "$1")
shift 2
keep=${NT_FUZZ_KEEP:-$(mktemp -d)}
[ -n "${NT_FUZZ_KEEP-}" ] || trap 'rm -rf "$keep"' EXIT
mkdir -p "$keep/corpus/$name" "$keep/crashes" "$keep/log"
log=$keep/log/$name
if [ "${NT_LONG:-0}" = 1 ]; then
    set -- "$@" -runs=-1 -max_total_time=60 -seed=0
fi
# Inputs grow at once: those of the corpus are as long as they need be.
nice "$target" -len_control=0 -timeout=120 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$keep/crashes/$name-" "$@" "$keep/corpus/$name" "$corpus" >"$log" 2>&1
status=$?
awk -v name="$name" -v status=$status '
    { for (i = 1; i < NF; i++) if ($i == "cov:") { edges = $(i + 1) } }
    /^stat::number_of_executed_units:/ { runs = $2 }
    /^stat::new_units_added:/ { new = $2 }
    END { printf "%-10s %8d executions, %5d edges, %4d inputs new: %s\n", name, runs, edges,
        new, status == 0 ? "no crash" : "CRASHED" }' "$log"
if [ $status != 0 ]; then
    grep -vE '(NEW|REDUCE|pulse|RELOAD) |# Uses:' "$log" | tail -n 60
    base64 "$keep/crashes/$name"-* 2>/dev/null | head -n 100
    exit 1 # its own is 77, which is a skip here
fi >&2
