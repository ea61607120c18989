#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The lab: a virtual machine with several NUMA nodes, for one command.
#
# Debian's kernel boots under qemu with the nodes of a topology below. It finds a root
# file system in memory that holds the command, the files named with -f, whatever these
# need to run (as ldd names it) at the same paths as here, and busybox. The command runs
# there as root; its output and its exit status are ours. To run several programs in one
# boot name them with -f and let the command be a shell script (`sh FILE`).
#
# Nodes, placement, policies and failures are real; time is not: without KVM everything
# is emulated, 10 to 30 times slower than here, and all memory is equally near.
#
# A topology is one `case` below: a line of cpus and MiB a node, and their distances.
set -euo pipefail

usage() {
    cat <<'END'
usage: lab.sh [OPTION...] COMMAND [ARGUMENT...]

  -t TOPOLOGY    1x2   one node, two cpus
                 2x2   two nodes (the default)
                 4x1   four nodes in a ring, distances 16 and 22
                 8x1   eight nodes in two groups, distances 12 and 32
                 hbm   two nodes and a fast one without cpus (HMAT)
                 cxl   two nodes and a slow one without cpus (HMAT)
                 tiny  two nodes, the second with 64 MiB
                 nomem two nodes, the second without memory
  -f FILE        take this file along, or this folder, and what its programs need
  -e NAME=VALUE  set a variable for the command
  -a ARGUMENTS   for the kernel's command line
  -T SECONDS     the command's time (300)
  --kernel       fetch the kernel if need be and print its path

Exit status: the command's; 77: qemu or the kernel cannot be had; 124: out of time;
125: the lab itself failed, or was called wrongly.
END
}

fail() {
    printf 'lab: %s\n' "$*" >&2
    exit 125
}

skip() {
    printf 'lab: skipped: %s\n' "$*" >&2
    exit 77
}

# ---- the kernel ---------------------------------------------------------------------

cache=${NT_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/numatally/lab}

# The package to take it from: 6.12 knows every policy, Debian 12's own 6.1 most.
kernel_package() {
    local meta name
    for meta in linux-image-6.12-cloud-amd64 linux-image-cloud-amd64; do
        name=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9]\)/\1/p')
        [ -z "$name" ] || break
    done
    printf '%s' "${name%%$'\n'*}"
}

# Download the package into the folder $1 and keep its kernel, nothing else. Package
# lists may be missing or stale, and mirrors fail now and then: so it is tried again.
download_kernel() {
    local package attempt admin=()
    [ "$(id -u)" = 0 ] || admin=(sudo -n)
    for attempt in 1 2 3; do
        package=$(kernel_package)
        [ -z "$package" ] || (cd "$1" && apt-get -q download "$package") && break
        [ "$attempt" -lt 3 ] || return 1
        sleep $((attempt * 3))
        "${admin[@]}" apt-get -q update || true
    done
    dpkg-deb --fsys-tarfile "$1"/linux-image-*.deb | tar -x -C "$1" --wildcards './boot/vmlinuz-*'
}

# Print the path of the kernel.
kernel() {
    local made
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9 # tests that run side by side fetch it once
    if ! compgen -G "$cache/vmlinuz-*" >/dev/null; then
        command -v apt-get >/dev/null ||
            skip "no apt-get here to fetch a kernel with: put a vmlinuz-* into $cache"
        made=$(mktemp -d "$cache/fetch.XXXXXX")
        if download_kernel "$made" >"$cache/fetch.log" 2>&1; then
            mv "$made"/boot/vmlinuz-* "$cache/"
            rm -r "$made"
        else
            rm -r "$made"
            tail -n 3 "$cache/fetch.log" >&2
            skip "Debian's kernel cannot be fetched ($cache/fetch.log): look at the" \
                "network, or put a vmlinuz-* into $cache"
        fi
    fi
    exec 9>&-
    find "$cache" -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n 1
}

# ---- the machine --------------------------------------------------------------------

