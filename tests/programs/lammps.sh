#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# LAMMPS on two MPI ranks: a Lennard-Jones melt whose thermodynamics must come out the
# same, digit for digit. mpirun starts the ranks: each has a record that knows its rank.
. "$(dirname "$0")/lib.bash"
need mpirun lmp
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

cat >"$inputs/in.melt" <<'END'
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 14 0 14 0 14
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
run 150
write_data final.data nocoeff
END

# Shared memory only: nothing here needs a network, and copying between the address
# spaces of two processes is forbidden in some containers.
program() {
    run mpirun --oversubscribe -np 2 --mca btl vader,self \
        --mca btl_vader_single_copy_mechanism none \
        lmp -in "$inputs/in.melt" -log log.lammps >screen || return
    sed -n '/^Step/,/^Loop time/p' log.lammps | sed 's/^Loop time.*procs/Loop on 2 procs/; s/^Loop time.*//'
    grep -E '^(Nlocal|Nghost|Neighs|Total #|Neighbor list builds)' log.lammps
    sort final.data | sha256sum
}

compare
# Open MPI has two threads of its own in each process.
used 1 'lmp=2:3' '*run=1:3'
[ -n "${NT_PRELOAD-}" ] || "$python" - "$work/report.1" <<'END' || failed=1
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
ranks = sorted(r["rank"] for r in records if r["program"] == "lmp")
if ranks != [0, 1]:
    sys.exit(f"FAILED: the records of lmp say they are of ranks {ranks}")
END
finish
