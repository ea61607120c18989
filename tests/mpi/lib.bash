# SPDX-License-Identifier: MIT
#
# Read by the scripts here, behind tests/tool/lib.bash: both MPIs, as far as they are
# installed, their programs, and how to start ranks.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/../tool/lib.bash"
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_LOCAL_SIZE PMI_SIZE MPI_LOCALNRANKS PMI_FD
unset PMIX_NAMESPACE SLURM_JOB_ID SLURM_STEP_ID
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

mpis=()
for mpi in openmpi mpich; do
    [ -e "$NT_BUILD/libnumatally_$mpi.so" ] && command -v "mpicc.$mpi" >/dev/null && mpis+=("$mpi")
done
[ ${#mpis[@]} -gt 0 ] || skip "neither Open MPI nor MPICH was found (libopenmpi-dev, libmpich-dev)"
preload=$NT_BUILD/libnumatally_malloc.so
for mpi in "${mpis[@]}"; do preload+=:$NT_BUILD/libnumatally_$mpi.so; done

# Shared memory only: nothing here needs a network, and copying between the address
# spaces of two processes is forbidden in some containers.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=vader,self OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_rmaps_base_oversubscribe=1 OMP_NUM_THREADS=1
export HYDRA_LAUNCHER=fork

# compile NAME MPI: $work/NAME.MPI from prog_NAME.c or .f90; false: there is no compiler.
compile() {
    local source compiler=mpicc
    source=$(echo "$here/prog_$1".*)
    [ "${source##*.}" = c ] || compiler=mpif90
    command -v "$compiler.$2" >/dev/null || return 1
    "$compiler.$2" -o "$work/$1.$2" "$source" >"$work/out" 2>&1
}

# ranks MPI N [VARIABLE=VALUE...] COMMAND...: the variables are those of the ranks alone.
ranks() {
    local mpi=$1 n=$2 given=()
    shift 2
    while [[ $1 == [A-Z]*=* ]]; do
        if [ "$mpi" = openmpi ]; then given+=(-x "$1"); else given+=(-genv "${1%%=*}" "${1#*=}"); fi
        shift
    done
    if [ "$mpi" = openmpi ]; then
        mpirun.openmpi -np "$n" "${given[@]}" "$@"
    else
        mpiexec.hydra -np "$n" "${given[@]}" "$@"
    fi
}

# job FILE PYTHON: an expression over j, the record of the job, which is the only one in
# FILE, and row, its rows by rank.
job() {
    python3 - "$1" "$2" <<'PY' || fail "$1: not true: $2"
import json, sys
r = [json.loads(line) for line in open(sys.argv[1])]
j = r[0]
row = {x["rank"]: x for x in j["job"]["rows"]}
if len(r) != 1 or not eval("(" + sys.argv[2] + ")"):
    print([(x["rank"], x["end"], x["code"], x["program"]) for x in row.values()], file=sys.stderr)
    sys.exit(1)
PY
}
