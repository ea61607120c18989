#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# topology.sh TOPOLOGY: all that is tested on one topology of the lab, in one boot of it.
# The plain programs named below run under libnumatally_malloc.so, or under NT_PRELOAD=FILE.
# Any other program of tests/lab has the library in it. It runs without arguments and on
# one topology: some fill nodes, which takes minutes where these are large.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build_dir=${NT_BUILD:-$source_dir/build/release}
programs=$build_dir/tests/lab
preload=${NT_PRELOAD:-$build_dir/libnumatally_malloc.so}
topology=${1:?want a topology: lab.sh --help lists them}
[ -e "$preload" ] || {
    echo "$preload is not built: build the preset first"
    exit 1
}

# A line each: a name and a command. Programs of tests/lab go by their names.
tests() {
    case $topology in
    1x2) echo "own prog_placement own" ;;
    *)
        for way in own crossed moved gone fork; do
            echo "$way prog_placement $way"
        done
        ;;
    esac
    case $topology in
    tiny) echo "full prog_placement full 1" ;;
    hbm | cxl) echo "full prog_placement full 0" ;;
    esac
    # Threads of a node without memory count as those of the node that serves them.
    [ "$topology" = nomem ] || echo "matrix prog_matrix"
    case $topology in
    4x1) echo "policies api_policies" ;;
    hbm | cxl) echo "cpuless api_policies cpuless" ;;
    tiny)
        echo "reserve sh $source_dir/tests/lab/reserve.sh full"
        echo "strict api_arrays strict*"
        echo "spill api_arrays spill"
        echo "migration api_arrays migrate-full"
        ;;
    esac
    case $topology in
    1x2) echo "calls sh $source_dir/tests/lab/calls.sh none" ;;
    2x2)
        echo "policies api_policies"
        echo "arrays api_arrays"
        echo "spares api_spares"
        echo "reserve sh $source_dir/tests/lab/reserve.sh"
        echo "calls sh $source_dir/tests/lab/calls.sh few"
        echo "mappings prog_cost mappings"
        echo "surroundings sh $source_dir/tests/lab/surroundings.sh" # the last: it sets limits
        ;;
    esac
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The kernel's own moving of pages to whoever uses them is another matter.
cat >"$work/inside.sh" <<END
[ ! -e /proc/sys/kernel/numa_balancing ] || echo 0 >/proc/sys/kernel/numa_balancing
export PATH=$programs:$build_dir:\$PATH NT_PRELOAD=$preload NT_TOOL=$build_dir/numatally
failed=0
in_lab() {
    name=\$1
    shift
    status=0
    begun=\$(cut -d' ' -f1 /proc/uptime)
    case \$1 in
    prog_*) LD_PRELOAD=\$NT_PRELOAD "\$@" >/tmp/out 2>&1 || status=\$? ;;
    *) "\$@" >/tmp/out 2>&1 || status=\$? ;;
    esac
    sed "s/^/\$name: /" /tmp/out
    ended=\$(cut -d' ' -f1 /proc/uptime)
    echo "\$name: status \$status after \$(awk "BEGIN { print \$ended - \$begun }") s"
    [ \$status = 0 ] || [ \$status = 77 ] || failed=\$((failed + 1))
}
$(tests | sed 's/^/in_lab /')
[ \$failed = 0 ] || echo "\$failed failed on $topology"
[ \$failed = 0 ]
END
files=()
for file in "$programs"/prog_* "$programs"/api_* "$source_dir"/tests/lab/*.sh "$preload" \
    "$build_dir/numatally" "$build_dir/libnumatally_malloc.so" \
    "$work/inside.sh" "$(command -v strace)" "$(command -v numactl)"; do
    files+=(-f "$file")
done
exec bash "$source_dir/tests/lab/lab.sh" -T 400 -t "$topology" "${files[@]}" sh "$work/inside.sh"
