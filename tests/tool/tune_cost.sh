#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A configured table of classes costs malloc and free nothing: the instructions of a pair, as
# callgrind counts them, are those with the built-in table.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
command -v valgrind >/dev/null || skip "there is no valgrind"
command -v cc >/dev/null || skip "there is no C compiler"
cd "$work" || exit 1

cat >pairs.c <<'C'
#include <stdlib.h>
int main(int count, char **n)
{
    int turns = count > 1 ? atoi(n[1]) : 0;
    for (int i = 0; i < turns; i++) {
        volatile char *a = malloc(264), *b = malloc(1040);
        *a = *b = 1;
        free((void *)a);
        free((void *)b);
    }
    return 0;
}
C
cc -O1 -fno-builtin -o pairs pairs.c || skip "the C compiler does not work"

# instructions CLASSES N
instructions() {
    LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so NUMATALLY_CONF=classes:$1 valgrind \
        --tool=callgrind --callgrind-out-file=/dev/null ./pairs "$2" 2>&1 |
        sed -n 's/.*Collected : *//p'
}

# Of 100,000 turns, start and end taken out.
turns() {
    local few many
    few=$(instructions "$1" 100000)
    many=$(instructions "$1" 200000)
    if [ -z "$few" ] || [ -z "$many" ]; then
        skip "callgrind cannot run the program here"
    fi
    echo $((many - few))
}
builtin=$(turns default)
own=$(turns '16;32;48;80;128;192;272;384;528;560;768;1040;1136;1536;2064;4112')
echo "100,000 turns of two pairs: built in $builtin, own table $own instructions"
# What happens once a slab may differ: less than an instruction in a thousand pairs.
difference=$((own - builtin))
[ "${difference#-}" -lt 200 ] || fail "a table of one's own costs $difference instructions"
