#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The sampling profiler from outside: stacks of known programs, found again by addr2line;
# estimates of known programs over a hundred seeds; libraries that come and go; settings that
# make no sense.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
command -v addr2line >/dev/null || skip "there is no addr2line"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so

cat >stacks.py <<'PY'
"""stacks.py RECORD: each site as "samples live_bytes innermost<...<outermost"."""
import json, os, subprocess, sys

record = json.loads(open(sys.argv[1]).readline())
profile = record["profile"]


def module(generation, pc):
    found = [m for m in profile["modules"] if m["start"] <= pc - 1 < m["end"]
             and m["from_generation"] <= generation < m["to_generation"]]
    return found[0] if len(found) == 1 else None


unknown = 0
wanted = {}
for site in profile["sites"]:
    for pc in site["stack"]:
        m = module(site["generation"], pc)
        unknown += m is None
        if m and os.path.exists(m["path"]):
            wanted.setdefault(m["path"], set()).add(pc - 1 - m["bias"])
names = {}
for path, offsets in wanted.items():
    offsets = sorted(offsets)
    lines = subprocess.run(["addr2line", "-f", "-C", "-e", path], check=True, text=True,
                           input="".join(f"{o:#x}\n" for o in offsets),
                           capture_output=True).stdout.splitlines()
    for offset, name in zip(offsets, lines[::2]):
        names[path, offset] = name.split("(")[0]
for site in profile["sites"]:
    chain = []
    for pc in site["stack"]:
        m = module(site["generation"], pc)
        chain.append(names.get((m["path"], pc - 1 - m["bias"]), "?") if m else "??")
    print(site["samples_total"], site["live_requested_bytes_now"], "<".join(chain))
print(unknown, "addresses in no module")
PY
stacks() { python3 stacks.py "$1" >out || fail "stacks.py $1"; }

# ---- Stacks ----------------------------------------------------------------------------

cat >chain.c <<'C'
#include <signal.h>
#include <stdlib.h>
#define KEEP __attribute__((noinline, noclone))
#define AFTER __asm__ volatile("" ::: "memory")
static void *volatile kept;
KEEP void inner(size_t n) { kept = malloc(n); AFTER; }
KEEP void middle(size_t n) { inner(n); AFTER; }
KEEP void outer(size_t n) { middle(n); AFTER; }
KEEP void jumper(size_t n) { inner(n); }
KEEP void above(size_t n) { jumper(n); AFTER; }
KEEP void with_realloc(void) { kept = realloc(malloc(10), 70000); AFTER; }
KEEP void with_large(void) { kept = calloc(3, 1 << 20); AFTER; }
KEEP void with_aligned(void) { kept = aligned_alloc(4096, 8192); AFTER; }
static void handler(int number) { (void)number; inner(444); AFTER; }
KEEP void interrupted(void) { raise(SIGUSR1); AFTER; }
int main(void)
{
    for (int i = 0; i < 10; i++)
        outer(333);
    above(222);
    with_realloc();
    with_large();
    with_aligned();
    signal(SIGUSR1, handler);
    interrupted();
    return 0;
}
C
flags=(-g -O2 -fno-ipa-icf)
"${CC:-cc}" "${flags[@]}" -fomit-frame-pointer -o chain chain.c || fail "chain.c does not compile"
"${CC:-cc}" "${flags[@]}" -fno-omit-frame-pointer -o frames chain.c
for how in tables frames; do
    program=chain
    [ $how = tables ] || program=frames
    NUMATALLY_CONF=sample_stack:$how try 0 "$tool" run --sample 1 --report $how.json -- ./$program
    stacks $how.json
    out '^10 3330 inner<middle<outer<main'
    out '^1 3145728 with_large<main'
    out '^1 8192 with_aligned<main'
    out '^1 70000 with_realloc<main'
    out '^1 222 inner<above<main' # a caller that jumped is not there
    out '^0 addresses in no module'
    json $how.json 'r[0]["profile"]["interval_bytes"] == 1 and r[0]["profile"]["sampling"]'
    json $how.json 'r[0]["profile"]["total"]["requested_bytes_total_error"] == 0'
done
stacks tables.json
out '^1 444 inner<handler<.*interrupted<main' # the signal's own frame has no name
try 0 "$tool" report tables.json
out 'one block for each 1 bytes'
out '^    main( [(]|$)'
try 0 "$tool" report --format json tables.json
cmp -s out tables.json || fail "the record is not the same, printed again"

