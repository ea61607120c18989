#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Findings about nodes, on a machine that has two, one of them small (the lab's `tiny`): pages
# elsewhere than asked, and all on one node. The program, the library and the tool run there.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/../tool/lib.bash"
cd "$work" || exit 1
"${CC:-cc}" -D_GNU_SOURCE -g -O2 -fno-builtin -pthread -o misplacing "$NT_SOURCE/tests/patterns/misplacing.c" ||
    fail "misplacing.c does not compile"
# The lab's console is a terminal: a slow machine shows the tool's progress on it.
cat >inside.sh <<END
[ ! -e /proc/sys/kernel/numa_balancing ] || echo 0 >/proc/sys/kernel/numa_balancing
cd /tmp
for what in full moved oneside clean; do
    NUMATALLY_CONF=report:/tmp/r.json,sample:16K,sample_seed:7 \\
        LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so $work/misplacing \$what || echo "\$what: status \$?"
    echo "\$what findings \$($tool report --findings --format json r.json 2>err || cat err)"
done
END
unwinder=$(ldconfig -p | sed -n 's/.*libgcc_s\.so\.1 .*=> //p' | head -n 1)
bash "$NT_SOURCE/tests/lab/lab.sh" -t tiny -f "$work/misplacing" -f "$tool" -f "$work/inside.sh" \
    -f "$NT_BUILD/libnumatally_malloc.so" -f "$unwinder" sh "$work/inside.sh" >out 2>err
status=$?
[ $status != 77 ] || skip "$(tail -n 1 err)"
[ $status = 0 ] || fail "the lab ended with $status"

# found WHAT [KIND]: that finding of that program, or none, and where it comes from.
found() {
    sed -n "s/^$1 findings //p" out >"$1.json"
    json "$1.json" "[f['kind'] for f in r[0]['findings']] == '${2-}'.split()"
    json "$1.json" "all(f['where'][0].startswith('assemble (misplacing.c:') for f in r[0]['findings'])"
}
found full elsewhere
json full.json "'node 1 lie on another node: that node is full' in r[0]['findings'][0]['sentence']"
json full.json "r[0]['findings'][0]['cost'] > 20 * 2**20"
found moved elsewhere
json moved.json "'moved since' in r[0]['findings'][0]['sentence']"
json moved.json "5 * 2**20 < r[0]['findings'][0]['cost'] < 9 * 2**20"
found oneside imbalance
json oneside.json "'are on node 0' in r[0]['findings'][0]['sentence']"
found clean
echo "ok"
