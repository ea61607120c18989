#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally doctor: each finding about the machine, one by one, and its absence. What is
# read of /proc, /sys and /etc comes from a folder made here; limits are the shell's, refused
# calls a filter's, nodes NUMATALLY_TOPOLOGY's. What it says of programs: doctor_program.sh.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
# shellcheck source=tests/tool/doctor.bash
. "$(dirname "$0")/doctor.bash"
unset NUMATALLY_TOPOLOGY

# ---- all is well: each root-made source says so, and nothing is changed
make_root
look 0 doctor
for check in balancing reclaim thp hugetlb overcommit maps cgroup files preload sandbox \
    live library settings kernel policy limit-memlock; do
    is ok $check
    lacks note $check
    lacks problem $check
done
[ ! -s "$work/err" ] || fail "something was complained about"
out '"problems":0'
is ok live "$work/runtime, "
is ok library "$(realpath "$NT_BUILD")/libnumatally_malloc.so"
is ok settings none
look 0 env NUMATALLY_CONF="report:$work/r-%p.txt,report:every=10ms;$work/r-%p.csv,live:$work" \
    "$tool" doctor --json
compgen -G "$work/r-*" >/dev/null && fail "a report was written"
compgen -G "$work/*.live" >/dev/null && fail "a live file was written"

# ---- nodes
look 0 env NUMATALLY_TOPOLOGY=2x2 "${doctor[@]}"
is note nodes '2 nodes .0-1., 4 cpus, made up by NUMATALLY_TOPOLOGY'
lacks note nodes without
look 0 env NUMATALLY_TOPOLOGY=node0:cpus=0-3:mem=1G/node1:cpus=4:mem=0/node3:mem=8G "${doctor[@]}"
is note nodes '3 nodes .0-1,3., 5 cpus, 9.00 GiB'
is note nodes 'node 1 without memory'
is note nodes 'node 3 without cpus'
is ok memory 'all nodes .0,3.'
look 0 env NUMATALLY_TOPOLOGY=node0:cpus=0-1:mem=1G/node1:cpus=2:mem=1G:forbidden "${doctor[@]}"
is note memory 'only of node 0, not of 1'
look 1 env NUMATALLY_TOPOLOGY=node0:cpus=0-3:mem=1G:forbidden/node1:mem=1G "${doctor[@]}"
is problem memory 'only of node 1, not of 0'
put proc/self/status 'Cpus_allowed_list:	1,3\nSeccomp:	0'
look 0 doctor
is note cpus 'only 1,3 of 4'
rm "$root/sys/devices/system/cpu/online"
look 0 doctor
is ok cpus 'all .1,3.'
make_root

# ---- policies
if numactl --interleave=all true 2>/dev/null; then
    look 0 numactl --interleave=0 "${doctor[@]}"
    is note policy 'interleave:0, from numactl'
    out 'leaves all placing to it'
    look 0 env NUMATALLY_CONF=policy:local numactl --preferred=0 "${doctor[@]}"
    is note policy 'preferred:0, from numactl'
    out 'goes before it'
else
    echo "skipped: policies from outside: numactl does not work here"
fi
look 0 env NUMATALLY_CONF=policy:bind:0 "${doctor[@]}"
is ok policy 'bind:0, by the settings'

# ---- calls that are refused, and old kernels
refuse=$work/refuse
"${CC:-cc}" -o "$refuse" "$NT_SOURCE/tests/tool/refuse.c" || fail "refuse.c"
if "$refuse" mbind 1 - "$(type -P true)"; then
    for call in mbind get_mempolicy move_pages; do
        look 1 env NUMATALLY_TOPOLOGY=2x1 "$refuse" $call 1 - "${doctor[@]}"
        is problem calls "$call is refused .Operation not permitted."
        [ "$(grep -c '^[a-z]* calls' "$work/findings")" = 1 ] || fail "more than $call"
        lacks ok calls
        [ $call != get_mempolicy ] || out 'given from outside is not known'
    done
    look 1 env NUMATALLY_TOPOLOGY=2x1 "$refuse" mbind 38 - "${doctor[@]}"
    is problem calls 'mbind is refused .Function not implemented.'
    if grep -qx 0 /sys/devices/system/node/online; then
        look 0 "$refuse" move_pages 1 - "$tool" doctor --json
        is note calls 'move_pages is refused'
        is note sandbox 'a seccomp filter'
    fi
    without_policy() {
        look 0 env NUMATALLY_TOPOLOGY=2x1 "$@" "${doctor[@]}"
        is note kernel 'Linux .* lacks policies'
    }
    without_policy "$refuse" mbind 22 6
    out 'is replaced: weighted-interleave .6.9. is made interleave\.'
    without_policy "$refuse" mbind 22 5
    out 'is replaced: preferred-many .5.15. is made preferred\.'
    without_policy "$refuse" set_mempolicy_home_node 38 -
    out 'is replaced: a node to begin at .5.17. is left out\.'
    without_policy "$refuse" mbind 22 6 "$refuse" mbind 22 5 "$refuse" set_mempolicy_home_node 38 -
    out 'made preferred; a node .* left out; weighted'
