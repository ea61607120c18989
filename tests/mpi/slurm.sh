#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Jobs under Slurm: a cluster of its own, whose two nodes are both this machine. srun before
# numatally and behind it, MPICH over both nodes (PMI-2) and Open MPI on one (PMIx: over two
# it takes them for one machine, which they are); a batch script; ranks that are killed, and
# a job that is cancelled or runs out of time.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
for command in slurmctld slurmd srun munged; do
    command -v $command >/dev/null || skip "$command was not found (slurmctld slurmd slurm-client munge)"
done
[ "$(id -u)" = 0 ] || skip "slurmd needs root"
cd "$work" || exit

# ---- The cluster ------------------------------------------------------------------------------

stop() {
    for pid in "$work"/*.pid; do
        [ -s "$pid" ] && kill "$(cat "$pid")"
    done 2>/dev/null
    rm -rf --one-file-system "$work"
}
trap stop EXIT
chmod 755 "$work"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
mkdir state spool-n1 spool-n2 tmp-n1 tmp-n2 munge
head -c 128 /dev/urandom >munge/key
chmod 700 munge
chmod 400 munge/key
munged --force --key-file "$work/munge/key" --socket "$work/munge/socket" \
    --pid-file "$work/munged.pid" --log-file "$work/munge/log" --seed-file "$work/munge/seed" ||
    fail "munged does not start"
export SLURM_CONF=$work/slurm.conf
cat >slurm.conf <<END
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
TmpFS=$work/tmp-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd-%n.log
SlurmctldPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
ReturnToService=2
KillWait=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
slurmctld && slurmd -N n1 && slurmd -N n2 || fail "Slurm does not start: $(cat ./*.log)"
for _ in {1..300}; do
    [ "$(sinfo -h -o '%t %D' 2>/dev/null)" = "idle 2" ] && break
    sleep 0.1
done
[ "$(sinfo -h -o '%t %D')" = "idle 2" ] || fail "no nodes: $(sinfo; cat ./*.log)"

# tasks MPI [OPTION...] COMMAND...: four of them.
tasks() {
    local mpi=$1
    shift
    if [ "$mpi" = mpich ]; then
        srun -n 4 -N 2 --overcommit --mpi=pmi2 "$@"
    else
        srun -n 4 -N 1 --overcommit --mpi=pmix "$@"
    fi
}

# ---- Jobs -------------------------------------------------------------------------------------

for mpi in "${mpis[@]}"; do
    compile ranks "$mpi" || fail "prog_ranks does not compile under $mpi"
    try 0 tasks "$mpi" "./ranks.$mpi"
    sort out >plain
    [ -s plain ] || fail "the program prints nothing"

    NUMATALLY_CONF=report:$work/rank-%r.json \
        try 0 tasks "$mpi" "$tool" run --report job.json -- "./ranks.$mpi"
    sort out | cmp -s - plain || fail "under srun numatally it prints something else"
    job job.json 'j["job"]["ranks"] == 4 and sorted(row) == [0, 1, 2, 3] and
        all(x["end"] == "finalized" for x in row.values())'
    python3 "$here/sums.py" job.json rank-?.json >sums || fail "$mpi: $(cat sums)"
    printf '%s, srun numatally: %s\n' "$mpi" "$(cat sums)"

    rm -f ./*.json
    NUMATALLY_CONF=report:$work/rank-%r.json \
        try 0 "$tool" run --report job.json -- srun -n 4 --overcommit \
        "$([ "$mpi" = mpich ] && echo --mpi=pmi2 || echo --mpi=pmix)" \
        "-N$([ "$mpi" = mpich ] && echo 2 || echo 1)" "./ranks.$mpi"
    sort out | cmp -s - plain || fail "under numatally srun it prints something else"
    job job.json 'len(row) == 4 and all(x["end"] == "finalized" for x in row.values())'
    python3 "$here/sums.py" job.json rank-?.json >sums || fail "$mpi: $(cat sums)"
    printf '%s, numatally srun: %s\n' "$mpi" "$(cat sums)"
    rm -f ./*.json
done

# Programs without MPI: a record of each task.
try 0 srun -n 4 -N 2 --overcommit "$tool" run --report 'task-%r.json' -- true
for task in 0 1 2 3; do
    json "task-$task.json" "r[0]['rank'] == $task"
done
rm -f ./*.json

# ---- Ends -------------------------------------------------------------------------------------

# By rank 1, of a job that Slurm then ends.
declare -A said=([abort]="signalled 6" [kill]="signalled 9" [exit]="exited 5")
for mpi in "${mpis[@]}"; do
    for how in abort kill exit; do
        rm -f job.json
        tasks "$mpi" --kill-on-bad-exit "$tool" run --report job.json -- "./ranks.$mpi" $how >out 2>err &&
            fail "$how under $mpi: status 0"
        read -r end code <<<"${said[$how]}"
        # Of two nodes each adds what it knows.
        json job.json "len(r) == $([ "$mpi" = mpich ] && echo 2 || echo 1)"
        try 0 "$tool" report --merge -o merged.json job.json
        job merged.json "len(row) == 4 and row[1]['end'] == '$end' and row[1]['code'] == $code and
            all(x['allocations_total'] > 0 for x in row.values())"
    done
done

# A batch job, cancelled while its step waits for a rank that sleeps.
mpi=${mpis[-1]}
cat >batch.sh <<END
#!/bin/sh
srun -n 2 -N 1 --overcommit --mpi=$([ "$mpi" = mpich ] && echo pmi2 || echo pmix) \\
    "$tool" run --report "$work/batch.json" -- sh -c 'echo up >>"$work/up"; exec sleep 600'
END
sbatch --parsable -N 1 -o "$work/batch.out" batch.sh >id || fail "sbatch: $(cat id)"
for _ in {1..600}; do
    [ "$(grep -c up up 2>/dev/null)" = 2 ] && break
    sleep 0.1
done
scancel "$(cat id)"
for _ in {1..600}; do
    [ -z "$(squeue -h)" ] && break
    sleep 0.1
done
[ -s batch.json ] || fail "a cancelled job left no report: $(cat batch.out)"
job batch.json "len(row) == 2 and all(x['end'] == 'signalled' and x['code'] == 15 for x in row.values())"

# ---- What the documents say -------------------------------------------------------------------

# The batch script of docs/recipes.md as it stands, on what there is of nodes and processors;
# the line of docs/jobs.md.
export PATH=$NT_BUILD:$PATH
compile ranks openmpi && cp ranks.openmpi program || { echo "ok, without Open MPI"; exit; }
sed -n '/^#!\/bin\/sh$/,/^```$/{/^```$/d;p}' "$NT_SOURCE/docs/recipes.md" >batch.sh
grep -q '^#SBATCH' batch.sh || fail "docs/recipes.md has no batch script"
try 0 sbatch --wait --parsable --nodes=1 --ntasks-per-node=2 --cpus-per-task=1 --overcommit \
    -o batch.out batch.sh
job "$(cat out).json" "len(row) == 2 and all(x['end'] == 'finalized' for x in row.values())"
line=$(grep -m 1 '^srun ' "$NT_SOURCE/docs/jobs.md") || fail "docs/jobs.md has no srun"
rm -f job.json
SLURM_MPI_TYPE=pmix SLURM_OVERCOMMIT=1 SLURM_JOB_NUM_NODES=1 try 0 bash -c "$line"
job job.json "len(row) == 4 and all(x['end'] == 'finalized' for x in row.values())"
echo ok
