#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check:full: each misuse of small, middling and large blocks is stopped, with a message or by
# the page that cannot be touched, or comes to nothing; and what is right goes on as ever.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
full=NUMATALLY_CONF=check:full
abort=134 segv=139

# stops KIND SIZE TEXT, or with TEXT "-" by SIGSEGV
stops() {
    run $full -- "$programs/prog_guarded" "$1" "$2"
    if [ "$3" = - ]; then
        ok "$1 of $2 bytes: SIGSEGV" test "$status" = $segv
    else
        ok "$1 of $2 bytes: abort" test "$status" = $abort
        ok "$1 of $2 bytes: says why" grep -qE "^numatally: $3" "$work/err"
        ok "$1 of $2 bytes: one line" test "$(wc -l <"$work/err")" = 1
    fi
}
over='free: block that was written to beyond its end: 0x[0-9a-f]+ of SIZE bytes, at byte SIZE,'
for size in 24 1000 100000; do
    stops over-1 $size "${over//SIZE/$size}"
    stops over-8 $size "${over//SIZE/$size}"
    stops over-realloc $size "${over//SIZE/$size}"
    stops over-kept $size "at the end: block that was written to beyond its end: .*of $size bytes, at byte $size,"
    stops twice $size 'free\(0x[0-9a-f]+\): block that is already free'
    stops twice-later $size 'free\(0x[0-9a-f]+\): block that is already free'
    stops twice-threads $size 'free\(0x[0-9a-f]+\): block that is already free'
    stops inside $size 'free\(0x[0-9a-f]+\): address inside a block'
    stops late-realloc $size 'realloc\(0x[0-9a-f]+\): block that is already free'
    stops wrong-size $size "free_sized\(0x[0-9a-f]+\) with size $((size - 1)): block of another size"
    for kind in at-once-again old-contents right; do
        program "$kind of $size bytes" $full -- "$programs/prog_guarded" $kind $size
    done
done
for size in 24 1000; do
    stops over-page $size "${over//SIZE/$size}"
    stops late-write $size "malloc: block that was written to after it was freed: .*of $size bytes, at byte $((size / 2)),"
    stops late-write-end $size "at the end: block that was written to after it was freed: .*of $size bytes, at byte $((size - 1)),"
    program "in-order of $size bytes" $full -- "$programs/prog_guarded" in-order $size
    program "late-read of $size bytes" $full -- "$programs/prog_guarded" late-read $size
done
for kind in over-page late-write late-write-end late-read; do
    stops $kind 100000 -
done

# Of blocks that are sampled it is said where they were allocated and freed.
# functions WORD: those that the line with it names.
functions() {
    sed -n "s/^numatally: 0x[0-9a-f]* was $1 by //p" "$work/err" | tr '<' '\n' |
        sed -n 's/^ *prog_guarded+\(0x[0-9a-f]*\) *$/\1/p' |
        addr2line -f -e "$programs/prog_guarded" | grep -v / | tr '\n' ' '
}
for size in 24 1000 100000; do
    for kind in twice late-realloc; do
        run $full,sample:1 -- "$programs/prog_guarded" $kind $size
        ok "$kind of $size bytes, sampled: three lines" test "$(grep -c '^numatally' "$work/err")" = 3
        ok "$kind of $size bytes, sampled: where from" grep -qw main <<<"$(functions allocated)"
        ok "$kind of $size bytes, sampled: where freed" grep -qw "${kind/-/_}" <<<"$(functions freed)"
    done
    run $full,sample:1 -- "$programs/prog_guarded" over-1 $size
    ok "over-1 of $size bytes, sampled: where from" grep -qw main <<<"$(functions allocated)"
    ok "over-1 of $size bytes, sampled: it was not freed" test -z "$(functions freed)"
done

# What malloc promises holds as ever; but realloc always copies.
program "the contract" $full CONTRACT_COPIES=1 -- "$programs/prog_contract"
program "operator new" $full -- "$programs/prog_new"
program "operator new, replaced" $full -- "$programs/prog_new_replaced"
program "operator new, two nodes" $full NUMATALLY_TOPOLOGY=2x1 -- "$programs/prog_new"
program "fork" $full -- "$programs/prog_process" fork 20
program "clone" $full -- "$programs/prog_process" clone 20
program "threads" $full -- "$programs/prog_threads" overlapping

# Figures are those of the program's own calls, though freed blocks wait. (Both settings have
# the same length, and perl the same hashes.)
run NUMATALLY_CONF="check:full,report:$work/a.json" PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 -- perl -e \
    'my @a; for my $i (1 .. 20000) { push @a, "x" x ($i % 3000); $a[$i / 2] = ""; }'
ok "perl" test "$status" = 0
run NUMATALLY_CONF="check:on,report:$work/abc.json" PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 -- perl -e \
    'my @a; for my $i (1 .. 20000) { push @a, "x" x ($i % 3000); $a[$i / 2] = ""; }'
ok "figures" python3 - "$work/a.json" "$work/abc.json" <<'PY'
import json, sys
full, plain = [json.loads(open(name).readline())["total"] for name in sys.argv[1:]]
moved = plain["reallocs_in_place_total"]  # nothing stays in place with check:full
assert full["allocations_total"] == plain["allocations_total"] + moved, (full, plain)
assert full["frees_total"] == plain["frees_total"] + moved
assert full["live_blocks_now"] == plain["live_blocks_now"]
assert full["requested_bytes_total"] == (plain["requested_bytes_total"] +
                                         plain["realloc_requested_bytes_total"])
PY
# The profile has them as ever: malloc, realloc, calloc, aligned_alloc; no bytes are not sampled.
run NUMATALLY_CONF="check:full,sample:1,report:$work/full.json" -- "$programs/prog_guarded" right 1000
ok "right, sampled" test "$status" = 0
ok "profile" python3 - "$work/full.json" <<'PY'
import json, sys
profile = json.loads(open(sys.argv[1]).readline())["profile"]["total"]
assert profile["samples_total"] == profile["sampled_frees_total"] == 4, profile
assert profile["requested_bytes_total"] == 1000 + 3000 + 1000 + 3000
assert profile["live_samples_now"] == 0
PY
finish
