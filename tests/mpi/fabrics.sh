#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# MPI over what it has on a cluster, as far as that runs on one machine: Open MPI over UCX and
# over libfabric, MPICH over UCX (as Debian builds it). UCX's hooks are in munmap, mremap and
# madvise then. And these hooks alone, with a registration cache of ours behind them: glibc's
# malloc hangs in it, ours takes nothing away while the program allocates and frees.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit

cat >in.melt <<'END'
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 6 0 6 0 6
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 3.0 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
fix 1 all nve
thermo 25
run 50
END
said() { grep -vE 'Loop time|Performance|CPU use|CPU =|Total wall|^(Pair|Neigh|Comm|Output|Modify|Other) |UCX' "$1"; }

# over NAME MPI: with what is in the environment, the programs print what they print on glibc's
# malloc, and the job's report is whole.
over() {
    local name=$1 mpi=$2
    compile ranks "$mpi" || fail "prog_ranks.c does not compile for $mpi"
    for program in "./ranks.$mpi" "lmp -in in.melt"; do
        [[ $program != lmp* ]] || { [ "$mpi" = openmpi ] && command -v lmp >/dev/null; } || continue
        # shellcheck disable=SC2086  # words on purpose
        {
            try 0 ranks "$mpi" 2 $program
            said out >plain
            rm -f job.json
            try 0 ranks "$mpi" 2 "$tool" run --report job.json -- $program
        }
        said out | cmp -s - plain || fail "over $name $program prints something else"
        job job.json "len(row) == 2 and all(x['end'] == 'finalized' for x in row.values())"
    done
    echo "over $name"
}

for mpi in "${mpis[@]}"; do
    if [ "$mpi" = openmpi ]; then
        export OMPI_MCA_pml=ucx OMPI_MCA_opal_common_ucx_tls=any OMPI_MCA_opal_common_ucx_devices=any
        over "UCX, Open MPI" openmpi
        unset OMPI_MCA_opal_common_ucx_tls OMPI_MCA_opal_common_ucx_devices
        export OMPI_MCA_pml=cm OMPI_MCA_mtl=ofi FI_MR_CACHE_MONITOR=memhooks
        over "libfabric, Open MPI" openmpi
        unset OMPI_MCA_pml OMPI_MCA_mtl
    else
        over "UCX, MPICH" mpich
        # It is UCX that is there.
        UCX_MEM_LOG_LEVEL=debug ranks mpich 2 LD_PRELOAD="$preload" ./ranks.mpich >out 2>&1
        grep -q 'installing bistro hook for munmap' out || fail "MPICH is not over UCX here"
    fi
done

gcc -O1 -o ucm "$here/prog_ucm.c" -lucm -lucs || fail "prog_ucm.c does not compile (libucx-dev)"
# Free memory is due after a tenth of a second: without an MPI it would go back meanwhile.
LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=return:100 try 0 timeout 120 ./ucm
out '^0 while it ran, some in malloc_trim$'
no_err .
echo ok
