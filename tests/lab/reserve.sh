#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Settings reserve and prefault where nodes are real: inside the lab, run by topology.sh. A
# process has a few MiB besides, on the node it runs on.
failed=0

# with SETTINGS LINES NODE LEAST MOST...
with() {
    settings=$1 lines=$2
    shift 2
    LD_PRELOAD=$NT_PRELOAD NUMATALLY_CONF=$settings prog_reserve "$@" 2>/tmp/err || failed=1
    cat /tmp/err
    [ "$(wc -l </tmp/err)" = "$lines" ] || { echo "$settings: not $lines lines on stderr"; failed=1; }
}

case ${1:-} in
full) # node 1 has 42 MiB free: nobody is killed, and it does not spill
    with 'reserve:1=200M,prefault:on' 1 1 0 50 0 0 60
    with 'reserve:1=200M' 0 1 0 10 0 0 20
    with 'reserve:1=200M,prefault:on,policy:bind:1' 1 1 0 50 0 0 20
    ;;
*)
    with 'reserve:0=32M;1=64M,prefault:on' 0 0 32 40 1 64 72
    with 'reserve:1=64M,prefault:on' 0 0 0 8 1 64 72
    with 'reserve:0=32M;1=64M' 0 0 0 8 1 0 8
    with 'reserve:40M,prefault:on,policy:bind:1' 0 0 0 4 1 40 48
    with 'reserve:40M,prefault:on,policy:interleave:0-1' 0 0 36 48 1 36 48
    with 'reserve:1=40M;5=1M,prefault:on' 1 0 0 8 1 40 48
    ;;
esac
exit $failed
