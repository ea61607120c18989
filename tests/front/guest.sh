#!/bin/bash
# SPDX-License-Identifier: MIT
#
# With an MPI in the process no allocation and no free takes memory away from it.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

echo 'int MPI_Nothing(void) { return 0; }' >"$work/mpi.c"
mpi=$work/libmpi.so.40
"${CC:-cc}" -shared -fPIC -o "$mpi" "$work/mpi.c" || {
    echo "cannot build $mpi"
    exit 1
}
mkdir "$work/libmpi"
cp "$mpi" "$work/libmpi/notmpi.so"

ours=$preload
guest=$programs/prog_guest
all=(return:1 "return:1,sample:4K")
[ -z "${NT_FEW:-}" ] || all=(return:1)
for settings in "${all[@]}"; do
    for nodes in 1x1 2x1; do
        common=("NUMATALLY_TOPOLOGY=$nodes" "NUMATALLY_CONF=$settings")
        preload=$ours
        program "$nodes $settings: none" "${common[@]}" -- "$guest" none
        program "$nodes $settings: late" "${common[@]}" -- "$guest" late "$mpi"
        program "$nodes $settings: a rank alone" "${common[@]}" PMI_RANK=0 -- "$guest" none
        preload="$ours $mpi"
        program "$nodes $settings: linked" "${common[@]}" -- "$guest" linked
    done
done
preload="$ours $work/libmpi/notmpi.so"
program "only the name of the file counts" NUMATALLY_CONF=return:1 -- "$guest" none
finish
