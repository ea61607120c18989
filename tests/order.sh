#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cmake/order.ld: of the library's code, a small program has no more resident than what is to
# be run; and the functions that are named there exist. Skipped where the linker could not be
# told the order, and in debug builds.
set -u
build=${NT_BUILD:?}
source_dir=${NT_SOURCE:?}
library=$(readlink -f "$build/libnumatally_malloc.so")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# section_kib NAME: its size; nothing when there is none.
section_kib() {
    readelf -SW "$library" |
        awk -v name="$1" '{for (i = 1; i <= NF; i++) if ($i == name) print $(i + 4)}' |
        while read -r hex; do echo $((16#$hex / 1024)); done
}
early_kib=$(section_kib .text.early)
[ -n "$early_kib" ] || {
    echo "skip: this linker put the code in no order"
    exit 77
}
if grep -q '^CMAKE_BUILD_TYPE:STRING=Debug' "$build/CMakeCache.txt"; then
    echo "skip: nothing is inlined in this build, so what is run are other functions"
    exit 77
fi
later_kib=$(section_kib .text)
[ "$early_kib" -lt "$later_kib" ] || {
    echo "FAIL $early_kib KiB of code come first and $later_kib later: that is no choice"
    failed=1
}

# gcc's parts of functions (.cold, .part.0) come and go; what they are parts of does not.
names=$(grep -o '\.text\.[A-Za-z_0-9.]*' "$source_dir/cmake/order.ld" |
    sed -E 's/^\.text\.(unlikely\.|startup\.)?//; s/\.(part|constprop|isra|cold).*//' | grep -v '^early$' | sort -u)
[ "$(wc -w <<<"$names")" -gt 100 ] || {
    echo "FAIL cmake/order.ld names next to nothing"
    failed=1
}
for name in $names; do
    grep -rqw --include='*.[ch]' -e "$name" "$source_dir"/{src,numa,pools} || {
        echo "FAIL cmake/order.ld names $name, and no source does"
        failed=1
    }
done

# What lies around a missing page is mapped with it, and where that begins is chance: a mean.
cat >"$work/pair.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
    void *volatile p = malloc(64);
    free(p);
    close(1);
    return read(0, (char[1]){0}, 1) != 0;
}
END
"${CC:-cc}" -o "$work/pair" "$work/pair.c" || exit 1
resident() {
    awk -v library="$library" '/^[0-9a-f]+-/ {in_it = $2 == "r-xp" && $6 == library}
        in_it && $1 == "Rss:" {print $2}' "/proc/$1/smaps"
}
sum=0
runs=16
for _ in $(seq $runs); do
    mkfifo "$work/in" "$work/out"
    LD_PRELOAD=$library "$work/pair" <"$work/in" >"$work/out" &
    pid=$!
    exec 3>"$work/in"
    cat "$work/out" # it ends when the pair is done
    kib=$(resident $pid)
    exec 3>&-
    wait $pid || failed=1
    rm "$work/in" "$work/out"
    sum=$((sum + kib))
done
mean=$((sum / runs))
echo "code that comes first: $early_kib KiB; resident in a small program: $mean KiB, mean of $runs"
# A fault at its last page may bring in 60 KiB of what comes later.
[ "$mean" -gt 0 ] && [ "$mean" -le $((early_kib + 60)) ] || {
    echo "FAIL that is more than what comes first and what lies around it"
    failed=1
}
exit $failed
