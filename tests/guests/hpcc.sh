#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The HPC Challenge benchmark on two MPI ranks, small: HPL, DGEMM, STREAM, PTRANS, RandomAccess,
# FFT, latency. It checks its own results; times are not compared.
. "$(dirname "$0")/lib.bash"
need hpcc mpirun
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

cat >"$inputs/hpccinf.txt" <<'END'
HPLinpack benchmark input file
numatally
HPL.out      output file name (if any)
8            device out (6=stdout,7=stderr,file)
1            # of problems sizes (N)
600          Ns
1            # of NBs
80           NBs
0            PMAP process mapping (0=Row-,1=Column-major)
1            # of process grids (P x Q)
1            Ps
2            Qs
16.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
4            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
1            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
1            # of lookahead depth
1            DEPTHs (>=0)
2            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
##### This line (no. 32) is ignored (it serves as a separator). ######
0                               Number of additional problem sizes for PTRANS
1200 10000 30000                values of N
0                               number of additional blocking sizes for PTRANS
40 9 8 13 13 20 16 32 64        values of NB
END

program() {
    cp "$inputs/hpccinf.txt" .
    run mpirun --oversubscribe -np 2 --mca btl vader,self \
        --mca btl_vader_single_copy_mechanism none hpcc || return
    grep -E '^(WALL|CPU) ' hpccoutf.txt | grep -o 'PASSED\|FAILED' | sort | uniq -c
    grep -E '^Found|Solution Validates|errors? [0-9]*$|^\|\|Ax|^Success=|^End of' hpccoutf.txt |
        sed 's/= *[0-9.]* \.\.\.\.\.\./=/'
}

compare default nodes full
grep -q '^Success=1' "$work/plain.out" && grep -q '^End of HPC Challenge tests' "$work/plain.out" ||
    fail "HPCC did not come to its end"
finish
