#!/bin/sh
# SPDX-License-Identifier: MIT
#
# aarch64-root.sh FOLDER: what Debian's cross compiler for aarch64 is to find as that
# machine's root: libraries and headers of Debian 12's arm64 packages, unpacked below FOLDER.
# The packages come by an apt of their own: this machine's need not know of arm64, and stays
# as it is. Does nothing when FOLDER has them already.
set -eu

wanted="libc6-dev libnuma-dev libjansson-dev libhwloc-dev libdw-dev libiberty-dev
libprotobuf-c-dev zlib1g-dev libncurses-dev libcmocka-dev"

fail() {
    printf 'aarch64-root: %s\n' "$*" >&2
    exit 1
}

[ $# = 1 ] || fail "which folder? usage: aarch64-root.sh FOLDER"
root=$1
[ "$(cat "$root/.packages" 2>/dev/null)" != "$wanted" ] || exit 0
command -v apt-get >/dev/null || fail "no apt-get here: this is for Debian 12"

# The root is put in its place when it is complete.
mkdir -p "$(dirname "$root")"
work=$(cd "$(dirname "$root")" && mktemp -d "$PWD/aarch64-root.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/root" "$work/state/lists/partial" "$work/cache/archives/partial"
: >"$work/status"
# shellcheck disable=SC2016  # apt-get's own variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' \
    'Codename: bookworm' 'Component: main' | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian}
echo "deb $mirror bookworm main" >"$work/sources"
# Of this machine's settings, how to fetch (proxies) and nothing else.
{
    apt-config dump Acquire
    cat <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$work/sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Log "$work";
END
} >"$work/apt.conf"
export APT_CONFIG="$work/apt.conf"
echo "aarch64-root: fetching arm64 packages from $mirror" >&2
# shellcheck disable=SC2086  # a list
{ apt-get -q update -o APT::Update::Error-Mode=any &&
    apt-get -q -y --download-only install $wanted; } >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "the packages for $root could not be fetched (above: why).
This needs the Debian mirror $mirror once, with arm64 and bookworm."
}
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$work/root"
done
# A link to /lib/... means the root's.
find "$work/root" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$work/root$(readlink "$link")" "$link"
done
printf '%s\n' "$wanted" >"$work/root/.packages"
rm -rf "$root"
mv "$work/root" "$root"
