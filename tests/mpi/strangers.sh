#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The libraries are preloaded into whatever a launcher starts: programs without MPI, with
# another heap, with an MPI that is loaded out of sight, and jobs of which only some ranks
# are ours. Nothing of it changes. Also ranks on several hosts, whose launcher is played
# here by its environment.
# shellcheck source=tests/mpi/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit

for mpi in "${mpis[@]}"; do
    compile ranks "$mpi" || fail "prog_ranks.c cannot be compiled for $mpi"

    # no MPI
    try 0 ranks "$mpi" 2 hostname
    cp out plain
    try 0 ranks "$mpi" 2 "$tool" run --report job.json -- hostname
    cmp -s out plain || fail "hostname prints something else"
    no_err numatally
    job job.json 'len(row) == 2 and all(x["end"] == "ended" and x["program"] == "hostname" for x in row.values())'
    try 3 ranks "$mpi" 2 "$tool" run --report job.json -- sh -c 'exit 3'
    job job.json 'any(x["end"] == "exited" and x["code"] == 3 for x in row.values())'

    if echo 'int main(void) { return 0; }' >s.c && cc -static -o static s.c 2>/dev/null; then
        try 0 ranks "$mpi" 2 "$tool" run -- ./static
        [ "$(grep -c 'static is statically linked' "$work/err")" = 1 ] || fail "not said once"
        [ "$(grep -c 'no rank on this host left figures' "$work/err")" = 1 ] || fail "not said once"
    fi

    # a rank by itself, without a launcher: a process as any
    try 0 "$tool" run --report alone.json -- "$work/ranks.$mpi"
    json alone.json 'len(r) == 1 and "job" not in r[0] and r[0]["final"]'

    # the profile of each rank, or word that there is none
    try 0 ranks "$mpi" 2 "$tool" run --sample 4K --report job.json -- "$work/ranks.$mpi"
    [ "$(grep -c 'does not say who allocates' "$work/err")" = 1 ] || fail "not said once"
    job job.json 'len(row) == 2'

    # not our heap, and nobody's report
    ! readelf -d "$NT_BUILD/libnumatally_$mpi.so" | grep 'NEEDED.*libmpi' || fail "it brings an MPI along"
    try 0 ranks "$mpi" 4 "LD_PRELOAD=${preload#*:}" NUMATALLY_CONF=report:none.json "$work/ranks.$mpi"
    out '^4 ranks, 20000 blocks$'
    [ ! -e none.json ] || fail "a report without our heap"
    try 0 ranks "$mpi" 4 "LD_PRELOAD=$preload" "$work/ranks.$mpi"
    out '^4 ranks, 20000 blocks$'
    no_err numatally
    for library in "${preload#*:}" "$preload"; do
        LD_PRELOAD=$library try 0 true
    done

    # an MPI that only one library sees, as mpi4py loads it
    "mpicc.$mpi" -shared -fPIC -Dmain=program -o hidden.so "$here/prog_ranks.c"
    cat >hides.c <<'END'
#include <dlfcn.h>
int main(int argc, char **argv)
{
    void *library = dlopen("./hidden.so", RTLD_NOW | RTLD_LOCAL);
    int (*program)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "program") : 0;
    return program ? program(argc, argv) : 9;
}
END
    cc -o hides hides.c || fail "hides.c"
    try 0 ranks "$mpi" 4 "$tool" run --report job.json -- ./hides
    out '^4 ranks, 20000 blocks$'
    job job.json 'len(row) == 4 and all(x["end"] == "finalized" and x["program"] == "hides" for x in row.values())'

    # one rank alone is ours: the others need not wait for it, nor it for them
    cat >only.sh <<'END'
[ "${PMIX_RANK:-${PMI_RANK-}}" = 2 ] || exec "$@"
exec "$TOOL" run --report only.json -- "$@"
END
    rm -f only.json
    export TOOL=$tool
    try 0 ranks "$mpi" 4 sh only.sh "$work/ranks.$mpi"
    out '^4 ranks, 20000 blocks$'
    job only.json 'list(row) == [2] and row[2]["end"] == "ended"'