cat >throw.cc <<'C'
#include <vector>
struct big { char bytes[5000]; };
__attribute__((noinline)) void throws(int n) { if (n == 0) throw big(); throws(n - 1); asm volatile(""); }
__attribute__((noinline)) void *in_catch() { return new char[777]; }
static void *volatile kept;
int main()
{
    try {
        throws(5);
    } catch (const big &) {
        kept = in_catch();
        try { throws(2); } catch (...) { kept = in_catch(); }
    }
    std::vector<int> v(1000);
    kept = v.data();
    return 0;
}
C
"${CXX:-c++}" -g -O1 -o throw throw.cc || fail "throw.cc does not compile"
try 0 "$tool" run --sample 1 --report throw.json -- ./throw
stacks throw.json
out '^1 0 [^ ]*throws<throws<throws<throws<throws<throws<main'
out '^1 0 [^ ]*throws<throws<throws<main'
out '^1 777 .*in_catch<main'
out 'addresses in no module'

if command -v gfortran >/dev/null; then
    cat >array.f90 <<'F'
module m
contains
  subroutine fill(a, n)
    real(8), allocatable, intent(out) :: a(:)
    integer, intent(in) :: n
    allocate(a(n))
    a = 1
  end subroutine
end module
program p
  use m
  real(8), allocatable :: a(:)
  call fill(a, 1234)
  if (sum(a) /= 1234) stop 1
end program
F
    gfortran -g -O0 -o array array.f90 || fail "array.f90 does not compile"
    try 0 "$tool" run --sample 1 --report array.json -- ./array
    python3 - <<'PY' || fail "no block of 9872 bytes of Fortran's fill"
import json, subprocess
profile = json.loads(open("array.json").readline())["profile"]
sizes = [s for s in profile["sites"] if s["requested_bytes_total"] == 9872]
assert len(sizes) == 1, sizes
bias = next(m["bias"] for m in profile["modules"] if m["path"].endswith("/array"))
name = subprocess.run(["addr2line", "-f", "-e", "array", hex(sizes[0]["stack"][0] - 1 - bias)],
                      capture_output=True, text=True).stdout.split()[0]
assert "fill" in name, name
PY
fi

# ---- Estimates -------------------------------------------------------------------------

cat >known.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#define SITE(name)                                                                         \
    __attribute__((noinline)) void *name(size_t n)                                         \
    {                                                                                      \
        void *p = malloc(n);                                                               \
        __asm__ volatile("" : "+r"(p)::"memory");                                          \
        return p;                                                                          \
    }
SITE(site_0) SITE(site_1) SITE(site_2) SITE(site_3)
int main(void)
{
    unsigned long live[4] = {0};
    unsigned x = 12345;
    for (int i = 0; i < 60000; i++) {
        x = x * 1103515245u + 12345;
        unsigned r = x >> 16;
        size_t n = 0;
        switch (r % 4) {
        case 0: site_0(n = 16 + r % 64); break;
        case 1: {
            void *p = site_1(n = 100 + r % 2000);
            if (r % 3 == 0)
                free(p), n = 0;
            break;
        }
        case 2: if (i % 10 == 0) site_2(n = 5000 + r % 60000); break;
        default: if (i % 50 == 0) site_3(n = 600000 + r % 4096 * 64); break;
        }
        live[r % 4] += n;
    }
    printf("%lu %lu %lu %lu\n", live[0], live[1], live[2], live[3]);
    return 0;
}
C
"${CC:-cc}" -g -O2 -fno-ipa-icf -o known known.c || fail "known.c does not compile"
cat >pairs.c <<'C'
#include <stdlib.h>
int main(void)
{
    for (int i = 0; i < 10000000; i++) {
        void *p = malloc(48);
        __asm__ volatile("" : "+r"(p)::"memory");
        free(p);
    }
    return 0;
}
C
"${CC:-cc}" -O2 -fno-builtin -o pairs pairs.c || fail "pairs.c does not compile"
cat >seeds.py <<'PY'
import bisect, json, os, subprocess, sys
library = sys.argv[1]
symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in subprocess.run(
    ["nm", "known"], capture_output=True, text=True).stdout.splitlines() if line[:1] != " ")
