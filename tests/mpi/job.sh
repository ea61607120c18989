#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# One report of a whole job, made in MPI_Finalize: C and Fortran by mpif.h, by the module
# mpi and by mpi_f08, under Open MPI and MPICH, and LAMMPS. Its sums are those of the
# ranks' own records, figure by figure, and the program prints what it prints without us.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit

cat >in.melt <<'END'
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 8 0 8 0 8
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 3.0 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify every 20 delay 0 check no
fix 1 all nve
thermo 50
run 100
END

# What differs from run to run anyway: times.
said() { grep -vE 'Loop time|Performance|CPU use|CPU =|Total wall|^(Pair|Neigh|Comm|Output|Modify|Other) ' "$work/out"; }

# check NAME MPI COMMAND...
check() {
    local name=$1 mpi=$2
    shift 2
    try 0 ranks "$mpi" 4 "$@"
    said >plain
    [ -s plain ] || fail "$* prints nothing"
    # Under numatally run, and each rank's record of the very same moment.
    rm -f ./*.json
    NUMATALLY_CONF=report:$work/rank-%r.json \
        try 0 ranks "$mpi" 4 "$tool" run --report job.json -- "$@"
    said | cmp -s - plain || fail "$name prints something else under numatally run"
    no_err numatally
    job job.json 'j["job"]["ranks"] == 4 and len(row) == 4 and
        all(x["end"] == "finalized" and x["processes"] == 1 for x in row.values())'
    python3 "$here/sums.py" job.json rank-?.json >"$work/out" || fail "$name: $(cat "$work/out")"
    printf '%s under %s: %s\n' "$name" "$mpi" "$(cat "$work/out")"
    # The libraries alone: the setting's report is the job's.
    rm -f ./*.json
    try 0 ranks "$mpi" 4 "LD_PRELOAD=$preload" NUMATALLY_CONF=report:job.json "$@"
    said | cmp -s - plain || fail "$name prints something else with the libraries"
    job job.json 'len(row) == 4 and all(x["end"] == "finalized" for x in row.values()) and
        j["total"]["frees_total"] == sum(x["frees_total"] for x in row.values())'
    [ "$(echo ./*.json)" = ./job.json ] || fail "more files: $(echo ./*.json)"
}

for mpi in "${mpis[@]}"; do
    for name in ranks mpif usempi f08; do
        if compile $name "$mpi"; then
            check $name "$mpi" "$work/$name.$mpi"
        elif [ $name = f08 ]; then
            echo "$mpi has no module mpi_f08 for this compiler"
        else
            fail "$name cannot be compiled for $mpi"
        fi
    done
done
if [[ " ${mpis[*]} " == *" openmpi "* ]]; then
    command -v lmp >/dev/null || skip "lmp (LAMMPS) is not installed"
    check LAMMPS openmpi lmp -in in.melt -log none
fi

# On stderr, and once. In a script of each rank's, and more than one after the other.
for mpi in "${mpis[@]}"; do
    # shellcheck disable=SC2016  # for the inner shell
    try 0 ranks "$mpi" 3 sh -c '"$1" run --report one.json -- ls / && "$1" run --report job.json -- "$2"; exit $?' - \
        "$tool" "$work/ranks.$mpi"
    job one.json 'len(row) == 3 and all(x["program"] == "ls" for x in row.values())'
    job job.json 'len(row) == 3 and all(x["end"] == "finalized" for x in row.values())'
    try 0 ranks "$mpi" 4 "$tool" run -- "$work/ranks.$mpi"
    [ "$(grep -c 'numatally [0-9.]*: a job of 4 ranks on 1 host' "$work/err")" = 1 ] || fail "not one report"
    [ "$(grep -c '^numatally' "$work/err")" = 1 ] || fail "something else was said"
    try 0 ranks "$mpi" 4 "LD_PRELOAD=$preload" NUMATALLY_CONF=report:exit "$work/ranks.$mpi"
    [ "$(grep -c '^numatally' "$work/err")" = 1 ] || fail "not one report"
    # A file for each rank is as ever: at its end.
    rm -f ./*.json
    try 0 ranks "$mpi" 4 "$tool" run --report each-%r.json -- "$work/ranks.$mpi"
    for rank in 0 1 2 3; do
        json each-$rank.json "len(r) == 1 and r[0]['rank'] == $rank and r[0]['final'] and 'job' not in r[0]"
    done
    # Above the launcher: summed up in MPI_Finalize, or, where the launcher is not seen
    # (in a script), from what each rank left at its end.
    launcher=(mpirun.openmpi)
    [ "$mpi" = openmpi ] || launcher=(mpiexec.hydra)
    try 0 "$tool" run --report above.json -- "${launcher[@]}" -np 4 "$work/ranks.$mpi"
    job above.json 'len(row) == 4 and j["job"]["ranks"] == 4 and
        all(x["end"] == "finalized" for x in row.values())'
    try 0 "$tool" run --report above.json -- sh -c '"$@"; exit' - "${launcher[@]}" -np 4 "$work/ranks.$mpi"
    job above.json 'len(row) == 4 and j["final"] and all(x["end"] == "ended" for x in row.values()) and
        j["total"]["allocations_total"] == sum(x["allocations_total"] for x in row.values())'
done
echo ok