# nodes: "CPUS MIB [INITIATOR]" each, "-" for no cpus, 0 for no memory.
# apart: distances 0-1, 0-2, .. 1-2, 1-3, .., in this order.
# hmat:  "FROM TO NANOSECONDS GB/S" each.
describe() {
    nodes=() apart=() hmat=()
    local i j
    case $1 in
    1x2) nodes=("0-1 512") ;;
    2x2) nodes=("0-1 1024" "2-3 1024") apart=(21) ;;
    4x1) nodes=("0 512" "1 512" "2 512" "3 512") apart=(16 22 16 16 22 16) ;;
    8x1)
        for i in {0..7}; do
            nodes+=("$i 256")
            for ((j = i + 1; j < 8; j++)); do
                apart+=($((i / 4 == j / 4 ? 12 : 32)))
            done
        done
        ;;
    hbm)
        nodes=("0-1 512 0" "2-3 512 1" "- 256 0") apart=(21 13 23)
        hmat=("0 0 100 100" "0 1 200 50" "0 2 130 400" "1 0 200 50" "1 1 100 100" "1 2 230 100")
        ;;
    cxl)
        nodes=("0-1 512 0" "2-3 512 1" "- 512 0") apart=(21 40 50)
        hmat=("0 0 100 100" "0 1 200 50" "0 2 400 30" "1 0 200 50" "1 1 100 100" "1 2 500 20")
        ;;
    tiny) nodes=("0-1 512" "2-3 64") apart=(21) ;;
    nomem) nodes=("0-1 512" "2-3 0") apart=(21) ;;
    *) fail "unknown topology '$1': take 1x2, 2x2, 4x1, 8x1, hbm, cxl, tiny or nomem" ;;
    esac
}

# qemu's options for a topology, in `machine`.
assemble() {
    describe "$1"
    local n to row cpus mib initiator memory=0 last=0 hmat_option='' pair=0 from ns rate
    local numa=() last_cpu
    for n in "${!nodes[@]}"; do
        read -r cpus mib initiator <<<"${nodes[n]}"
        row="node,nodeid=$n"
        if [ "$cpus" != - ]; then
            row+=",cpus=$cpus"
            last_cpu=${cpus#*-}
            [ "$last_cpu" -lt "$last" ] || last=$((last_cpu + 1))
        fi
        if [ "$mib" != 0 ]; then
            numa+=(-object "memory-backend-ram,id=ram$n,size=${mib}M")
            row+=",memdev=ram$n"
            memory=$((memory + mib))
        fi
        numa+=(-numa "$row${initiator:+,initiator=$initiator}")
    done
    for n in "${!nodes[@]}"; do
        for ((to = n + 1; to < ${#nodes[@]}; to++)); do
            numa+=(-numa "dist,src=$n,dst=$to,val=${apart[pair]}")
            pair=$((pair + 1))
        done
    done
    for row in "${hmat[@]}"; do
        hmat_option=,hmat=on
        read -r from to ns rate <<<"$row"
        row="hmat-lb,initiator=$from,target=$to,hierarchy=memory"
        numa+=(-numa "$row,data-type=access-latency,latency=$ns"
            -numa "$row,data-type=access-bandwidth,bandwidth=${rate}G")
    done
    machine=(-machine "q35$hmat_option" -smp "$last" -m "${memory}M" "${numa[@]}")
    # The device is of use only where the processor can do it.
    if [ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
        machine+=(-accel kvm -cpu host)
    else
        machine+=(-accel "tcg,thread=multi" -cpu max)
    fi
}

# ---- what is inside -----------------------------------------------------------------

# pack FILE: to the same path in $root, with what it loads.
pack() {
    local path library
    path=$(realpath -s -- "$1")
    [ -e "$path" ] || fail "there is no $1 to take along"
    [ ! -e "$root$path" ] || return 0
    mkdir -p "$root${path%/*}"
    cp -L -- "$path" "$root$path"
    # ldd fails for what is no program: then there is nothing to load.
    for library in $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true); do
        mkdir -p "$root${library%/*}"
        [ -e "$root$library" ] || cp -L -- "$library" "$root$library"
    done
}

# The first process of the machine. Marks on the second serial line say how far it got.
first_process() {
    printf '#!/bin/sh\nexport HOME=/tmp PATH=%q:/usr/bin:/bin:/usr/sbin\n' "$PATH"
    cat <<'END'
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
END
    local variable
    for variable in "${variables[@]}"; do
        printf 'export %q\n' "$variable"
    done
    # Interactive output would come with carriage returns.
    printf 'stty -F /dev/ttyS0 -onlcr\ncd %q 2>/dev/null || cd /\n' "$PWD"
    printf 'echo reached >/dev/ttyS1\n%s </dev/null >/dev/ttyS0 2>&1\n' "$(printf '%q ' "$@")"
    # shellcheck disable=SC2016  # expanded inside
    printf 'echo "status $?" >/dev/ttyS1\npoweroff -f\n'
}

# ---- running it ---------------------------------------------------------------------

boot_seconds=120 # a boot that has not reached the command by then is given up

# One boot. True: the command was reached, whatever became of it.
boot() {
    local started=$SECONDS reached=''
    : >"$work/marks"
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none "${machine[@]}" \
        -kernel "$kernel" -initrd "$work/initrd" \
        -append "console=ttyS2 quiet panic=-1 $arguments" \
        -serial stdio -serial "file:$work/marks" -serial "file:$work/console" \
        </dev/null 2>"$work/qemu" &
    qemu=$!
    while kill -0 "$qemu" 2>/dev/null; do
        if [ -z "$reached" ] && grep -q reached "$work/marks"; then
            reached=yes started=$SECONDS
        elif [ -z "$reached" ] && [ $((SECONDS - started)) -ge "$boot_seconds" ]; then
            kill -KILL "$qemu"
        elif [ -n "$reached" ] && [ $((SECONDS - started)) -ge "$limit" ]; then
            { kill -KILL "$qemu" && wait "$qemu"; } 2>/dev/null || true
            printf '\nlab: out of time after %d s (-T gives it more)\n' "$limit" >&2
            exit 124
        fi
        sleep 0.1
    done
    wait "$qemu" 2>/dev/null || true
    qemu=''
    grep -q reached "$work/marks"
}

topology=2x2 limit=300 arguments='' files=() variables=() qemu=''
while getopts ':t:f:e:a:T:h-:' option; do
    case $option in
    t) topology=$OPTARG ;;
    f) files+=("$OPTARG") ;;
    e) [[ $OPTARG == [A-Za-z_]*=* ]] || fail "-e $OPTARG: want NAME=VALUE"
        variables+=("$OPTARG") ;;
    a) arguments=$OPTARG ;;
    T) [[ $OPTARG =~ ^[1-9][0-9]*$ ]] || fail "-T $OPTARG: want seconds, 1 and up"
        limit=$OPTARG ;;
    h) usage && exit 0 ;;
    -) case $OPTARG in
        help) usage && exit 0 ;;
        kernel) kernel && exit 0 ;;
        *) fail "unknown option --$OPTARG (--help lists them)" ;;
        esac ;;
    *) fail "option -$OPTARG is unknown or wants a value (--help lists them)" ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || fail "no command to run (--help says how)"
