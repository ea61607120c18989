#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# mpi4py, which loads its MPI late and out of sight: the job has its one report, and from then
# on malloc and free take nothing away.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit
python=/usr/bin/python3 # Debian's
$python -c 'import mpi4py, numpy' 2>/dev/null || skip "Debian's python3-mpi4py is not installed"
[[ " ${mpis[*]} " == *" openmpi "* ]] || skip "Debian's mpi4py is Open MPI's"

cat >sum.py <<'PY'
import numpy as np
from mpi4py import MPI
comm = MPI.COMM_WORLD
mine, all = np.ones(1000000) * comm.rank, np.empty(1000000)
comm.Allreduce(mine, all)
found = comm.allgather([comm.rank, all.sum()])
if comm.rank == 0:  # lines of several may run into each other
    print(found)
PY
try 0 ranks openmpi 3 $python sum.py
cp out plain
NUMATALLY_CONF=report:$work/rank-%r.json \
    try 0 ranks openmpi 3 "$tool" run --report job.json -- $python sum.py
cmp -s out plain || fail "it prints something else"
job job.json "len(row) == 3 and all(x['end'] == 'finalized' for x in row.values())"
python3 "$here/sums.py" job.json rank-?.json >sums || fail "$(cat sums)"
cat sums

# Arrays that come and go for a second, and what is given back between two marks.
cat >churn.py <<'PY'
import os, sys, time
import numpy as np
if sys.argv[1] == "mpi":
    from mpi4py import MPI
os.write(2, b"from here\n")
end = time.monotonic() + 2.5
while time.monotonic() < end:
    arrays = [np.ones(1 << k) for k in range(10, 24)]
    del arrays
    time.sleep(0.05)
os.write(2, b"to here\n")
PY
given_back() {
    NUMATALLY_CONF=return:100 LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so try 0 \
        strace -f -o trace -e trace=madvise,munmap,mremap,write $python churn.py "$1"
    sed -n '/from here/,/to here/p' trace |
        grep -cE 'MADV_(DONTNEED|FREE)|(munmap|mremap)\('
}
without=$(given_back none)
with=$(given_back mpi)
[ "$without" -gt 0 ] || fail "without MPI nothing was given back: nothing to be seen here"
[ "$with" = 0 ] || fail "with MPI $with calls took memory away: $(sed -n '/from here/,/to here/p' trace | head -5)"
echo "given back while it runs: $without times without MPI, $with with"
