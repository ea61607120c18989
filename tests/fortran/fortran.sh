#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The module for Fortran: Fortran 2008 without a warning; every type, rank and place; what
# fails without a stat ends the program with a message; the examples of docs/fortran.md.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
flags=(-std=f2008 -Wall -Wextra -Werror -O1 -g -fcheck=all -ffree-line-length-none)
link=(-L "$NT_BUILD" -lnumatally "-Wl,-rpath,$NT_BUILD")
export NUMATALLY_TOPOLOGY=3x1

gfortran "${flags[@]}" -c "$NT_BUILD/numatally.f90" -o module.o
fypp "$NT_SOURCE/tests/fortran/arrays.fypp" arrays.f90
gfortran -std=f2008 -O0 -g -fcheck=all -ffree-line-length-none arrays.f90 module.o "${link[@]}" -o arrays
for preload in "" "$NT_BUILD/libnumatally_malloc.so"; do
    LD_PRELOAD=$preload ./arrays >out
    tail -n 1 out
    python3 - out <<'PY'
import json, sys
record = json.loads(open(sys.argv[1]).readline())
assert "fortran" in [p["name"] for p in record["phases"]], record["phases"]
PY
done

# ends STATUS MESSAGE STATEMENTS: a program of these.
ends() {
    printf 'program p\nuse numatally\nreal, pointer :: a(:)\ntype(nt_pool) :: pool\nnullify(a)\n%s\nend program\n' \
        "$3" >p.f90
    gfortran p.f90 module.o "${link[@]}" -o p
    local status=0
    ./p >out 2>&1 || status=$?
    [ "$status" = "$1" ] && grep -qF -- "$2" out ||
        { echo "$3: status $status, wanted $1 and '$2':"; cat out; exit 1; }
}
ends 1 'nt_allocate: no such node' 'call nt_allocate(a, [10], nt_on_node(9))'
ends 1 'nt_deallocate: ' 'call nt_deallocate(a)'
ends 1 'nt_pool_create: no such node' "call nt_pool_create(pool, nodes='9')"
ends 0 'done' "call nt_allocate(a, [10]); call nt_deallocate(a); print *, 'done'"
