#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# git: import a repository of some ten thousand objects, gc, fsck, and packing and
# indexing with threads. git writes a trace of every process it starts: each of them
# must have a record.
. "$(dirname "$0")/lib.bash"
need git
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
unset GIT_DIR GIT_WORK_TREE

"$python" - >"$inputs/stream" <<'END'
import random, sys
random.seed(2)
files = [[random.getrandbits(40) for _ in range(60)] for _ in range(120)]
print("reset refs/heads/main")
for commit in range(2500):
    print(f"commit refs/heads/main\ncommitter a <a@b> {1000000000 + commit * 60} +0000")
    print(f"data <<E\nchange {commit}\nE")
    for number in random.sample(range(120), 3):
        files[number][random.randrange(60)] = random.getrandbits(40)
        print(f"M 644 inline folder{number % 12}/file{number}")
        text = "".join(f"{line:x} of file {number}\n" for line in files[number])
        print(f"data {len(text)}\n{text}")
END

program() {
    mkdir -p traces/gc traces/fsck repository
    cd repository && git init -q -b main . &&
        run git fast-import --quiet <"$inputs/stream"
    GIT_TRACE2_EVENT=$PWD/../traces/gc run git gc --quiet --aggressive --prune=now
    GIT_TRACE2_EVENT=$PWD/../traces/fsck run git fsck --full --strict --no-progress
    run git -c pack.threads=3 pack-objects --quiet --all --no-reuse-delta --revs \
        ../again </dev/null >/dev/null
    run git index-pack --threads=3 -o ../again.idx ../again-*.pack >/dev/null
    git count-objects -v | sed '/^size/d'
    git log --stat --format='%H %s' | sha256sum
    git cat-file --batch-all-objects --batch-check --unordered | sort | sha256sum
    git verify-pack .git/objects/pack/*.idx
}

# Not compared: the names of the packs. They follow from what is in them, and which
# deltas several threads come upon is chance.
compare

# A trace file's name ends in P and the process id in hexadecimal.
traced() {
    local trace
    for trace in "$work/run/traces/$1"/*; do
        echo $((16#${trace##*-P}))
    done >"$work/pids"
    echo "git $1: $(wc -l <"$work/pids") processes by its own trace"
}

used 1 'git=1:1'
traced gc
used 2 --pids "$work/pids" "git=$(wc -l <"$work/pids"):1+"
traced fsck
used 3 --pids "$work/pids" "git=$(wc -l <"$work/pids"):1"
used 4 'git=1:4' # itself and three threads, as told
used 5 'git=1:2+' # a thread that comes late may find nothing left to do
finish
