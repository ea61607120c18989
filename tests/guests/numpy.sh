#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numpy: linear algebra with OpenBLAS's threads, arrays of hundreds of megabytes, indexing,
# sorting, strings, files, threads, a pool of forked workers.
. "$(dirname "$0")/lib.bash"
need
"$python" -c 'import numpy' 2>/dev/null || skip "python3-numpy is not installed"
export OPENBLAS_NUM_THREADS=2 PYTHONHASHSEED=0

cat >"$inputs/script.py" <<'END'
import hashlib, io, multiprocessing, threading
import numpy as np

def show(name, *values):
    print(name, *(f"{v:.8g}" if isinstance(v, float) else v for v in values), flush=True)

def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]

def table(n, m, seed=1):
    return (np.arange(n * m, dtype=np.int64) * 7919 * seed % 10007).reshape(n, m).astype(float)

def work(seed):
    a = table(300, 300, seed) + np.eye(300) * 20000
    return float(np.linalg.slogdet(a)[1]), digest(np.sort(a, axis=None)), float(np.linalg.norm(a @ a))

a = table(700, 700) + np.eye(700) * 20000
x = np.linalg.solve(a, np.ones(700))
show("solve", bool(np.allclose(a @ x, 1)))
u, s, v = np.linalg.svd(a[:200, :200])
show("svd", bool(np.allclose(u * s @ v, a[:200, :200])), float(s[0]))
show("eigh", float(np.linalg.eigvalsh(a + a.T)[-1]))
show("fft", float(np.abs(np.fft.fft2(a)).sum()))

big = np.zeros(40_000_000)                      # 320 MB
big[::1000] = np.arange(40_000)
show("big", float(big.sum()), float((big[::2] + big[1::2]).max()))
big.resize(50_000_000, refcheck=False)          # realloc
show("resized", float(big.sum()), float(big[-1]))
del big

b = np.arange(3_000_000)
show("index", digest(b[b % 7 == 3]), digest(b[b[::-1] % 1009]), digest(np.argsort(b * 7919 % 10007, kind="stable")))
show("unique", digest(np.unique(b * 31 % 9973)), digest(np.concatenate([b[i::50] for i in range(50)])))
show("strings", digest(np.char.add(np.char.mod("%d", b[:20000]), "x" * 20)))
show("objects", sum(len(o) for o in np.array(["y" * (i % 40) for i in range(50000)], dtype=object)))
show("append", digest(np.concatenate([np.append(np.zeros(i), i) for i in range(2000)])))
out = io.BytesIO()
np.savez_compressed(out, a=a, b=b[:100000])
out.seek(0)
show("saved", digest(np.load(out)["a"]))
m = np.memmap("mapped", dtype="f8", mode="w+", shape=(1000, 1000))
m[:] = a[:1000 % 700 + 1, :1].sum()
m.flush()
show("memmap", float(m.sum()))
del m

results = [None] * 4
def thread(i):
    results[i] = work(i + 1)
threads = [threading.Thread(target=thread, args=(i,)) for i in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
show("threads", *results)
with multiprocessing.get_context("fork").Pool(3) as pool:
    show("pool", *pool.map(work, range(1, 10)))
    pool.close()
    pool.join()
try:
    np.ones((10**7, 10**7))
except MemoryError as error:
    show("refused", str(error)[:30])
END

program() {
    run "$python" "$inputs/script.py"
}

compare default nodes full
finish