else
    echo "skipped: refused calls: seccomp is not to be had"
fi
put .dockerenv ''
look 0 doctor
is note sandbox "Docker's container"
rm "$root/.dockerenv"
put run/.containerenv ''
put proc/self/status 'Seccomp:	2'
look 0 doctor
is note sandbox "Podman's container, a seccomp filter"
make_root

# ---- the kernel's habits: with several nodes only
put proc/sys/kernel/numa_balancing 1
put proc/sys/vm/zone_reclaim_mode 1
look 0 env NUMATALLY_TOPOLOGY=2x1 "${doctor[@]}"
is note balancing 'kernel.numa_balancing is 1'
is note reclaim 'vm.zone_reclaim_mode is 1'
look 0 env NUMATALLY_TOPOLOGY=1x2 "${doctor[@]}"
is ok balancing
is ok reclaim
rm "$root/proc/sys/kernel/numa_balancing" "$root/proc/sys/vm/zone_reclaim_mode"
look 0 env NUMATALLY_TOPOLOGY=2x1 "${doctor[@]}"
is ok balancing 'not in this kernel'
is ok reclaim 'not in this kernel'
make_root

# ---- huge pages
thp=sys/kernel/mm/transparent_hugepage/enabled
put $thp '[always] madvise never'
look 0 doctor
is note thp always
put $thp 'always madvise [never]'
look 0 doctor
is note thp never
look 1 env NUMATALLY_CONF=hugepages:thp "${doctor[@]}"
is problem thp never
rm "$root/$thp"
look 1 env NUMATALLY_CONF=hugepages:thp "${doctor[@]}"
is problem thp missing
make_root
look 0 env NUMATALLY_CONF=hugepages:thp "${doctor[@]}"
is ok thp madvise
look 1 env NUMATALLY_CONF=hugepages:hugetlb "${doctor[@]}"
is problem hugetlb '0 of 0 reserved'
put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 8
put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 5
look 0 doctor
is note hugetlb '5 of 8 reserved 2 MiB pages are free'
look 0 env NUMATALLY_CONF=hugepages:hugetlb "${doctor[@]}"
is ok hugetlb '5 of 8'
make_root

# ---- overcommit, areas
put proc/sys/vm/overcommit_memory 2
look 0 doctor
is note overcommit 'is 2, 8.00 GiB left'
put proc/meminfo 'MemTotal: 16777216 kB\nCommitLimit: 9000000 kB\nCommitted_AS: 8900000 kB'
look 1 doctor
is problem overcommit 'is 2, 97.66 MiB left'
put proc/meminfo 'CommitLimit: 10 kB\nCommitted_AS: 8900000 kB'
look 1 doctor
is problem overcommit 'is 2, 0.00 MiB left'
put proc/sys/vm/overcommit_memory 1
look 0 doctor
is ok overcommit 'is 1'
put proc/sys/vm/max_map_count 30000
look 0 doctor
is note maps 'is 30000; this process uses 3$'
put proc/sys/vm/max_map_count 1000
look 1 doctor
is problem maps 'is 1000'
make_root

# ---- limits
# shellcheck disable=SC2016  # expanded by the inner shell
limited() { look 0 bash -c 'ulimit '"$1"' && exec "$@"' - "${doctor[@]}"; }
limited "-S -v 4000000"
is note limit-as '3.81 GiB .ulimit -v'
limited "-S -d 3000000"
is note limit-data '2.86 GiB .ulimit -d'
limited "-n 40"
is note limit-nofile '40 open files'
limited "-l 64"
is ok limit-memlock '0.06 MiB .ulimit -l'
if [ "$(ulimit -v) $(ulimit -d)" = "unlimited unlimited" ]; then
    look 0 doctor
    is ok limit-as unlimited
    is ok limit-data unlimited
    lacks note limit-as