right = dict.fromkeys(range(4), 0)
ratio = dict.fromkeys(range(4), 0.0)
SEEDS = 100
for seed in range(1, SEEDS + 1):
    env = dict(os.environ, LD_PRELOAD=library,
               NUMATALLY_CONF=f"report:known.json,sample:16K,sample_seed:{seed}")
    out = subprocess.run(["./known"], env=env, capture_output=True, text=True, check=True)
    true = list(map(int, out.stdout.split()))
    profile = json.loads(open("known.json").readline())["profile"]
    bias = next(m["bias"] for m in profile["modules"] if m["path"].endswith("/known"))
    got = {i: (0, 0) for i in range(4)}
    for site in profile["sites"]:
        at = bisect.bisect(symbols, (site["stack"][0] - 1 - bias, "~")) - 1
        name = symbols[at][1]
        if name.startswith("site_"):
            old = got[int(name[5:])]
            got[int(name[5:])] = (old[0] + site["live_requested_bytes_now"],
                                  (old[1] ** 2 + site["live_requested_bytes_now_error"] ** 2) ** .5)
    for i in range(4):
        right[i] += abs(got[i][0] - true[i]) <= 1.96 * got[i][1] + 1
        ratio[i] += got[i][0] / true[i] / SEEDS
print("within 1.96 standard errors:", right, "mean of estimate / truth:", ratio)
ok = all(n >= 90 for n in right.values()) and all(0.9 < r < 1.1 for r in ratio.values())
samples = []
for seed in range(1, 6):
    env = dict(os.environ, LD_PRELOAD=library,
               NUMATALLY_CONF=f"report:pairs.json,sample:64K,sample_seed:{seed}")
    subprocess.run(["./pairs"], env=env, check=True)
    record = json.loads(open("pairs.json").readline())
    assert record["total"]["allocations_total"] >= 10**7
    samples.append(record["profile"]["total"]["samples_total"])
expected = 10**7 * 48 / 65536
print("samples of 10^7 pairs:", samples, "expected:", expected)
ok &= all(abs(n - expected) < 5 * expected ** .5 for n in samples)
sys.exit(not ok)
PY
python3 seeds.py "$library" || fail "estimates are off"

# ---- Libraries that come and go ----------------------------------------------------------

for i in 1 2 3; do
    echo "#include <stdlib.h>
void *guest_$i(void) { void *p = malloc(1000 + $i); __asm__ volatile(\"\" : \"+r\"(p)); return p; }" >guest.c
    "${CC:-cc}" -g -O2 -shared -fPIC -o guest_$i.so guest.c || fail "guest.c does not compile"
done
cat >guests.c <<'C'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static int stop;
static void *others(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        for (int i = 1; i < 3000; i++)
            free(malloc((size_t)i));
    return unused;
}
int main(void)
{
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, others, NULL);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "./guest_%d.so", 1 + i % 3);
        void *library = dlopen(name, RTLD_NOW);
        snprintf(name, sizeof name, "guest_%d", 1 + i % 3);
        void *(*guest)(void) = (void *(*)(void))dlsym(library, name);
        for (int k = 0; k < 10; k++)
            guest();
        dlclose(library);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    puts("done");
    return 0;
}
C
"${CC:-cc}" -g -O2 -o guests guests.c -pthread || fail "guests.c does not compile"
NUMATALLY_CONF=return:0 try 0 "$tool" run --sample 1K --report guests.json -- ./guests
out '^done$'
stacks guests.json
for i in 1 2 3; do
    out "guest_$i<main"
done
python3 - <<'PY' || fail "sites of guests have blocks of others"
import re
sizes = {}
for line in open("out"):
    found = re.match(r"(\d+) \d+ guest_(\d)<main", line)
    if found:
        sizes[found[2]] = sizes.get(found[2], 0) + int(found[1])
# 1000 blocks of 1001 to 1003 bytes each, all kept: 62 % sampled
assert all(500 < n < 750 for n in sizes.values()), sizes
PY

# ---- Many threads ------------------------------------------------------------------------

