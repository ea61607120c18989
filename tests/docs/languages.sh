#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of docs/languages.md: their text is that of the files in docs/examples, they
# compile without a warning, and print what stands there.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_TOPOLOGY LD_PRELOAD
export LD_LIBRARY_PATH=$NT_BUILD OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

python3 - "$NT_SOURCE/docs" "$work" <<'PY'
import re, sys
docs, work = sys.argv[1:]
found = re.findall(r"^`docs/examples/(.*?)`:\n\n```\w+\n(.*?)```\n\n```text\n(.*?)```",
                   open(docs + "/languages.md").read(), re.M | re.S)
assert [name for name, _, _ in found] == ["containers.cpp", "triad.f90", "steps.f90"]
[(code, printed)] = re.findall(r"^```python\n(.*?)```\n\n```text\n(.*?)```",
                               open(docs + "/languages.md").read(), re.M | re.S)
open(f"{work}/example.py", "w").write(code)
open(f"{work}/example.out", "w").write(printed)
for name, code, printed in found:
    assert open(f"{docs}/examples/{name}").read() == code, name
    open(f"{work}/{name}.out", "w").write(printed)
PY
cd "$work"

# prints NAME COMMAND...
prints() {
    local name=$1
    shift
    "$@" | diff "$name.out" -
    LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so "$@" | diff "$name.out" -
    NUMATALLY_TOPOLOGY=2x1 "$@" | diff "$name.out" -
}

examples=$NT_SOURCE/docs/examples module=$NT_BUILD/numatally.f90
link=(-L "$NT_BUILD" -lnumatally)
python=/usr/bin/python3 # Debian's, which has Debian's NumPy
[ -x $python ] || python=python3
NUMATALLY_TOPOLOGY='' NUMATALLY_LIBRARY=$NT_BUILD/libnumatally.so \
    PYTHONPATH=$NT_SOURCE/bindings/python PYTHONDONTWRITEBYTECODE=1 $python example.py | diff example.out -
"${CXX:-g++}" -std=c++17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" \
    "$examples/containers.cpp" "${link[@]}" -o containers
prints containers.cpp ./containers
gfortran -Wall -Wextra -Werror -fopenmp "$module" "$examples/triad.f90" "${link[@]}" -o triad
prints triad.f90 ./triad
for mpi in openmpi mpich; do
    command -v mpif90.$mpi >/dev/null || continue
    # Both MPIs have old interfaces that warn of themselves.
    mpif90.$mpi "$module" "$examples/steps.f90" "${link[@]}" -o steps.$mpi
    prints steps.f90 mpirun.$mpi -n 2 ./steps.$mpi
    ran=1
done
[ "${ran:-}" ] || { echo "there is no MPI here"; exit 77; }
