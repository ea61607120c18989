#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# node: worker threads that come and go, large and small Buffers, zlib on node's thread pool, a
# child process, JSON and strings that the collector has to follow.
. "$(dirname "$0")/lib.bash"
need node

cat >"$inputs/script.js" <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync, fork } = require('child_process');
const crypto = require('crypto');
const zlib = require('zlib');
const util = require('util');
const fs = require('fs');
const hash = (data) => crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);

function churn(seed) {
    const kept = new Map();
    for (let i = 0; i < 20000; i++) {
        kept.set(`key ${(i * 7919 * seed) % 5003}`, { i, list: [i, String(i).repeat(i % 20)], nested: { seed } });
        if (i % 3 === 0) kept.delete(`key ${(i * 31) % 5003}`);
    }
    let text = JSON.stringify([...kept]);
    for (let i = 0; i < 5; i++) text = JSON.stringify(JSON.parse(text));
    let kib = 0;
    for (let i = 0; i < 2000; i++) { // outside V8's heap
        const buffer = Buffer.alloc((i * 337) % 70000 + 1, i & 255);
        kib += buffer[buffer.length - 1] + Buffer.concat([buffer, buffer]).length / 1024;
    }
    return [seed, text.length, hash(text), Math.round(kib)];
}

async function main() {
    for (let round = 0; round < 3; round++) {
        const answers = await Promise.all([1, 2, 3, 4].map((seed) => new Promise((resolve, reject) => {
            const shared = new SharedArrayBuffer(1 << 20);
            const worker = new Worker(__filename, { workerData: { seed, shared } });
            worker.once('message', (message) => { worker.once('exit', () => resolve([message, new Uint8Array(shared)[seed]])); });
            worker.once('error', reject);
        })));
        console.log(util.inspect(answers, { depth: 5 }));
    }
    const stopped = new Worker('for (;;) Buffer.alloc(5000);', { eval: true }); // ended in the middle
    await new Promise((resolve) => stopped.once('online', resolve));
    await stopped.terminate();

    const data = Buffer.from(Array.from({ length: 200000 }, (_, i) => (i * i) % 253));
    const packed = await Promise.all([1, 6, 9].flatMap((level) => [
        util.promisify(zlib.gzip)(data, { level }), util.promisify(zlib.deflateRaw)(data, { level }),
        util.promisify(zlib.brotliCompress)(data, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level } })]));
    console.log(packed.map((p) => hash(p)).join(' '));
    console.log(hash(await util.promisify(zlib.gunzip)(packed[0])), hash(data));
    console.log(hash(await util.promisify(crypto.scrypt)('word', 'salt', 64, { N: 16384 })));
    fs.writeFileSync('file', data);
    console.log((await Promise.all(Array.from({ length: 40 }, () => fs.promises.readFile('file')))).every((d) => d.equals(data)));

    console.log(execFileSync(process.execPath, ['-e', 'console.log([1,2,3].map((x) => x ** 20).join())']).toString().trim());
    console.log(execFileSync('sh', ['-c', 'ls | wc -l; exit 0']).toString().trim());
    const child = fork(__filename, ['child']);
    child.send({ seed: 9 });
    console.log(await new Promise((resolve) => child.once('message', resolve)));
    console.log(await new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal]))));
    console.log(churn(17));
    if (global.gc) global.gc();
    console.log(process.memoryUsage().arrayBuffers < 1e8);
}

if (!isMainThread) {
    new Uint8Array(workerData.shared)[workerData.seed] = workerData.seed;
    parentPort.postMessage(churn(workerData.seed));
} else if (process.argv[2] === 'child') {
    process.once('message', ({ seed }) => process.send(churn(seed), () => process.exit(3)));
} else {
    main().catch((error) => { console.error(error); process.exit(1); });
}
END

program() {
    run node --expose-gc "$inputs/script.js"
}

compare default nodes full
finish
