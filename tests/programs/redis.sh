#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# redis-server under redis-benchmark, with a background save while it runs, then
# started again from what was saved.
#
# Debian's redis is linked to libjemalloc and calls it by the plain names: malloc, free,
# malloc_usable_size. A preload comes before it, so those go to this library, and the
# count of blocks below proves it. What stays with jemalloc are mallctl, nallocx and
# malloc_stats_print, which nobody else has: redis asks them for figures of its INFO,
# which then speak of an allocator that serves nothing; its active defragmentation
# (off by default) needs them too and must stay off.
. "$(dirname "$0")/lib.bash"
need redis-server redis-cli redis-benchmark

"$python" - >"$inputs/commands" <<'END'
for i in range(20000):
    print(f"SET string:{i} {'v' * (i % 700)}{i}")
    print(f"RPUSH list:{i % 300} {i * 7919}")
    print(f"HSET hash:{i % 200} field{i} {'w' * (i % 90)}")
    print(f"ZADD sorted:{i % 50} {i * 31 % 1009} member{i}")
for i in range(0, 20000, 3):
    print(f"APPEND string:{i} {'more' * (i % 40)}")
for i in range(0, 20000, 4):
    print(f"UNLINK string:{i}")
END

at_exit() { # a server of ours that a failed test has left
    [ ! -e "$work/server" ] || kill "$(cat "$work/server")" 2>/dev/null
}

cli() {
    redis-cli -s socket "$@"
}

start() {
    run redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' \
        --appendonly no --enable-debug-command yes --daemonize no >>server.log 2>&1 &
    echo $! >"$work/server"
    until [ "$(cli ping 2>/dev/null)" = PONG ]; do
        kill -0 $! || {
            echo "the server did not start"
            tail -n 20 server.log
            return
        }
        sleep 0.05
    done
}

stop() {
    cli shutdown nosave
    wait "$(cat "$work/server")"
    echo "server: status $?"
    rm "$work/server"
}

# What is stored, without the second database, which the benchmark fills at random, and
# which a thread of the server's has freed then.
stored() {
    cli -n 1 flushdb async
    until cli info memory | tr -d '\r' | grep -qx lazyfree_pending_objects:0; do
        sleep 0.05
    done
    cli dbsize
    cli debug digest
}

save() {
    cli bgsave
    redis-benchmark -s socket --dbnum 1 -n 3000 -c 10 -q -t lpush,hset >/dev/null
    while cli info persistence | grep -q rdb_bgsave_in_progress:1; do
        sleep 0.1
    done
    cli info persistence | tr -d '\r' | grep -E 'rdb_last_bgsave_status|bgsave_in_progress'
}

program() {
    start
    runs=$((runs + 1)) # the server's, in the background, has counted on its own
    cli <"$inputs/commands" | sort | uniq -c | sha256sum
    run redis-benchmark -s socket --dbnum 1 -n 5000 -c 20 -d 300 -r 2000 -q >benchmark.log
    echo "benchmark: status $?, $(tr '\r' '\n' <benchmark.log | grep -c 'requests per second, p50') tests"
    save
    stored
    cli info memory | grep -c 'mem_allocator:jemalloc'
    stop
    start
    runs=$((runs + 1))
    stored
    stop
}

compare
# The server, its background threads as far as they allocate or free, and the child
# that saves, which is forked and ends by _exit.
used 1 'redis-server=1:2+' 'redis-server=1:1'
used 2 'redis-benchmark=1:1'
used 3 'redis-server=1:2+'
[ -n "${NT_PRELOAD-}" ] || "$python" - "$work/report.1" <<'END' || failed=1
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
server = next(r for r in records if not r["inherited"])
blocks = server["total"]["allocations_total"]
# Every string, list node, hash field and member is a block of its own at least.
if blocks < 80000:
    sys.exit(f"FAILED: only {blocks} blocks: jemalloc serves the server, not the preload")
END
finish
