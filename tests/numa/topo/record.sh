#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print this machine as a file for this folder: what the library reads of /sys. The
# sections "expect", "free" and "nearest" are to be written by hand (see README.md).
cd "${1:-/sys/devices/system/node}" || exit
for file in online has_memory node[0-9]*/cpulist node[0-9]*/distance node[0-9]*/meminfo; do
    [ -e "$file" ] || continue
    echo "== $file"
    case $file in
    */meminfo) head -n 16 "$file" ;;
    *) cat "$file" ;;
    esac
done
