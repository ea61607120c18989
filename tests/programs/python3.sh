#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# python3 on a script with threads, every object through malloc (PYTHONMALLOC), and
# with forked workers that end by _exit; then once more with Python's own pools, which
# get their arenas from mmap and only large objects from malloc.
. "$(dirname "$0")/lib.bash"
need
export PYTHONHASHSEED=0

cat >"$inputs/script.py" <<'END'
import collections, hashlib, json, multiprocessing, re, sqlite3, threading, zlib

results = [None] * 4
barrier = threading.Barrier(len(results))  # all threads are there at the same time

def work(number):
    barrier.wait()
    table = {f"key {i}": [i, i * number, "x" * (i % 300)] for i in range(8000)}
    text = json.dumps(table)
    words = collections.Counter(re.findall(r"key \d*7|x{250,}", text))
    base = sqlite3.connect(":memory:")
    base.execute("create table t(a integer primary key, b text)")
    base.executemany("insert into t values(?, ?)", ((i, k) for i, k in enumerate(table)))
    base.execute("create index i on t(b)")
    longest = base.execute("select max(b), count(*) from t where b like '%9'").fetchone()
    packed = zlib.compress(text.encode() * 3)
    assert json.loads(zlib.decompress(packed)[: len(text)].decode()) == table
    results[number] = (hashlib.sha256(packed).hexdigest(), len(words), longest,
                       (3 ** (20000 + number)) % 1000003)

def square(n):
    return sum(int(c) for c in str(n ** 2000))

threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
for t in threads:
    t.start()
for t in threads:
    t.join()
for r in results:
    print(r)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(square, range(100, 130), chunksize=5))
    pool.close()
    pool.join()
END

program() {
    PYTHONMALLOC=malloc run "$python" "$inputs/script.py" &&
        PYTHONMALLOC=pymalloc run "$python" "$inputs/script.py"
}

compare
# The script's process: itself, its four threads and the three of multiprocessing's
# pool. The pool's workers are forked and end by os._exit.
used 1 'python3*=1:8' 'python3*=2:1'
used 2 'python3*=1:8' 'python3*=2:1'
finish