done

# ---- several hosts

# played RANK NAMESPACE LOCAL ALL COMMAND...
played() {
    PMIX_RANK=$1 PMIX_NAMESPACE=$2 OMPI_COMM_WORLD_LOCAL_SIZE=$3 OMPI_COMM_WORLD_SIZE=$4 "${@:5}"
}
echo old >hosts.json
played 0 one 2 4 "$tool" run --report hosts.json -- sleep 0.5 &
sleep 0.2
played 1 one 2 4 "$tool" run --report hosts.json -- true || fail "rank 1"
[ ! -s hosts.json ] || fail "rank 1 reports, but is not the last"
wait
# the other host's two, in another folder
mkdir other
for rank in 2 3; do
    XDG_RUNTIME_DIR=$work/other played $rank one 2 4 "$tool" run --report hosts.json -- sh -c "sleep 0.$rank" &
done
wait
json hosts.json 'len(r) == 2 and [x["rank"] for y in r for x in y["job"]["rows"]] == [0, 1, 2, 3]'
"$tool" report --merge hosts.json >merged 2>err || fail "the hosts' reports cannot be merged"
grep -q 'a job of 4 ranks' merged || fail "merged: $(head -3 merged)"
[ -z "$(ls -A "$XDG_RUNTIME_DIR"; ls -A other)" ] || fail "left: $(ls -A "$XDG_RUNTIME_DIR" other)"

# A host whose ranks were reduced, but rank 0 is on another: it adds nothing.
# shellcheck disable=SC2016  # for the inner shell
reduced='folder=${NUMATALLY_RUN#*:} && touch "${folder%:*}/finalizes" "${folder%:*}/finalized"'
rm -f reduced.json
played 6 reduced 1 8 "$tool" run --report reduced.json -- sh -c "$reduced" 2>err || fail "rank 6"
[ ! -s err ] || fail "something was said"
played 7 reduced 1 8 "$tool" run --report reduced.json -- sh -c "$reduced; exit 4" 2>err
grep -q 'rank 7 on .* exited with 4 after the report of its job' err || fail "it is not named"
[ ! -e reduced.json ] || fail "a second report"

# A folder that is not ours alone is not used, nor anything in it. Its name is that of a
# folder that is there while a program runs.
played 0 two 1 1 "$tool" run --report two.json -- ls "$XDG_RUNTIME_DIR" >name || fail "ls"
name=$XDG_RUNTIME_DIR/$(grep "^numatally-job-$(id -u)-two-" name) || fail "no folder: $(cat name)"
mkdir -m 755 "$name"
TMPDIR=$work/other played 0 two 1 1 "$tool" run --report two.json -- true || fail "an open folder"
job two.json 'len(row) == 1 and row[0]["end"] == "ended"'
[ -z "$(ls -A "$name")" ] || fail "an open folder was used"
rmdir "$name"

# What a job left that was killed as a whole is removed by the next, an hour later.
left=$XDG_RUNTIME_DIR/numatally-job-$(id -u)-three-0
mkdir -m 700 "$left" "$left/rank-0-1"
touch "$left/rank-0-1/numatally-1.live"
played 0 four 1 1 "$tool" run --report four.json -- true
[ -e "$left" ] || fail "a folder that may be in use was removed"
touch -d '2 hours ago' "$left"
played 0 four 1 1 "$tool" run --report four.json -- true
[ ! -e "$left" ] || fail "an old folder was left"

# A report that cannot be written: the program is not started, on rank 0.
try 125 played 0 five 1 1 "$tool" run --report /nonexistent/x.json -- touch started
err 'nonexistent/x.json cannot be created'
[ ! -e started ] || fail "the program ran"
echo ok
