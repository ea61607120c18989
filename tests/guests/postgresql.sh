#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# PostgreSQL: a cluster made, a server with pgbench's clients, sorts, hash joins, aggregates,
# parallel queries, PL/pgSQL; a backend killed by SIGKILL, after which the server starts all
# others anew; stopped. On a socket, not a port; as nobody.
. "$(dirname "$0")/lib.bash"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
need "$bin/postgres" "$bin/initdb" "$bin/pgbench" setpriv
export PGHOST=$work/run PGUSER=postgres PGDATABASE=postgres

cat >"$inputs/make.sql" <<'END'
SET client_min_messages = warning;
CREATE TABLE t AS SELECT i AS id, i * 7919 % 100003 AS k, md5(i::text) AS name,
  (i * 31 % 997)::numeric / 7 AS value FROM generate_series(1, 200000) i;
CREATE TABLE u AS SELECT k, count(*) AS n, string_agg(name, ',' ORDER BY id) AS names
  FROM t GROUP BY k;
CREATE INDEX ON t (name);
ANALYZE;
END
cat >"$inputs/ask.sql" <<'SQL'
SET work_mem = '64MB';
SELECT count(*), sum(value), min(name), max(name), avg(k)::numeric(20,6) FROM t;
SELECT md5(string_agg(name, '' ORDER BY value DESC, name)) FROM t;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*), sum(length(u.names)), md5(min(t.name || u.names)) FROM t JOIN u USING (k);
SET work_mem = '256kB'; -- now the same by files
SELECT count(*), sum(length(u.names)), md5(min(t.name || u.names)) FROM t JOIN u USING (k);
SELECT md5(string_agg(name, '' ORDER BY value DESC, name)) FROM t;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT k % 100 AS g, count(*), sum(value) FROM t GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(*) FROM t WHERE name ~ '^(a|b)[0-9]+.*c{2}';
WITH RECURSIVE f(i, a, b) AS (SELECT 1, 0::numeric, 1::numeric UNION ALL
  SELECT i + 1, b, a + b FROM f WHERE i < 2000) SELECT md5(max(a)::text) FROM f;
SELECT md5(jsonb_agg(jsonb_build_object('k', k, 'names', string_to_array(names, ',')) ORDER BY k)::text)
  FROM u WHERE k < 3000;
SELECT name, rank() OVER (PARTITION BY k % 10 ORDER BY value, name) AS r FROM t ORDER BY r DESC, name LIMIT 3;
DO $$
DECLARE caught int := 0;
BEGIN
  FOR i IN 1 .. 3000 LOOP
    BEGIN
      PERFORM 1 / (i % 3);
    EXCEPTION WHEN division_by_zero THEN caught := caught + 1;
    END;
  END LOOP;
  CREATE TABLE done AS SELECT caught;
END $$;
SELECT * FROM done;
SELECT nothing FROM nowhere;
SQL

at_exit() { # a server of ours that a failed test has left
    [ ! -s "$work/run/data/postmaster.pid" ] || kill -QUIT "$(head -n 1 "$work/run/data/postmaster.pid")"
}

psql() {
    "$bin/psql" -qAtX -v ON_ERROR_STOP=0 "$@" 2>&1
}

program() {
    chown "$("${as_user[@]}" id -u)" .
    run "${as_user[@]}" "$bin/initdb" -D data -U postgres -A trust --no-sync -E UTF8 \
        --locale=C.UTF-8 >initdb.log || return
    run "${as_user[@]}" "$bin/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off \
        -c shared_buffers=32MB -c max_parallel_workers_per_gather=2 -c log_checkpoints=off \
        -c log_line_prefix= 2>server.log &
    local started=$! server backend sleeper
    wait_for psql -c 'SELECT 1' || { cat server.log; return 1; }
    server=$(head -n 1 data/postmaster.pid)
    mapped "$server"

    run "$bin/pgbench" -i -q -s 2 2>messages || cat messages
    run "$bin/pgbench" -c 6 -j 2 -t 400 --random-seed=7 2>messages >benchmark || cat messages
    grep -E '^number of (transactions actually|failed)' benchmark
    psql -c 'SELECT sum(abalance), (SELECT sum(tbalance) FROM pgbench_tellers),
        (SELECT sum(bbalance) FROM pgbench_branches),
        (SELECT count(*) FROM pgbench_history) FROM pgbench_accounts'
    psql -f "$inputs/make.sql"
    run "$bin/psql" -qAtX -f "$inputs/ask.sql" 2>&1
    psql -c 'EXPLAIN SELECT count(*) FROM t' -c 'VACUUM FULL t' -c 'REINDEX TABLE t' | grep -c Gather

    # A backend is killed in the middle of its work.
    psql -c "SET application_name = 'victim'" -c 'SELECT pg_sleep(600)' >victim.log &
    sleeper=$!
    wait_for victim
    backend=$(victim)
    mapped "$backend"
    kill -KILL "$backend"
    wait $sleeper
    echo "victim: status $?"
    grep -c 'server closed the connection' victim.log
    wait_for psql -c 'SELECT 1'
    run "$bin/psql" -qAtX -c 'SELECT count(*), sum(k) FROM t' -c 'SELECT sum(abalance) FROM pgbench_accounts'
    mapped "$server"

    kill -INT "$server"
    wait $started
    echo "server: status $?"
    # Without numbers, and what is said to those who ask too early.
    grep -v 'FATAL:  the database system is' server.log | grep -E 'ERROR|FATAL|PANIC|was terminated|all server processes|shut down' |
        sed 's/[0-9][-0-9:. A-Z]*//g' | sort | uniq -c
    grep -vE '^(LOG|ERROR|STATEMENT|DETAIL|HINT|FATAL|WARNING|CONTEXT):|^\s' server.log
    "${as_user[@]}" "$bin/pg_controldata" data | grep 'cluster state'
}

victim() {
    psql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active'
        AND wait_event = 'PgSleep'" | grep .
}

compare default full
finish
