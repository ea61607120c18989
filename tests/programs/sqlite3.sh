#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# sqlite3 loading some hundred thousand rows into a file, with an index, then asking about them.
. "$(dirname "$0")/lib.bash"
need sqlite3

cat >"$inputs/load.sql" <<'END'
PRAGMA cache_size = -200000;
PRAGMA temp_store = memory;
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
  INSERT INTO t SELECT i, printf('name %x', i * 7919 % 1000003), i / 7.0 FROM n;
COMMIT;
CREATE INDEX names ON t(name);
SELECT count(*), min(name), max(name), round(sum(value), 3) FROM t;
SELECT substr(name, 1, 7) AS prefix, count(*) FROM t GROUP BY prefix ORDER BY 2 DESC, 1 LIMIT 9;
SELECT a.name, length(group_concat(b.name)) FROM t a JOIN t b ON b.id BETWEEN a.id AND a.id + 40
  WHERE a.id % 10007 = 0 GROUP BY a.id ORDER BY a.name LIMIT 5;
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;
END

program() {
    run sqlite3 -batch base.db <"$inputs/load.sql" && sha256sum base.db
}

compare
used 1 'sqlite3=1:1'
finish
