# SPDX-License-Identifier: MIT
#
# For the tests of doctor, beside lib.bash: a root folder in which all is well, and what the
# last run found.
root=$work/root
# shellcheck disable=SC2154  # lib.bash's
doctor=("$tool" doctor --json --root "$root")
doctor() { "${doctor[@]}" "$@"; }

# put FILE TEXT: a file of the root.
put() {
    mkdir -p "$root/$(dirname "$1")"
    printf '%b\n' "$2" >"$root/$1"
}

make_root() {
    rm -rf "$root"
    mkdir -p "$root/dev/shm" "$root/tmp"
    put proc/self/maps 'a\nb\nc'
    put proc/self/status 'Cpus_allowed_list:	0-3\nSeccomp:	0'
    put proc/self/cgroup '0::/'
    put proc/meminfo 'MemTotal: 16777216 kB\nCommitLimit: 8488608 kB\nCommitted_AS: 100000 kB'
    put proc/sys/vm/max_map_count 65530
    put proc/sys/vm/overcommit_memory 0
    put proc/sys/vm/zone_reclaim_mode 0
    put proc/sys/kernel/numa_balancing 0
    put sys/devices/system/cpu/online 0-3
    put sys/devices/system/node/online 0
    put sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never'
    put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 0
    put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 0
}

# look STATUS COMMAND...: try it; a finding a line, "LEVEL CHECK VALUE", in $work/findings.
# Each has all its parts, and whoever has something to say says what to do.
look() {
    try "$@"
    "$python" - "$work/out" >"$work/findings" <<'PY' || fail "no good JSON: $*"
import json, sys
o = json.load(open(sys.argv[1], encoding="utf-8"))
assert o["format"] == "numatally-doctor" and o["format_version"] == 1
for f in o["findings"]:
    assert set(f) == {"check", "level", "value", "text", "advice"}
    assert f["value"] and f["text"].endswith("."), f
    assert f["level"] != "problem" or f["advice"], f
    print(f["level"], f["check"], f["value"].replace("\n", " "))
for level in "problem", "note":
    assert o[level + "s"] == sum(f["level"] == level for f in o["findings"])
PY
}

# is LEVEL CHECK [VALUE]: it was found, with a value that matches; lacks: it was not.
is() { grep -qE "^$1 $2 .*${3-}" "$work/findings" || { cat "$work/findings" >&2; fail "no $1: $2: ${3-}"; }; }
lacks() { ! grep -qE "^$1 $2 .*${3-}" "$work/findings" || fail "$1 of $2: $(grep "^$1 $2" "$work/findings")"; }

# A malloc of its own, that gives nothing back.
make_malloc() {
    cat >"$1" <<'END'
#include <stddef.h>
#include <string.h>
static char heap[1 << 26] __attribute__((aligned(16)));
static size_t used;
void *malloc(size_t n)
{
    size_t at = __atomic_fetch_add(&used, (n + 31) & ~(size_t)15, __ATOMIC_RELAXED);
    memcpy(heap + at, &n, sizeof n);
    return heap + at + 16;
}
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n)
{
    void *q = malloc(n);
    size_t old = 0;
    if (p)
        memcpy(&old, (char *)p - 16, sizeof old);
    return memcpy(q, p ? p : q, old < n ? old : n);
}
void free(void *p) { (void)p; }
END
}

compile() { "${CC:-cc}" "$@" 2>"$work/err" || fail "cc $*"; }

# counts [NAME=VALUE...] -- PROGRAM: does `numatally run` have figures of it? The oracle for
# what doctor says without running anything.
counts() {
    local settings=()
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    env "${settings[@]}" "$tool" run --report "$work/counted.json" "$@" >/dev/null 2>"$work/err"
    # A few come from calls that another malloc lacks, such as memalign.
    grep -qE '"allocations_total":[0-9]{2}' "$work/counted.json"
}
