#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# nginx with four workers: files, a location that compresses, one that asks nginx itself through
# a proxy; under ab, while it is told to read its configuration anew and to reopen its logs, so
# that workers end and others come. No request may fail. As nobody, on a free port.
. "$(dirname "$0")/lib.bash"
PATH=$PATH:/usr/sbin
need nginx ab setpriv

cat >"$inputs/ask.py" <<'END'
import gzip, hashlib, sys, urllib.request
for path in "small.txt", "large.bin", "gz/page.html", "proxy/large.bin", "proxy/gz/page.html", "none":
    request = urllib.request.Request(sys.argv[1] + path, headers={"Accept-Encoding": "gzip"})
    try:
        with urllib.request.urlopen(request) as answer:
            data, coding = answer.read(), answer.headers["Content-Encoding"]
            whole = gzip.decompress(data) if coding else data
            print(path, answer.status, coding, len(data), hashlib.sha256(whole).hexdigest())
    except urllib.error.HTTPError as error:
        print(path, error.code, len(error.read()))
END

at_exit() { # a server of ours that a failed test has left
    [ ! -s "$work/run/pid" ] || kill "$(cat "$work/run/pid")" 2>/dev/null
}

configuration() {
    cat <<END
worker_processes 4;
pid $PWD/pid;
error_log $PWD/error.log warn;
daemon off;
events { worker_connections 512; }
http {
    access_log $PWD/access.log;
    client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxied; fastcgi_temp_path $PWD/fastcgi;
    uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
    types { text/html html; text/plain txt; application/octet-stream bin; }
    proxy_cache_path $PWD/cache keys_zone=kept:1m;
    server {
        listen 127.0.0.1:$port backlog=4096;
        root $PWD/files;
        location /gz/ { gzip on; gzip_comp_level 6; gzip_min_length 100; }
        location /proxy/ { proxy_pass http://unix:$PWD/inside:/; }
        location /cached/ { proxy_pass http://unix:$PWD/inside:/; proxy_cache kept;
            proxy_cache_valid 200 1s; }
    }
    server {
        listen unix:$PWD/inside;
        root $PWD/files;
        location /gz/ { gzip on; gzip_http_version 1.0; gzip_proxied any; }
    }
}
END
}

# load PATH: what ab counts that does not depend on time.
load() {
    ab -q -n 3000 -c 20 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/$1" 2>&1 |
        grep -E '^(Document Length|Complete|Failed|Non-2xx)|apr_'
}

workers() {
    pgrep -P "$master" | sort
}

program() {
    local started master before logged port
    mkdir -p files/gz
    "$python" - <<'END'
open("files/small.txt", "w").write("a small file\n")
open("files/large.bin", "wb").write(bytes(i * i % 251 for i in range(300000)))
open("files/gz/page.html", "w").write("".join(f"<p>{i * 7919 % 10007}</p>\n" for i in range(4000)))
END
    chmod -R a+rX files && chown "$("${as_user[@]}" id -u)" .
    port=$(free_port)
    configuration >nginx.conf
    run "${as_user[@]}" nginx -p "$PWD" -e "$PWD/error.log" -c "$PWD/nginx.conf" &
    started=$!
    wait_for "$python" "$inputs/ask.py" "http://127.0.0.1:$port/" || { cat error.log; return 1; }
    master=$(cat pid)
    "$python" "$inputs/ask.py" "http://127.0.0.1:$port/"
    mapped "$master"
    for path in small.txt gz/page.html proxy/large.bin proxy/gz/page.html cached/large.bin; do
        echo "$path"
        load $path
    done
    for signal in HUP USR1 HUP; do
        before=$(workers)
        logged=$(wc -l <access.log)
        load proxy/gz/page.html >load.log &
        wait_for grown
        kill -$signal "$master"
        load small.txt
        wait $!
        cat load.log
        [ $signal = USR1 ] || wait_for changed
    done
    mapped "$master"
    "$python" "$inputs/ask.py" "http://127.0.0.1:$port/"
    kill -QUIT "$master"
    wait $started
    echo "server: status $?"
    sed 's/^[0-9/: ]*//; s/^\(\[[a-z]*\]\) [0-9#]*: \**[0-9]*/\1/; s/, client.*//' error.log | sort | uniq -c
}

# The load has begun.
grown() {
    [ "$(wc -l <access.log)" -gt "$logged" ]
}

# The workers (and what keeps the cache) are other processes than before.
changed() {
    [ "$(workers | wc -l)" -ge 4 ] && ! workers | grep -qxFf <(echo "$before")
}

compare default nodes full
finish
