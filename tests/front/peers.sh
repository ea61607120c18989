#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How this library and others come off in the suites here: a table, also left in
# $NT_BUILD/peers.txt. The library's own row must have every check but the kinds of harm
# named below, and no other's more.
#   contract      checks of the malloc family: prog_contract, prog_limits
#   C++           checks of operator new and delete: prog_new
#   frees         bad frees (prog_misuse) that are stopped, with a message
#   harm          misuses (prog_harm) that are stopped or contained
#   surroundings  hostile surroundings, the part of surroundings.sh that is anyone's
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
here=$source_dir/tests/front

# Blocks lie one behind the other, and what is freed is read and written as ever: where nobody
# looks at each block, what is written or read beyond it or late does harm.
harm_by_default='over_(16|64|page|far|calloc|aligned|read) under_(16|64)
    late_write_(address|reused) late_read(_reused)? (fresh|shrunk)_secret twice_reused'
# With check:full, what goes further than the gap behind a small block.
harm_by_full='over_(64|page|far|read) under_64'

# Some go round for ever once their heap is spoilt.
hang=(timeout -s KILL 5)

# score NAME FILE [SETTING]: a row. FILE is "none" for glibc.
score() {
    local name=$1 contract=0 new=0 frees=0 harm=0 around n kind bytes prog
    NT_PRELOAD=$2
    preload=$2
    [ "$2" = none ] && preload=
    settings=(${3+"$3"})
    for prog in prog_contract prog_limits prog_new; do
        run ${settings[@]+"${settings[@]}"} CONTRACT_COPIES=1 -- timeout -s KILL 300 "$programs/$prog"
        n=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' "$work/out" | tail -n 1)
        if [ $prog = prog_new ]; then new=${n:-0}; else contract=$((contract + ${n:-0})); fi
    done
    for kind in $("$programs/prog_misuse" list); do
        for bytes in 40 1000 100000; do
            run ${settings[@]+"${settings[@]}"} -- "${hang[@]}" "$programs/prog_misuse" "$kind" "$bytes"
            [ "$status" = 134 ] && [ -s "$work/err" ] && frees=$((frees + 1))
        done
    done
    : >"$work/harmed"
    for kind in $("$programs/prog_harm" list); do
        for bytes in 24 1000 100000; do
            run ${settings[@]+"${settings[@]}"} -- "${hang[@]}" "$programs/prog_harm" "$kind" "$bytes"
            case $status in
            0 | 132 | 133 | 134 | 135 | 139) harm=$((harm + 1)) ;;
            *) echo "$kind $bytes" >>"$work/harmed" ;;
            esac
        done
    done
    around=$(NT_PRELOAD=$2 env ${settings[@]+"${settings[@]}"} bash "$here/surroundings.sh" |
        sed -n 's/^\([0-9]*\) passed.*/\1/p')
    row=("$contract" "$new" "$frees" "$harm" "$around")
    printf '%-22s' "$name" >>"$table"
    printf '%14s' "${row[@]}" >>"$table"
    printf '\n' >>"$table"
    tail -n 1 "$table"
}

# as_promised WHAT KINDS: harm was done by these kinds only.
as_promised() {
    ok "$1: harm by other kinds than said" \
        bash -c '! grep -vE "^($(echo $1 | tr " " "|")) " "$2"' bash "$2" "$work/harmed"
}

table=$work/table
: >"$table"
ours=$build_dir/libnumatally_malloc.so
score numatally "$ours"
best=("${row[@]}")
as_promised numatally "$harm_by_default"
score "numatally, check:full" "$ours" NUMATALLY_CONF=check:full
as_promised "check:full" "$harm_by_full"
ok "C++ and frees with check:full" test "${row[*]:1:2}" = "${best[*]:1:2}"
for peer in glibc=none jemalloc=libjemalloc.so.2 mimalloc=libmimalloc.so.2 \
    tcmalloc=libtcmalloc_minimal.so.4 tbbmalloc=libtbbmalloc_proxy.so.2; do
    file=${peer#*=}
    [ "$file" = none ] || file=$(ldconfig -p | awk -v f="$file" '$1 == f { print $NF; exit }')
    [ -n "$file" ] || skip "${peer%=*} is not installed (${peer#*=})"
    score "${peer%=*}" "$file"
    for i in "${!row[@]}"; do
        ok "column $((i + 1)) of ${peer%=*}: no more than ours" test "${row[i]}" -le "${best[i]}"
    done
done
{
    printf '%-22s' ''
    printf '%14s' contract C++ frees harm surroundings
    printf '\n'
    cat "$table"
} | tee "$build_dir/peers.txt"
finish