fi

# ---- control groups
group() { put "sys/fs/cgroup/$1" "$2"; }
put proc/self/cgroup '0::/user/job'
group user/job/memory.max max
look 0 doctor
is ok cgroup 'no memory limit'
group user/job/memory.max 2147483648
group user/job/memory.current 1048576
look 0 doctor
is note cgroup '2.00 GiB at most, 1.00 MiB in use'
out 'The group is /sys/fs/cgroup/user/job\.'
group user/memory.max 1073741824
group user/memory.current 5242880
look 0 doctor
is note cgroup '1.00 GiB at most, 5.00 MiB in use'
out 'The group is /sys/fs/cgroup/user\.'
group user/memory.max 999999999999999
group user/job/memory.max 17179869184
look 0 doctor
is ok cgroup # as much as the machine has
put proc/self/cgroup '0::/../../host/path'
group memory.max 536870912
look 0 doctor
is note cgroup '512.00 MiB at most'
make_root
put proc/self/cgroup '9:name=systemd:/\n4:cpu,memory:/slurm/uid_1\n0::/'
group memory/slurm/uid_1/memory.limit_in_bytes 9223372036854771712
look 0 doctor
is ok cgroup
group memory/slurm/memory.limit_in_bytes 3221225472
group memory/slurm/memory.usage_in_bytes 0
look 0 doctor
is note cgroup '3.00 GiB at most, 0.00 MiB in use'
put proc/self/cgroup 'nonsense\n::::\n0:\n\n'
look 0 doctor
is ok cgroup
make_root

# ---- /proc, /sys, live files
rm "$root/sys/devices/system/node/online"
look 0 doctor
is note files '/sys/devices/system/node is missing'
lacks problem files
rm -r "${root:?}/proc"
look 1 doctor
is problem files '/proc is missing'
is ok maps 'not known'
rm -r "$root"
mkdir "$root"
look 1 doctor # nothing at all: no crash
is problem files '/proc is missing'
is ok maps 'not known'
make_root
look 0 env -u XDG_RUNTIME_DIR "${doctor[@]}"
is ok live "$root/dev/shm, "
rm -r "${root:?}/dev"
look 0 env XDG_RUNTIME_DIR=/nonexistent TMPDIR=relative "${doctor[@]}"
is ok live "$root/tmp, "
rm -r "${root:?}/tmp"
look 1 env -u XDG_RUNTIME_DIR -u TMPDIR "${doctor[@]}"
is problem live 'no folder for live files'
make_root
look 1 env NUMATALLY_CONF=live:/nonexistent/folder "${doctor[@]}"
is problem live 'live:/nonexistent/folder'
lacks problem settings
look 0 env NUMATALLY_CONF="live:$work" "${doctor[@]}"
lacks problem live

if unshare -m true 2>/dev/null; then # no /sys at all: nobody knows whose the cpus are
    look 0 unshare -m sh -c 'mount -t tmpfs none /sys && exec "$@"' - "$tool" doctor --json
    is note files '/sys/devices/system/node is missing'
    lacks note nodes
fi

# ---- settings: the library's own complaints
bad() {
    look 1 env "$2" "${doctor[@]}"
    is problem settings "$1"
    lacks ok settings
    is ok library
}
bad 'NUMATALLY_CONF: unknown setting "chekc" is ignored; did you mean "check"' NUMATALLY_CONF=chekc:off
bad 'check:maybe is unknown; it may be on, off or full' NUMATALLY_CONF=check:maybe
bad '"colour" has no value' NUMATALLY_CONF=colour
bad 'policy:bind:700' NUMATALLY_CONF=policy:bind:700
bad 'NUMATALLY_TOPOLOGY' NUMATALLY_TOPOLOGY=garbage
bad '/nonexistent/file' NUMATALLY_CONF_FILE=/nonexistent/file
printf 'return:50 # short\nhugepages:many\n' >"$work/conf"
bad 'hugepages:many' NUMATALLY_CONF_FILE="$work/conf"
sed -i d "$work/conf"
look 0 env NUMATALLY_CONF_FILE="$work/conf" "${doctor[@]}"
is ok settings "of $work/conf"
look 0 env NUMATALLY_CONF=check:off,return:5 "${doctor[@]}"
is ok settings 'check:off,return:5'

