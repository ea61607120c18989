#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What bounds a process from outside: cpusets, a memory cgroup, strict overcommit; and that
# doctor sees it. Run in the lab, as root of the whole machine, with two nodes; a plain sh.
set -eu
preload=${NT_PRELOAD:?names the library to preload}
groups=/sys/fs/cgroup
failed=0

# within GROUP COMMAND: run it in the control group under the library.
within() {
    group=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    sh -c 'echo $$ >"$0/cgroup.procs" && LD_PRELOAD=$1 && export LD_PRELOAD && shift && exec "$@"' \
        "$groups/$group" "$preload" "$@"
}

# wants STATUS WHAT COMMAND
wants() {
    wanted=$1 what=$2 status=0
    shift 2
    "$@" || status=$?
    if [ "$status" = "$wanted" ]; then
        echo "$what: as it should be (status $status)"
    else
        echo "FAIL $what: status $status instead of $wanted"
        failed=$((failed + 1))
    fi
}

# doctor GROUP WHAT FINDING: it says so in the control group, in a line that matches.
doctor() {
    # shellcheck disable=SC2016
    sh -c 'echo $$ >"$0/cgroup.procs" && exec numatally doctor' "$groups/$1" >/tmp/doctor || true
    if grep -q "^$3" /tmp/doctor; then
        echo "doctor, $2: as it should be"
    else
        cat /tmp/doctor
        echo "FAIL doctor, $2: no $3"
        failed=$((failed + 1))
    fi
}

echo "+cpuset +memory" >$groups/cgroup.subtree_control
mkdir $groups/first $groups/far $groups/small

# The nodes a cpuset leaves, near to its cpus and far from them.
echo 0 >$groups/first/cpuset.mems
echo 0-1 >$groups/first/cpuset.cpus
wants 0 "cpuset of node 0" within first prog_surroundings only 0
doctor first "cpuset of node 0" 'note *memory *only of node 0, not of 1'
doctor first "cpuset of node 0" 'note *cpus *only 0-1 of 4'
echo 1 >$groups/far/cpuset.mems
echo 0-1 >$groups/far/cpuset.cpus
wants 0 "cpuset of node 1, cpus of node 0" within far prog_surroundings only 1
doctor far "cpuset of node 1, cpus of node 0" 'problem *memory *only of node 1, not of 0'

# What fits into a memory cgroup goes on fitting; the kernel kills who wants more. A
# thread keeps a slab of each class it has used, some 60 MiB with the classes used here.
echo 256M >$groups/small/memory.max
wants 0 "memory cgroup of 256 MiB, 40 in use" within small prog_surroundings churn 40 8
doctor small "memory cgroup of 256 MiB" 'note *cgroup *256.00 MiB at most'
wants 137 "memory cgroup of 256 MiB, 400 in use" within small prog_surroundings churn 400 2

# The killed program's figures are in the report. (The tool is in the group, too, but small.)
reported() {
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$groups/small" \
        "$NT_TOOL" run --report /tmp/killed -- prog_surroundings churn 400 2
}
wants 137 "memory cgroup of 256 MiB, 400 in use, numatally run" reported
wants 0 "its report says when its figures are of" \
    grep 'ended without its last word (a signal or exec): figures as of [0-9.]* ms before' /tmp/killed
wants 0 "and has figures" grep '^Allocations  *[0-9]' /tmp/killed

# Strict overcommit: address space is what runs out, and malloc says so.
echo 2 >/proc/sys/vm/overcommit_memory
wants 0 "overcommit_memory=2" env LD_PRELOAD="$preload" prog_surroundings eat 8192
doctor . "overcommit_memory=2" 'note *overcommit *vm.overcommit_memory is 2'
doctor . "two nodes" 'ok *calls *mbind, get_mempolicy and move_pages work'
[ $failed = 0 ]
