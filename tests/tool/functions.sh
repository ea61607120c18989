#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Functions and lines in the text of a profile; and who is asked for debug info, and when.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
command -v strace >/dev/null || skip "there is no strace"
cd "$work" || exit 1
unset DEBUGINFOD_URLS
export HOME=$work # a cache of debug info would lie there

cat >prog.cpp <<'C'
#include <cstdlib>
namespace ns {
static void *volatile kept;
static inline __attribute__((always_inline)) void take(std::size_t n)
{
    kept = std::malloc(n);
}
__attribute__((noinline)) static void both(int n)
{
    take(1000);
    kept = std::malloc(static_cast<std::size_t>(n));
}
}
int main()
{
    ns::both(100000);
    return 0;
}
C
g++ -O2 -g -fno-builtin -o prog prog.cpp || fail "prog.cpp"
try 0 "$tool" run --sample 1 --report r.json -- ./prog

try 0 "$tool" report r.json
[ ! -s err ] || fail "something on standard error"
cp out lines
out '^    ns::both\(int\) \(.*/prog\.cpp:11\)$'
grep -A 2 -E '^    take \(.*/prog\.cpp:6\)$' lines >rows || fail "no inlined function"
sed -n 2p rows | grep -qE '^    ns::both\(int\) \(.*/prog\.cpp:10\)$' || fail "not what it is inlined in"
sed -n 3p rows | grep -qE '^    main \(.*/prog\.cpp:16\)$' || fail "not who called that"

# Nobody is asked over the network unless the user says so; a server that cannot be reached
# changes nothing.
strace -f -e trace=connect -o trace "$tool" report r.json >again || fail "under strace"
cmp again lines || fail "another text under strace"
! grep -E 'AF_INET' trace || fail "somebody was asked over the network"
DEBUGINFOD_URLS=http://127.0.0.1:1/ "$tool" report r.json >again || fail "with a server"
cmp again lines || fail "another text with a server that is not there"

# Built anew: said once, and file + place instead, as the library itself has it.
g++ -O1 -g -fno-builtin -o prog prog.cpp || fail "prog.cpp"
try 0 "$tool" report r.json r.json
[ "$(grep -c "no names of functions in $work/prog: it is another file by now" err)" = 1 ] ||
    fail "not said once"
! grep -q 'ns::' out || fail "names of another program"
out "^    prog\+0x[0-9a-f]+ \($work/prog\)\$"
echo "ok"