cat >threads.c <<'C'
#include <pthread.h>
#include <stdlib.h>
static void *work(void *unused)
{
    void *p = malloc(500), *q = malloc(100);
    __asm__ volatile("" : "+r"(p), "+r"(q));
    free(p);
    (void)unused;
    return q;
}
int main(void)
{
    for (int i = 0; i < 100000; i++) {
        pthread_t thread;
        void *q;
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 1;
        pthread_join(thread, &q);
        free(q);
    }
    return 0;
}
C
"${CC:-cc}" -O2 -fno-builtin -o threads threads.c -pthread || fail "threads.c does not compile"
try 0 "$tool" run --sample 4K --report threads.json -- ./threads
json threads.json 'r[0]["threads_total"] >= 100000'
json threads.json 'r[0]["total"]["allocations_total"] >= 200000'
json threads.json 'abs(sum(s["requested_bytes_total"] for s in r[0]["profile"]["sites"]) /
    r[0]["total"]["requested_bytes_total"] - 1) < 0.05'
# The threads' second blocks are freed by another: 100,000 of 100 bytes.
json threads.json 'abs(sum(f["frees_total"] for f in r[0]["profile"]["remote_frees"]) - 100000) < 12000'

# ---- Ends, signals, settings ---------------------------------------------------------------

cat >killed.py <<'PY'
import os, time
kept = [bytes(1000 + n) for n in range(20000)]
for n in range(10): # however long ago the last update was, it is not of the start
    time.sleep(0.3)
    kept += [bytes(1000 + n) for n in range(2000)]
more = [bytes(100000) for n in range(100)]
os.kill(os.getpid(), 9)
PY
try 137 bash -c '"$@"; exit $?' - "$tool" run --sample 64K --report killed.json -- "$python" killed.py
json killed.json 'not r[0]["final"] and r[0]["profile"]["total"]["samples_total"] > 100'
try 0 "$tool" run --report off.json -- "$python" -c 'print(1)'
json off.json '"profile" not in r[0]'

NUMATALLY_CONF=sample_signal:USR2 try 0 "$tool" run --report toggled.json -- "$python" -c '
import os, signal
kept = [bytes(3000) for n in range(5000)]
os.kill(os.getpid(), signal.SIGUSR2)
kept += [bytes(700) for n in range(50000)]
os.kill(os.getpid(), signal.SIGUSR2)
kept += [bytes(3000) for n in range(5000)]'
json toggled.json 'not r[0]["profile"]["sampling"]'
json toggled.json 'r[0]["profile"]["interval_bytes"] == 512 * 1024'
json toggled.json '15e6 < r[0]["profile"]["total"]["requested_bytes_total"] < 70e6'

# ---- fork, while others are in the dynamic linker and allocate there ----------------------

cat >forks.c <<'C'
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void pair(size_t n) { void *volatile p = malloc(n); free(p); }
static int on_object(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info, (void)size, (void)unused;
    pair(700000);
    return 0;
}
static void *ask(void *unused) { for (;;) dl_iterate_phdr(on_object, unused); }
static void *churn(void *unused) { for (;;) pair(200); return unused; }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, ask, NULL);
    pthread_create(&thread, NULL, churn, NULL);
    pthread_create(&thread, NULL, churn, NULL);
    for (int i = 0; i < 400; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 100; k++)
                pair(100);
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        if (status != 0)
            _exit(1);
    }
    _exit(0);
}
C
"${CC:-cc}" -O2 -fno-builtin -o forks forks.c -pthread || fail "forks.c does not compile"
try 0 env NUMATALLY_CONF=sample:64 LD_PRELOAD="$library" ./forks

for bad in -1 1.5 2T x 99999999999999999999999 1KK ''; do
    try 0 env NUMATALLY_CONF="sample:$bad" LD_PRELOAD="$library" ls /
    err "NUMATALLY_CONF: sample:$bad is no such number; it may be off, or a number of bytes from 1 to 1T"
    try 125 "$tool" run --sample="$bad" -- ls
    err "may be off, or a number of bytes from 1 to 1T such as 512K"
done
for off in off 0; do
    try 0 env NUMATALLY_CONF=sample:$off,report:zero.json LD_PRELOAD="$library" ls /
    no_err .
    json zero.json '"profile" not in r[0]'
done
try 0 env NUMATALLY_CONF=sample:1,sample_stack:both,sample_seed:-3 LD_PRELOAD="$library" ls /
err 'sample_stack:both is unknown; it may be tables or frames'
err 'sample_seed:-3 is no such number'
echo "ok"