assemble "$topology"
for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio; do
    command -v "${tool%:*}" >/dev/null ||
        skip "no ${tool%:*} here: apt-get install ${tool#*:}, or let ./dev test do it"
done
kernel=$(kernel)

work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-lab.XXXXXX")
trap '[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,usr/bin}
pack "$(command -v busybox)"
busybox=$(realpath -s -- "$(command -v busybox)")
for tool in $(busybox --list); do
    ln -sf "$busybox" "$root/bin/$tool"
done
for file in "${files[@]}"; do
    if [ -d "$file" ]; then
        while IFS= read -r -d '' inner; do
            pack "$inner"
        done < <(find "$file" -type f -print0)
    else
        pack "$file"
    fi
done
program=$1
shift
if [ ! -e "$root/bin/$program" ]; then # else it is one of busybox's
    found=$(command -v -- "$program") ||
        fail "no such program: $program: name one of this machine or of busybox"
    program=$(realpath -s -- "$found")
    pack "$program"
fi
first_process "$program" "$@" >"$root/init"
chmod +x "$root/init"
(cd "$root" && find . -print0 | cpio --null --create --format=newc --quiet) >"$work/initrd"

for attempt in 1 2 3; do # the command itself never runs twice
    ! boot || break
    printf 'lab: boot %d of 3 did not reach the command\n' "$attempt" >&2
    [ "$attempt" -lt 3 ] || {
        tail -n 5 "$work/qemu" "$work/console" >&2
        fail "no boot reached the command"
    }
done
status=$(tr -d '\r' <"$work/marks" | awk '$1 == "status" { print $2 }')
[ -n "$status" ] || {
    tail -n 20 "$work/console" >&2
    fail "the machine stopped without a status: its last words are above"
}
exit "$status"
