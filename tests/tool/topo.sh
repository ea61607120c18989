#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally topo from outside: this machine beside /sys and numactl, hwloc's files, made-up
# machines, every format, every refusal; and that a line it exports is the machine again.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
unset NUMATALLY_TOPOLOGY HWLOC_XMLFILE HWLOC_SYNTHETIC HWLOC_COMPONENTS
machines=$NT_SOURCE/tests/tool/topo

# ---- this machine
try 0 "$tool" topo
[ ! -s "$work/err" ] || fail "something was complained about"
out '^This machine: [0-9]+ nodes? \('
out '^Node distances'
if [ -r /sys/devices/system/node/online ]; then
    out "nodes? \\($(cat /sys/devices/system/node/online)\\)"
    for node in /sys/devices/system/node/node[0-9]*; do
        id=${node##*node}
        read -r distances <"$node/distance"
        cpus=$(cat "$node/cpulist")
        out "^ *$id .* ${cpus:-none}\$"
        # shellcheck disable=SC2086,SC2046  # words on purpose
        out "^$(printf '%4d' "$id")$(printf ' %4d' $distances)\$"
    done
fi
if numactl --hardware >"$work/numactl" 2>/dev/null; then
    try 0 "$tool" topo --json
    python3 - "$work/out" "$work/numactl" <<'PY' || fail "numactl says something else"
import json, re, sys
ours, theirs = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
for node in ours["nodes"]:
    mib = re.search(rf"^node {node['node']} size: (\d+) MB", theirs, re.M)
    cpus = re.search(rf"^node {node['node']} cpus:(.*)", theirs, re.M)
    assert int(mib[1]) == node["memory_bytes"] >> 20, (mib[1], node)
    assert len(cpus[1].split()) == node["cpu_count"], (cpus[1], node)
    assert 0 < node["free_bytes"] <= node["memory_bytes"], node
PY
fi
try 0 "$tool" topo --export
line=$(cat "$work/out")
try 0 env NUMATALLY_TOPOLOGY="$line" "$tool" topo --export
[ "$(cat "$work/out")" = "$line" ] || fail "the line $line is another machine"

# ---- hwloc's files
try 0 "$tool" topo --input "$machines/hbm.xml"
out '^.*hbm.xml: 4 nodes \(0-3\), 8 cpus, 384.00 GiB of memory$'
out '^ +0 +128.00 GiB +- +dram +234.4 GiB/s +95 ns +yes +0-3$'
out '^ +3 +64.00 GiB +- +hbm +683.6 GiB/s +120 ns +yes +none$'
out '^ +2 +13 +23 +10 +23$'
out '^fastest +nodes 2-3 \(128.00 GiB\)$'
out '^largest +nodes 0-1 \(256.00 GiB\)$'
for machine in "$machines"/*.xml; do
    try 0 "$tool" topo --input "$machine" --export
    [ ! -s "$work/err" ] || fail "$machine: something was complained about"
    line=$(cat "$work/out")
    try 0 env NUMATALLY_TOPOLOGY="$line" "$tool" topo --export
    [ "$(cat "$work/out")" = "$line" ] || fail "$machine: $line is another machine"
    # The library itself: as many nodes, and none of the line was refused.
    try 0 env NUMATALLY_TOPOLOGY="$line" NUMATALLY_CONF="report:$work/record.json" \
        LD_PRELOAD="$NT_BUILD/libnumatally_malloc.so" ls /
    no_err NUMATALLY_TOPOLOGY
    json "$work/record.json" "len(r[0]['nodes']) == $(grep -o '/node' <<<"/$line" | wc -l)"
    try 0 "$tool" topo --input "$machine" --svg
    xmllint --noout "$work/out" 2>/dev/null || python3 -c '
import sys, xml.dom.minidom
xml.dom.minidom.parse(sys.argv[1])' "$work/out" || fail "$machine: the picture is no XML"
done
try 0 "$tool" topo -i "$machines/cxl.xml" --json
json "$work/out" "r[0]['source'] == 'hwloc file' and r[0]['tiers']['cxl'] == '2'"
json "$work/out" "[n['tier_guessed'] for n in r[0]['nodes']] == [False, False, True]"
json "$work/out" "r[0]['nodes'][2]['latency_ns'] == 350 and not r[0]['distances_known']"
# A cpuset, as hwloc records it.
sed 's/allowed_nodeset="0x00000003"/allowed_nodeset="0x00000001"/' "$machines/two.xml" >"$work/half.xml"
try 0 "$tool" topo -i "$work/half.xml" --export
out ':mem=64G:distance=21,10:forbidden$'

# ---- made-up machines
try 0 env NUMATALLY_TOPOLOGY=2x4 "$tool" topo
out '^Made up by NUMATALLY_TOPOLOGY: 2 nodes \(0-1\), 8 cpus$'
out '^ +1 +not known +- +dram .* 4-7$'
try 0 env NUMATALLY_TOPOLOGY=node0:cpus=0:mem=7Q "$tool" topo
err '"mem=7Q" lacks its unit'
out '^This machine'

# ---- a process
sleep 100 &
sleeper=$!
trap 'kill $sleeper; rm -rf "$work"' EXIT
if [ -r /proc/$sleeper/numa_maps ] && [ -n "$(cat /proc/$sleeper/numa_maps)" ]; then
    try 0 "$tool" topo --pid $sleeper
    out "^process = pages that $sleeper \\(.+\\) has in memory there"
    try 0 "$tool" topo --pid=$sleeper --json
    json "$work/out" "r[0]['pid'] == $sleeper and sum(n['process_bytes'] for n in r[0]['nodes']) > 100000"
    try 0 "$tool" topo --pid=$sleeper --svg="$work/picture.svg"
    [ ! -s "$work/out" ] || fail "the picture came out twice"
    grep -q "Memory of process $sleeper" "$work/picture.svg" || fail "no process in the picture"
fi
try 1 "$tool" topo --pid 2147483647
err '\-\-pid 2147483647: there is no such process'

# ---- refusals
try 1 env NUMATALLY_TOPOLOGY=2x1 "$tool" topo --pid $sleeper
err 'not on that of NUMATALLY_TOPOLOGY, which is set'
try 1 "$tool" topo --input /nonexistent.xml
err '\-\-input /nonexistent.xml cannot be read: No such file'
try 1 "$tool" topo --input "$0"
err 'write one with: lstopo FILE.xml'
try 1 "$tool" topo --svg=/nonexistent/picture.svg
err '\-\-svg=/nonexistent/picture.svg cannot be written: No such file'
try 2 "$tool" topo --pid x
err '\-\-pid is "x"'
try 2 "$tool" topo --json --svg
err 'only one of --json, --svg and --export'
try 2 "$tool" topo --pid 1 --export
try 2 "$tool" topo --pid 1 --input "$machines/two.xml"
err 'leave one of them out'
try 2 "$tool" topo "$machines/two.xml"
err 'a file is read with --input='
if [ -e /dev/full ]; then
    for format in "" --json --svg --export; do
        # shellcheck disable=SC2016,SC2086  # for the inner shell; no format is no word
        try 1 bash -c '"$@" >/dev/full' - "$tool" topo $format
        err 'No space left on device'
    done
fi
# Settings are the programs', not the tool's.
try 0 env NUMATALLY_CONF=report:exit,nonsense "$tool" topo
[ ! -s "$work/err" ] || fail "the tool took the library's settings"
try 0 "$tool" topo --help
out 'NUMATALLY_TOPOLOGY'
try 2 "$tool" tpo
err 'did you mean "numatally topo"'
echo "ok"
