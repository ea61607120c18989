#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally report --format html: the page of real runs of python3 and of LAMMPS, and of
# records made from them, in a real browser. page.py drives it and reads the page back.
# What was seen stays in $NT_BUILD/tests/page: the pages and pictures of them.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
debian_python=/usr/bin/python3 # python3-selenium is Debian's
for program in chromium chromedriver mpirun lmp; do
    command -v $program >/dev/null || skip "$program is not installed"
done
$debian_python -c 'import selenium' 2>/dev/null || skip "python3-selenium is not installed"
cd "$work" || exit 1
library=$NT_BUILD/libnumatally_malloc.so
kept=$NT_BUILD/tests/page
mkdir -p "$kept" || exit 1
rm -f "$kept"/*

cat >work.py <<'END'
import ctypes, json, os, random, threading
lib = ctypes.CDLL(None)
lib.nt_mark(b"make")
texts = [json.dumps({"k%d" % i: [random.random() for _ in range(30)]}) for i in range(3000)]
lib.nt_mark(b"parse")
values = [json.loads(text) for text in texts]
lib.nt_mark(b"threads")
pool, inner, out = ctypes.c_void_p(), (ctypes.c_size_t * 8)(), (ctypes.c_size_t * 8)()
lib.nt_pool_create(None, ctypes.byref(pool))
lib.nt_pool_name(pool, b"scratch")
lib.nt_pool_allocator(pool, inner)
lib.nt_tracked(inner, b"tracked scratch", out)
get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(out[2])
for n in range(500):
    get(out[1], n)
hold, held = threading.Event(), []
def work(n):
    kept = []
    for i in range(1000 * n):
        kept.append(bytes(random.randrange(20000)))
        del kept[:-200]
    held.append(kept)
    hold.wait()
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
for t in threads:
    t.start()
while len(held) < len(threads):
    pass
held.clear()
lib.nt_mark(b"report")
lib.nt_report(os.open("threads.json", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
hold.set()
for t in threads:
    t.join()
END

# Real runs: one process, one on made-up nodes, ranks of MPI, a name that is markup.
try 0 env PYTHONMALLOC=malloc "$tool" run --sample 32K --report python.json -- "$python" work.py
try 0 env LD_PRELOAD="$library" NUMATALLY_TOPOLOGY=4x1 NUMATALLY_CONF=report:nodes.json,sample:32K \
    PYTHONMALLOC=malloc "$python" work.py
try 0 "$tool" run --report plain.json -- "$python" -c 'print(sum(range(1000)))'
cat >in.melt <<'END'
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 12 0 12 0 12
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 3.0 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify every 20 delay 0 check no
fix 1 all nve
run 200
END
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
try 0 "$tool" run --children --sample 32K --report lammps.json -- \
    mpirun --oversubscribe -np 2 --mca btl vader,self \
    --mca btl_vader_single_copy_mechanism none lmp -in in.melt -log none
markup="<img src=x onerror=document.broken=4>'\"&"
cp "$(command -v ls)" "$markup"
try 0 "$tool" run --sample 1K --report markup.json -- "./$markup" -lR /usr/share/doc
"$debian_python" "$NT_SOURCE/tests/tool/page_made.py" python.json . || fail "no records were made"

for record in *.json; do
    try 0 "$tool" report -o "$kept/${record%.json}.html" "$record"
    try 0 "$tool" report --format html "$record"
    cmp -s out "$kept/${record%.json}.html" || fail "another page on standard output"
    try 0 "$tool" report --format json -o "$kept/$record" "$record"
    try 0 "$tool" report --findings --format json -o "$kept/${record%.json}.findings" "$record"
    "$tool" tune --json "$record" >"$kept/${record%.json}.tuning" 2>/dev/null
    try 0 "$tool" report --format text -o "$kept/${record%.json}.txt" "$record"
done
[ "$(stat -c %s "$kept/plain.html")" -lt $((200 * 1024)) ] ||
    fail "a page without a profile has $(stat -c %s "$kept/plain.html") bytes"
# Nothing is fetched: the only address is the name of SVG's vocabulary.
grep -oE '(https?|ftp|file)://[^"'"'"' ]*' "$kept/plain.html" | grep -vx 'http://www.w3.org/2000/svg' &&
    fail "the page names addresses"
"$tool" report --format html python.json >/dev/full 2>err && fail "a full disk was not noticed"
err 'standard output: No space left'

"$debian_python" -B "$NT_SOURCE/tests/tool/page.py" "$kept" || fail "see above"
echo "ok"
