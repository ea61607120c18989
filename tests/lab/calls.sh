#!/bin/sh
# SPDX-License-Identifier: MIT
#
# calls.sh none: with one node nothing is asked of the kernel that has to do with nodes.
# calls.sh few: with several, a table of system calls about memory and nodes, and mbind at
# most $most times a GiB. In a plain sh, since it runs in the lab, where there is busybox only;
# `none` runs on any machine with one node.
set -eu
preload=${NT_PRELOAD:?names the library to preload}
most=${NT_MOST_MBIND:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

about_memory=brk,mmap,munmap,mremap,mprotect,madvise
about_nodes=mbind,get_mempolicy,set_mempolicy,migrate_pages,move_pages,getcpu,set_mempolicy_home_node

# traced FILE PRELOAD: lines of calls about nodes in a program under PRELOAD. The program
# itself makes none.
traced() {
    strace -f -qq -e trace="$about_nodes" -o "$1" env LD_PRELOAD="$2" prog_cost fill 1000 2
    grep -c '(' "$1" || true
}

# The program is linked to libnuma, which tries policies as it is loaded: what it does by
# itself is not ours.
none() {
    theirs=$(traced "$work/without" "")
    ours=$(traced "$work/calls" "$preload")
    echo "calls about nodes: $((ours - theirs)) ours, $theirs of the program's libnuma"
    [ "$ours" -eq "$theirs" ] || {
        echo "FAIL calls about nodes on a machine with one:"
        cat "$work/calls"
        return 1
    }
}

# calls NAME: how often strace's table has it.
calls() {
    awk -v name="$1" '$NF == name { n = $4 } END { print n + 0 }' "$work/table"
}

few() {
    failed=0
    nodes=$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | grep -c .)
    printf '%8s %8s %8s %8s %8s %8s %8s  %s\n' size MiB all mmap munmap madvise mbind "all and mbind a GiB"
    # Large blocks are not touched, so there may be more of them.
    for kind in 1000:128 131072:256 1048576:1024; do
        size=${kind%:*}
        mib=${kind#*:}
        # All threads' calls; those that are not counted are not slowed down either.
        strace -f --seccomp-bpf -c -o "$work/table" -e trace="$about_memory,$about_nodes" \
            env LD_PRELOAD="$preload" prog_cost fill "$size" "$mib"
        all=$((mib * nodes))
        bind=$(calls mbind)
        printf '%8d %8d %8d %8d %8d %8d %8d  %d %d\n' "$size" "$all" \
            "$(calls total)" "$(calls mmap)" "$(calls munmap)" "$(calls madvise)" "$bind" \
            $(($(calls total) * 1024 / all)) $((bind * 1024 / all))
        [ $(((bind - 2) * 1024 / all)) -le "$most" ] || { # two are made at the start
            echo "FAIL more than $most mbind a GiB"
            failed=1
        }
    done
    return $failed
}

"${1:?want none or few}"
