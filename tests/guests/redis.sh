#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# redis-server for longer than in tests/programs: an append-only file that is rewritten under
# load, a second thread for output, Lua, streams, MEMORY and
# its PURGE, killed by SIGKILL and started again from its file. docs/recipes.md says what of
# its INFO is jemalloc's, which serves nothing here.
. "$(dirname "$0")/lib.bash"
need redis-server redis-cli redis-benchmark

"$python" - >"$inputs/commands" <<'END'
for i in range(20000):
    print(f"SET string:{i} {'v' * (i % 700)}{i}")
    print(f"HSET hash:{i % 200} field{i} {'w' * (i % 90)}")
    print(f"ZADD sorted:{i % 50} {i * 31 % 1009} member{i}")
    print(f"XADD stream:{i % 20} {i + 1}-1 field {'x' * (i % 200)}")
    print(f"SADD set:{i % 40} {i * 7919 % 4001}")
for i in range(20):
    print(f"XTRIM stream:{i} MAXLEN 300")
    print(f"ZUNIONSTORE union:{i} 2 sorted:{i} sorted:{i + 20}")
    print(f"SUNIONSTORE sunion:{i} set:{i} set:{i + 20}")
for i in range(200):
    print('EVAL "local t = {} for i = 1, 200 do t[i] = ARGV[1] .. i end '
          f'redis.call(\'RPUSH\', KEYS[1], unpack(t)) return #t" 1 lua:{i % 50} word{i}')
for i in range(0, 20000, 3):
    print(f"APPEND string:{i} {'more' * (i % 40)}")
END

at_exit() { # a server of ours that a failed test has left
    [ ! -s "$work/run/pid" ] || kill "$(cat "$work/run/pid")" 2>/dev/null
}

cli() {
    redis-cli -s socket "$@"
}

start() {
    run redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --pidfile "$PWD/pid" \
        --save '' --appendonly yes --appendfsync no --io-threads 2 \
        --enable-debug-command yes --auto-aof-rewrite-percentage 0 --loglevel warning \
        >>server.log 2>&1 &
    started=$!
    answers() { [ "$(cli ping)" = PONG ]; }
    wait_for answers || cat server.log
    mapped "$(cat pid)"
}

counted() { # what is stored
    cli dbsize
    cli debug digest
}

idle() {
    cli info persistence | tr -d '\r' | grep -qx 'aof_rewrite_in_progress:0'
}

program() {
    local started
    start
    cli <"$inputs/commands" | sort | uniq -c | sha256sum
    counted
    run redis-benchmark -s socket --dbnum 1 -n 10000 -c 20 -d 500 -r 3000 -P 8 -q \
        -t set,get,lpush,lpop,hset,spop,zadd,mset >benchmark.log &
    cli bgrewriteaof
    wait $! && tr '\r' '\n' <benchmark.log | grep -c 'requests per second, p50'
    wait_for idle && cli info persistence | tr -d '\r' | grep aof_last_bgrewrite_status

    cli memory purge
    for command in doctor 'usage hash:1' stats malloc-stats; do # figures, not compared
        cli memory $command >>figures || echo "$command: status $?"
    done
    cli -n 1 flushdb async
    cli memory purge

    # All but the second database, which the benchmark filled at random, comes back.
    kill -KILL "$(cat pid)"
    wait $started
    echo "killed: status $?"
    start
    counted
    cli debug reload | tail -n 1
    counted
    cli shutdown nosave
    wait $started
    echo "server: status $?"
    grep -iE '^numatally|crash|assert' server.log
    return 0
}

compare default nodes full
finish
