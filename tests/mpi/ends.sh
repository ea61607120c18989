#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# One of four ranks ends as it should not: the job ends as it does without us, and the
# one report names the rank, says how it ended, and has the figures of all four.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
cd "$work" || exit
ulimit -c 0

# How rank 1 of prog_ranks.c ends, and how that is said.
declare -A said=([abort]="signalled 6" [mpi_abort]="aborted 7" [kill]="signalled 9"
    [segv]="signalled 11" [exit]="exited 5" [_exit]="exited 6" [skip]="unfinalized 0"
    [after]="signalled 11" [term]="signalled 6")

for mpi in "${mpis[@]}"; do
    compile ranks "$mpi" || fail "prog_ranks.c cannot be compiled for $mpi"
    for how in abort mpi_abort kill segv exit _exit skip after term; do
        ranks "$mpi" 4 "$work/ranks.$mpi" $how >plain.out 2>plain.err
        want=$?
        rm -f job.json
        ranks "$mpi" 4 "$tool" run --report job.json -- "$work/ranks.$mpi" $how >out 2>err
        got=$?
        # Hydra's status is that of whom it saw first among those that it killed itself;
        # without us, too, it is now this and now that.
        if [ "$mpi" = openmpi ]; then
            [ $got = $want ] || fail "$how under $mpi: status $got instead of $want"
        elif [ $how != skip ]; then
            [ $got != 0 ] || fail "$how under $mpi: status 0"
        fi
        # Hydra's own words stand behind it, with numbers of processes.
        cmp -s <(sed '/^$/,$d' out) <(sed '/^$/,$d' plain.out) || fail "$how under $mpi: other output"
        ! grep -q '^numatally' err || fail "$how under $mpi: something was said"
        [ -z "$(ls -A "$XDG_RUNTIME_DIR")" ] || fail "$how under $mpi left $(ls -A "$XDG_RUNTIME_DIR")"
        [ -s job.json ] || fail "$how under $mpi: no report"
        read -r end code <<<"${said[$how]}"
        python3 - job.json "$NT_SOURCE/docs/record.schema.json" <<'PY' || fail "$how under $mpi: not by the schema"
import json, sys
import jsonschema
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))
PY
        # The others are known by their figures, however they were ended.
        job job.json "len(row) == 4 and j['job']['ranks'] == 4 and
            row[1]['end'] == '$end' and row[1]['code'] == $code and
            all((row[i]['end'], row[i]['code']) != ('$end', $code) for i in (0, 2, 3)) and
            all(x['allocations_total'] > 0 and x['pid'] > 1 for x in row.values()) and
            j['total']['allocations_total'] == sum(x['allocations_total'] for x in row.values())"
        rm -f text
        ranks "$mpi" 4 "$tool" run --report text -- "$work/ranks.$mpi" $how >out 2>err
        grep -qE 'rank 1\b' text || fail "$how under $mpi: the text does not name rank 1"
        printf '%s under %s: %s %s\n' $how "$mpi" "$end" "$code"
    done
done

# A rank whose wrapper is killed: its program's figures are there.
for mpi in "${mpis[@]}"; do
    [ "$mpi" = openmpi ] || continue # Hydra kills the others before they can say anything
    rm -f job.json
    # shellcheck disable=SC2016  # for the inner shell
    ranks "$mpi" 4 "$tool" run --report job.json -- sh -c '
        if [ "$OMPI_COMM_WORLD_RANK" = 2 ]; then
            sleep 0.3; kill -KILL $PPID; sleep 30
        else
            exec "$1" mpi_abort 5 # nobody: they wait for rank 2
        fi' - "$work/ranks.$mpi" >out 2>err
    job job.json "row[2]['end'] in ('running', 'ended') and len(row) == 4"
done
echo ok
