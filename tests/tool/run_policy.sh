#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numactl's options of numatally run: the setting that the program gets, beside those that
# the user made; tiers by name; and that a bad list is refused before anything runs.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
export NUMATALLY_TOPOLOGY=node0:cpus=0:mem=1G/node1:cpus=1:mem=1G/node3:mem=2G/node9:mem=1G:forbidden
unset HWLOC_XMLFILE

# gives SETTING OPTION...: what the program finds in NUMATALLY_CONF.
gives() {
    local want=$1
    shift
    # shellcheck disable=SC2016  # for the inner shell
    try 0 "$tool" run "$@" -- sh -c 'echo "$NUMATALLY_CONF"'
    [ "$(cat "$work/out")" = "$want" ] || fail "$* gave $(cat "$work/out"), not $want"
}

# refused WORDS OPTION...: with these words, and nothing runs.
refused() {
    local words=$1
    shift
    try 125 "$tool" run "$@" -- touch "$work/ran"
    [ ! -e "$work/ran" ] || fail "$* ran the program"
    err "$words"
}

gives ''
gives policy:bind:0 --membind=0
gives policy:bind:0 -m 0
gives 'policy:bind:0-1;3' --membind=0-1,3
gives 'policy:bind:0;3' '--membind=!1'
gives policy:bind --membind all
gives policy:preferred:1 --preferred=1
gives policy:preferred:1 -p1
gives 'policy:preferred-many:0;3' --preferred-many=0,3
gives policy:preferred-many:0-1 -P0-1
gives policy:interleave --interleave=all
gives policy:interleave:0-1 -i 0-1
gives policy:weighted-interleave:0-1 --weighted-interleave=0-1
gives policy:weighted-interleave:0-1 -w 0-1
gives policy:local --localalloc
gives policy:local -l
gives policy:inherit --policy=inherit
gives 'policy:bind:0;3' --policy=bind:0,3
gives policy:bind:0-1 --membind=dram
gives policy:preferred-many:0-1 --preferred=fastest
gives 'policy:bind:0-1;3' --membind=dram,3

# ---- beside the user's settings, before which it is in force
NUMATALLY_CONF=check:off gives check:off,policy:local --localalloc
NUMATALLY_CONF=policy:bind:0,check:off gives policy:bind:0,check:off,policy:bind:1 -m1
NUMATALLY_CONF='' gives policy:local -l
NUMATALLY_CONF=check:off gives check:off

# ---- a machine with fast memory, in an hwloc file
unset NUMATALLY_TOPOLOGY
export HWLOC_XMLFILE=$NT_SOURCE/tests/tool/topo/hbm.xml
gives policy:bind:2-3 --membind=hbm
gives policy:preferred-many:2-3 --preferred=fastest
gives policy:interleave:0-1 --interleave=largest
gives policy:bind:0-1 '--membind=!hbm'
refused 'there is no cxl memory that this process may use; there is dram .nodes 0-1., hbm .nodes 2-3.' --membind=cxl
unset HWLOC_XMLFILE
export NUMATALLY_TOPOLOGY=node0:cpus=0:mem=1G/node1:cpus=1:mem=1G/node3:mem=2G/node9:mem=1G:forbidden

# ---- refusals
refused '--membind=2: there is no node 2; this process may use 0-1,3' --membind=2
refused '--membind=0-3: there is no node 2; this process may use 0-1,3' --membind=0-3
refused '--interleave=9: a cpuset forbids this process the memory of node 9; .* 0-1,3' -i9
refused '--membind=hbm: there is no hbm memory' --membind=hbm
refused '"x" is no node list such as 0-3,5, !2 or all' --membind=x
refused 'preferred takes one node and these are 2' --preferred=0-1
refused 'there is no policy "bindd"; did you mean "bind"' --policy=bindd:0
refused 'local takes no nodes' --policy=local:0
refused 'preferred needs a node' --policy=preferred
refused '--membind=0 and --interleave are two policies' --membind=0 --interleave=1
refused 'two policies' -l --policy=local
echo "ok"