# ---- the library
mkdir "$work/alone"
cp "$tool" "$work/alone/numatally"
look 1 "$work/alone/numatally" doctor --json --root "$root"
is problem library 'cannot find libnumatally_malloc.so'
lacks ok settings
head -c 20000 "$NT_BUILD/libnumatally_malloc.so" >"$work/alone/libnumatally_malloc.so"
look 1 "$work/alone/numatally" doctor --json --root "$root"
is problem library 'does not work' # it crashes the loader
echo "no library" >"$work/alone/libnumatally_malloc.so"
look 1 "$work/alone/numatally" doctor --json --root "$root"
is problem library 'does not work'
is problem library 'cannot be preloaded'
cp "$NT_BUILD/libnumatally_malloc.so" "$work/alone/"
look 0 "$work/alone/numatally" doctor --json --root "$root"
is ok library "$work/alone/libnumatally_malloc.so"

# ---- what else is preloaded; what is claimed of it is tried
echo 'int nothing;' >"$work/nothing.c"
make_malloc "$work/malloc.c"
compile -shared -fPIC -o "$work/other.so" "$work/malloc.c"
compile -shared -fPIC -o "$work/nothing.so" "$work/nothing.c"
compile -shared -fPIC -o "$work/libjemalloc.so.2" "$work/nothing.c"
look 1 env LD_PRELOAD="$work/nothing.so $work/other.so" "${doctor[@]}"
is note preload "LD_PRELOAD: $work/nothing.so"
is problem preload "LD_PRELOAD: $work/other.so"
look 1 env LD_PRELOAD="$work/libjemalloc.so.2" "${doctor[@]}"
is problem preload "LD_PRELOAD: $work/libjemalloc.so.2"
look 0 env LD_PRELOAD="$NT_BUILD/libnumatally_malloc.so" "${doctor[@]}"
is note preload 'LD_PRELOAD: .*libnumatally_malloc.so'
look 0 env LD_PRELOAD=/nonexistent/lib.so "${doctor[@]}"
is note preload 'LD_PRELOAD: /nonexistent/lib.so'
out 'It is not there'
put etc/ld.so.preload "$work/other.so\n"
look 0 doctor
is note preload "/etc/ld.so.preload: $work/other.so"
counts LD_PRELOAD="$work/nothing.so" -- /bin/ls / || fail "a preloaded library that does nothing: not counted"
counts LD_PRELOAD="$work/other.so" -- /bin/ls / && fail "with another malloc ahead it was counted"
make_root

# ---- the verb itself
try 0 "$tool" doctor --root "$root"
out '^ok +settings +none$'
out '^[0-9]+ problems, [0-9]+ notes?$'
grep -q $'\033' "$work/out" && fail "colours in a file"
try 1 env NUMATALLY_CONF=chekc:off NUMATALLY_TOPOLOGY=2x1 "$tool" doctor --root "$root" -- "$work/no program"
out '^problem  settings '
out '^ +-> '
awk 'length > 79 && !/[^ ]{60}/ { exit 1 }' "$work/out" || fail "a line is longer than 79"
seen() { script -qec "$*" /dev/null </dev/null >"$work/out"; }
if seen true; then
    seen env TERM=xterm "$tool" doctor
    grep -q $'^\033\\[32mok' "$work/out" || fail "no colours on a terminal"
    for plain in NO_COLOR=1 TERM=dumb; do
        seen env TERM=xterm $plain "$tool" doctor
        grep -q $'\033' "$work/out" && fail "colours with $plain"
    done
fi
try 2 "$tool" doctor --root "$root/nowhere"
err '\-\-root is ".*nowhere": No such file'
try 2 "$tool" doctor --jsn
try 1 bash -c '"$@" >/dev/full' - "$tool" doctor
err 'No space left on device'
try 1 bash -c '"$@" >/dev/full' - "$tool" doctor --json
err 'No space left on device'
look 1 "$tool" doctor --json --root "$root" -- $'\xff\xfe'
is problem program 'was not found'
echo "ok"
