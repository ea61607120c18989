#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# GROMACS with two threads, first two OpenMP threads, then two thread-MPI ranks: a box of
# water, whose energies and final coordinates must come out the same, digit for digit.
. "$(dirname "$0")/lib.bash"
need gmx
export GMX_MAXBACKUP=-1 GMX_NO_QUOTES=1

cat >"$inputs/md.mdp" <<'END'
integrator = md
dt = 0.002
nsteps = 250
nstenergy = 25
nstcalcenergy = 25
coulombtype = PME
rcoulomb = 0.9
rvdw = 0.9
tcoupl = v-rescale
tc-grps = System
tau-t = 0.1
ref-t = 300
gen-vel = yes
gen-seed = 4711
ld-seed = 4711
END

# Its messages are full of times, rates and file names: shown only when it fails.
quiet() {
    "$@" >>messages 2>&1 || {
        echo "status $? of: ${*: -12}"
        tail -n 30 messages
        return 1
    }
}

simulate() { # NAME OPTIONS...
    local name=$1
    shift
    quiet run gmx -quiet mdrun -s water.tpr -reprod -pin off "$@" -deffnm "$name" || return
    gmx -quiet dump -e "$name.edr" 2>/dev/null
    sha256sum "$name.gro"
}

program() {
    cat >water.top <<'END'
#include "oplsaa.ff/forcefield.itp"
#include "oplsaa.ff/spc.itp"
[ system ]
water
[ molecules ]
END
    quiet run gmx -quiet solvate -cs spc216 -box 3 3 3 -o water.gro -p water.top &&
        quiet run gmx -quiet grompp -f "$inputs/md.mdp" -c water.gro -p water.top \
            -o water.tpr &&
        simulate openmp -ntmpi 1 -ntomp 2 &&
        simulate ranks -ntmpi 2 -ntomp 1
}

compare
used 1 'gmx=1:1'
used 2 'gmx=1:1+'
used 3 'gmx=1:2'
used 4 'gmx=1:2'
finish
