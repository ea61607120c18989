#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# docs/recipes.md: its programs are those of docs/examples, and every command in a block marked
# sh runs as it stands; but sudo changes the machine, and batch scripts are mpi/slurm.sh's.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_TOPOLOGY LD_PRELOAD
export B=$NT_BUILD LD_LIBRARY_PATH=$NT_BUILD C_INCLUDE_PATH=$NT_SOURCE/include
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none HYDRA_LAUNCHER=fork
cd "$work"
python3 - "$NT_SOURCE/docs" <<'PY'
import re, sys
text = open(sys.argv[1] + "/recipes.md").read()
kinds = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
shell = [code for kind, code in kinds if kind == "sh" and "sudo" not in code and "#SBATCH" not in code]
assert len(shell) > 10
open("commands.sh", "w").write("set -ex\n" + "".join(shell))
programs = [code for kind, code in kinds if kind == "c"]
for name, code in zip(["first_touch", "node_pools"], programs, strict=True):
    assert open(f"{sys.argv[1]}/examples/{name}.c").read() == code, name
    open(name + ".c", "w").write(code)
PY
ln -s "$NT_SOURCE/include" include
printf '#include <stdlib.h>\nint main(void) { char *volatile p = malloc(10); free(p); return 0; }\n' >program.c
gcc -g -o program program.c
cp "$NT_SOURCE/tests/docs/in.melt" .
bash commands.sh >log 2>&1 </dev/null || { tail -n 40 log; exit 1; }
grep -q '^begun by all:  *0 MiB elsewhere' log
grep -q '^0 failed' log
grep -q '^Allocations' log
for file in job.json all.json; do
    python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$file"
done
[ "$(grep -c '^+ ' log)" -gt 20 ]
