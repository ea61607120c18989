#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library's counts against two that are not ours: a counting shim (shim.c) and
# valgrind's heap summary. Blocks, requested bytes and frees of each program have to
# agree to the last one.
#
# Four runs of each program, in the same folder, without address randomisation:
#   library   the library preloaded
#   shim      the shim preloaded from the same path, all else the same
#   alone     the shim without what the library brings along, in valgrind's environment
#   valgrind  memcheck; it replaces malloc itself, so no preload of ours
# library = shim and alone = valgrind must hold exactly. What lies between the two
# pairs, shim - alone, is the
# thread-local storage of one more library, and what programs that copy their
# environment make of another one; it is printed, and has a bound. With NT_SAMPLE the first
# pair only: the second knows nothing of the library.
#
# How the figures map: outside, a realloc is one allocation and one free. The library
# counts one that moved nothing apart (reallocs_in_place_total), so it goes on top.
set -u
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
here=$source_dir/tests/oracle
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

skip() {
    echo "skip: $*"
    exit 77
}

for tool in valgrind setarch perl sqlite3 git clustalo /usr/bin/python3 "${CC:-cc}" "${CXX:-c++}"; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
setarch -R true 2>/dev/null || skip "address randomisation cannot be turned off here"
[ -e "$build/libnumatally_malloc.so" ] || skip "no libnumatally_malloc.so in $build"

# Every source of chance that a program has a switch for. The report's path is the
# same for the library and the shim; so is the preload's.
export LC_ALL=C PYTHONHASHSEED=0 PYTHONMALLOC=malloc PERL_HASH_SEED=0 \
    PERL_PERTURB_KEYS=0 GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat HOME="$work" \
    GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b \
    NUMATALLY_CONF="report:$work/record.json,sample:${NT_SAMPLE:-off},sample_stack:frames"
unset LD_PRELOAD GIT_DIR GIT_WORK_TREE

times=1 # as much in the programs that are ours; NT_LONG=1: more
[ "${NT_LONG:-0}" = 1 ] && times=5

compile() { # OUTPUT SOURCE FLAGS...
    local out=$1 in=$2
    shift 2
    "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O1 -fno-builtin "$here/$in" -o "$work/$out" "$@" ||
        exit 1
}

cp -L "$build/libnumatally_malloc.so" "$work/library.so"
compile shim.so shim.c -fPIC -shared -ftls-model=initial-exec
compile alone.so shim.c -fPIC -shared -DSHIM_ALONE
compile calls calls.c "-DTIMES=$times"
compile threads threads.c "-DTIMES=$times" -pthread
"${CXX:-c++}" -O1 "$here/cxx.cpp" -o "$work/cxx" || exit 1

make_inputs() {
    cat >words.pl <<'END'
my (%h, $t);
for my $i (1 .. 20000) { my $w = "w" . $i * 7919 % 4999; $h{$w}++; $t .= "$w " if $i % 7 == 0 }
my @s = sort { $h{$b} <=> $h{$a} || $a cmp $b } keys %h;
my $n = () = $t =~ /w(\d+)5 /g;
$t =~ s/w(\d+)/<$1>/g;
print scalar(@s), " $n ", length($t), " $s[0] $s[-1]\n";
END
    # One thread at a time, none of which ends before the program: which thread takes an
    # object from Python's free lists, or a stack from libc's cache, depends on the order
    # otherwise, and so does what is left to malloc. Threads change where one waits for
    # another, never by time. (Threads side by side: `threads` and clustalo.)
    cat >work.py <<'END'
import _thread, hashlib, json, re, sys
sys.setswitchinterval(1000)
forever = _thread.allocate_lock()
forever.acquire()
def work(i, done):
    d = {str(k): [k, k * i, "x" * (k % 50)] for k in range(800)}
    s = json.dumps(d)
    print(hashlib.sha256(s.encode()).hexdigest(), len(re.findall("x{40,}", s)), 3 ** (i + 900))
    done.release()
    forever.acquire()
for i in range(4):
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(work, (i, done))
    done.acquire()
END
    cat >load.sql <<'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<5000)
  INSERT INTO t SELECT x, printf('row %d', x*7919%5003) FROM c;
CREATE INDEX i ON t(b);
SELECT b, count(*) FROM t GROUP BY substr(b,1,5) ORDER BY 2 DESC, 1 LIMIT 5;
END
    perl -e 'srand 3; my @a = split //, "ACDEFGHIKLMNPQRSTVWY";
        for my $s (1..30) { print ">s$s\n", (map { $a[rand @a] } 1..60+rand 30), "\n" }' \
        >sequences.fa
    git init -q repository
    local i
    for i in $(seq 30); do
        seq "$i" $((i * 20)) >"repository/file$i"
        git -C repository add "file$i"
        GIT_COMMITTER_DATE="@$i +0000" GIT_AUTHOR_DATE="@$i +0000" \
            git -C repository commit -qm "file $i"
    done
}

