#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two versions in one process. Another version is played by this one under another SONAME,
# and by a table of calls of another length, which is how versions that do not fit tell
# (src/heap/calls.h).
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
user=$source_dir/tests/users/user.c
link=(-I"$source_dir/include" -L"$build_dir" "-Wl,-rpath,$build_dir")
version=$(sed -n 's/^#define NT_VERSION_STRING "\(.*\)"/\1/p' "$source_dir/include/numatally/numatally.h")

# A malloc whose table is longer by an entry.
cp "$build_dir/libnumatally_malloc.so" "$work/other_malloc.so"
python3 - "$work/other_malloc.so" <<'PY'
import struct, subprocess, sys
path = sys.argv[1]
def words(*command):
    return [line.split() for line in subprocess.check_output(command, text=True).splitlines()]
at = int(next(w[1] for w in words("readelf", "-sW", path) if w[-1:] == ["nt__calls_0"]), 16)
for w in words("readelf", "-lW", path):
    if w[:1] == ["LOAD"] and int(w[2], 16) <= at < int(w[2], 16) + int(w[4], 16):
        offset = at - int(w[2], 16) + int(w[1], 16)
with open(path, "r+b") as file:
    file.seek(offset)
    size = struct.unpack("<Q", file.read(8))[0]
    assert 100 < size < 10000 and size % 8 == 0, size
    file.seek(offset)
    file.write(struct.pack("<Q", size + 8))
PY
gcc "$user" -o "$work/static" "${link[@]}" "$build_dir/libnumatally.a"
run -- "$work/static"
ok "an archive under its own malloc: one heap" grep -qx "$version malloc" "$work/out"
preload=$work/other_malloc.so
run -- "$work/static"
ok "an archive under another malloc: it works" test "$status" = 0
ok "... with a heap of its own" grep -qx "$version nt_malloc alone" "$work/out"
run NUMATALLY_CONF=report:exit -- "$work/static"
ok "... and a report of each" test "$(grep -c '^At its end' "$work/err")" = 2
preload=

# A plug-in that was linked to another version than its program.
gcc -shared -o "$work/libnumatally.so.9" -Wl,-soname,libnumatally.so.9 -Wl,--whole-archive \
    "$build_dir/libnumatally.a" -Wl,--no-whole-archive -Wl,-z,nodelete
cat >"$work/plugin.c" <<'C'
#include <numatally/numatally.h>
void *plugin(void *from_program)
{
    nt_free(from_program);
    return nt_malloc(1000);
}
C
gcc -shared -fPIC -I"$source_dir/include" "$work/plugin.c" -o "$work/plugin.so" \
    "$work/libnumatally.so.9" -Wl,-rpath,"$work"
cat >"$work/program.c" <<'C'
#include <dlfcn.h>
#include <numatally/stats.h>
#include <stdio.h>
static struct nt_snapshot s;
int main(int argc, char **argv)
{
    void *first = nt_malloc(10);
    void *library = dlopen(argv[argc - 1], RTLD_NOW | (argc > 2 ? RTLD_DEEPBIND : 0));
    void *(*plugin)(void *) = library ? (void *(*)(void *))dlsym(library, "plugin") : NULL;
    if (plugin == NULL)
        return fprintf(stderr, "%s\n", dlerror()), 1;
    if (argc > 2) {
        nt_free(first);
        first = NULL;
    }
    void *p = plugin(first);
    if (p == NULL || nt_snapshot(&s) != 0)
        return 1;
    printf("%d live\n", (int)s.total.live_blocks_now);
    if (argc == 2)
        nt_free(p);
    return 0;
}
C
gcc "$work/program.c" -o "$work/program" "${link[@]}" -lnumatally
run -- "$work/program" "$work/plugin.so"
ok "a plug-in of another version has the program's heap" grep -qx "1 live" "$work/out"
run -- "$work/program" deep "$work/plugin.so"
ok "with RTLD_DEEPBIND it has one of its own" grep -qx "0 live" "$work/out"
preload=$build_dir/libnumatally_malloc.so
run -- "$work/program" "$work/plugin.so"
ok "under malloc they have malloc's" test "$status" = 0
run -- "$work/program" deep "$work/plugin.so"
ok "... with RTLD_DEEPBIND, too" test "$status" = 0
finish
