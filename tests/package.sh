#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The Debian packages: lintian finds no error, and in a fresh Debian 12 in a folder they
# install, other programs are built with them, the tool runs one, and they go without a trace.
# Needs root and a mirror.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
[ "$(id -u)" = 0 ] || { echo "needs root, for chroot"; exit 77; }
cd "$source_dir"
work=$(mktemp -d /var/tmp/numatally-package.XXXXXX)
# The mounts live in a namespace of their own, and end with it.
trap 'rm -rf --one-file-system "$work"' EXIT

echo "building"
cmake --preset package >"$work/log" 2>&1 && cmake --build --preset package >>"$work/log" 2>&1 &&
    cpack --config build/package/CPackConfig.cmake -B "$work/debs" >>"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
rm -r "$work/debs/_CPack_Packages"
lintian --allow-root --fail-on error "$work"/debs/*.deb

echo "a fresh Debian"
root=$work/root
# shellcheck disable=SC2016  # apt-get's own variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' \
    'Codename: bookworm' 'Component: main' | head -n 1)
debootstrap --variant=minbase --include=ca-certificates,gcc,g++,gfortran,libc6-dev,cmake,ninja-build,pkg-config,libnuma-dev,libdw1,libhwloc15,libjansson4,libprotobuf-c1,libncursesw6 \
    bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 ||
    { tail -n 30 "$work/log"; exit 1; }
mkdir "$root/mnt/debs" "$root/mnt/users"
cp "$work"/debs/*.deb "$root/mnt/debs"
cp tests/users/* "$root/mnt/users"

cat >"$root/mnt/inside.sh" <<'END'
set -euo pipefail
export HOME=/root TMPDIR=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
# All files but what says when something happened.
files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /mnt -o -path /tmp -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /root \) -prune \
        -o -type f -printf '%p %m %s\n' -o -printf '%p %y %m %l\n' | grep -v '^/etc/ld.so.cache ' | sort
}
files >/mnt/before
apt install -y /mnt/debs/*.deb
numatally --version
numatally run -- ls / 2>/mnt/report >/mnt/out
grep -q '^Allocations' /mnt/report
ls / | cmp - /mnt/out
LD_PRELOAD=libnumatally_malloc.so NUMATALLY_CONF=report:/mnt/own.txt /bin/true
grep -q '^Allocations' /mnt/own.txt
numatally doctor >/mnt/doctor
bash /mnt/users/use.sh /usr
dpkg --purge numatally libnumatally-dev libnumatally0
files | diff /mnt/before - || { echo "something was left behind"; exit 1; }
END
# shellcheck disable=SC2016  # expanded by the inner shell
unshare --mount sh -c 'mount --rbind /proc "$0/proc" && mount --rbind /sys "$0/sys" &&
    mount --rbind /dev "$0/dev" && exec chroot "$0" bash /mnt/inside.sh' "$root" 2>&1