# Blocks, bytes and frees from the shim's record or the library's, in the same words.
figures() {
    /usr/bin/python3 - "$work/record.json" <<'END'
import json, sys
r = json.load(open(sys.argv[1]))
if "total" in r:
    t = r["total"]
    again = t["reallocs_in_place_total"]
    print(t["allocations_total"] + again,
          t["requested_bytes_total"] + t["realloc_requested_bytes_total"],
          t["frees_total"] + r["foreign_frees_total"] + again)
else:
    print(r["allocations"], r["bytes"], r["frees"])
END
}

preloaded() { # LIBRARY PATH-OF-PRELOAD ENVIRONMENT... -- PROGRAM...
    cp "$work/$1.so" "$work/preload.so"
    local preload=LD_PRELOAD=$2 environment=()
    shift 2
    while [ "$1" != -- ]; do
        environment+=("$1")
        shift
    done
    shift
    rm -f "$work/record.json"
    env "${environment[@]}" "$preload" setarch -R "$@" >"$work/output" 2>"$work/errors" </dev/null
    figures
}

# Ours is made as long as valgrind's preload by slashes: programs copy it.
long_path() {
    local slashes=$((${#valgrind_preload} - ${#1}))
    [ "$slashes" -ge 0 ] || { echo "$1"; return; }
    printf '%*s' "$slashes" '' | tr ' ' /
    echo "$1"
}

alone() {
    preloaded alone "$(long_path "$work/preload.so")" -i "${valgrind_environment[@]}" -- "$@"
}

# The addresses begin above 4 GiB for the reason that shim.c gives for the break.
under_valgrind() {
    valgrind --run-libc-freeres=no --run-cxx-freeres=no --leak-check=no \
        --aspace-minaddr=0x140000000 --log-file="$work/valgrind.log" "$@" \
        >"$work/output" 2>"$work/errors" </dev/null
    sed -nE 's/,//g; s/.*total heap usage: ([0-9]+) allocs ([0-9]+) frees ([0-9]+) bytes.*/\1 \3 \2/p' \
        "$work/valgrind.log"
}

same() { # PROGRAM WHO FIGURES WHO FIGURES
    [ -n "$3" ] && [ "$3" = "$5" ] && return
    echo "FAILED: $1: $2 says '$3', $4 says '$5' (blocks, requested bytes, frees)"
    failed=1
}

row() {
    printf '%-12s %-9s %9s %12s %9s\n' "$@"
}

oracle() { # NAME PROGRAM...
    local name=$1 of_library of_shim of_alone of_valgrind
    shift
    of_library=$(preloaded library "$work/preload.so" -- "$@")
    cp "$work/output" "$work/output.library"
    of_shim=$(preloaded shim "$work/preload.so" -- "$@")
    cmp -s "$work/output" "$work/output.library" || {
        echo "FAILED: $name: its output under the library is not that under the shim"
        failed=1
    }
    # shellcheck disable=SC2086
    {
        row "$name" library $of_library
        row "" shim $of_shim
    }
    same "$name" library "$of_library" shim "$of_shim"
    [ -z "${NT_SAMPLE:-}" ] || return
    of_alone=$(alone "$@")
    of_valgrind=$(under_valgrind "$@")
    # shellcheck disable=SC2086
    {
        row "" alone $of_alone
        row "" valgrind $of_valgrind
    }
    same "$name" 'the shim alone' "$of_alone" valgrind "$of_valgrind"
    local with=${of_shim%% *} without=${of_alone%% *}
    row "" '+library' $((with - without)) "" ""
    [ $((with - without)) -lt 100 ] || {
        echo "FAILED: $name: $((with - without)) blocks are too many for a library"
        failed=1
    }
}

# A folder of the inputs alone: Python lists the one that its script is in.
mkdir "$work/inputs"
cd "$work/inputs" || exit 1
make_inputs
# The environment that valgrind gives to a program, so that the shim can run in it.
mapfile -d '' -t valgrind_environment < <(valgrind -q env -0 </dev/null)
valgrind_preload=$(valgrind -q printenv LD_PRELOAD </dev/null)
row program counter blocks bytes frees
oracle calls ../calls
oracle threads ../threads
oracle c++ ../cxx
oracle perl perl words.pl
oracle python3 /usr/bin/python3 work.py
oracle sqlite3 sqlite3 -batch :memory: '.read load.sql'
oracle 'git log' git -C repository log --stat
oracle 'git fsck' git -C repository fsck --full --no-progress
oracle clustalo clustalo -i sequences.fa --threads=1
oracle 'clustalo, 2' clustalo -i sequences.fa --threads=2
exit $failed
