#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Ways to load libraries, and to link ours, with the outcome each has:
#
#   way                              outcome
#   dlopen, dlclose                  one heap; blocks outlive the library
#   RTLD_DEEPBIND, dlmopen           the library has glibc's heap; its blocks may be given
#                                    to us (glibc's free may not be given ours)
#   C++ with RTLD_LOCAL              operator new throws all the same
#   libnumatally.so linked + preload one heap
#   libnumatally.so and _malloc.so   one heap, in either order of linking
#   both linked
#   libnumatally.a linked + preload  two heaps; each takes back its own; what crosses
#                                    over is misuse and is stopped
#   libnumatally.so by dlopen, no    nt_* works; glibc's blocks go back to glibc; it stays
#   preload                          in the process after dlclose
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

here=$source_dir/tests/front
cc=${CC:-cc}
build() {
    "$@" -g -O1 -fno-builtin -D_GNU_SOURCE -I"$source_dir/include" || {
        echo "cannot build: $*"
        exit 1
    }
}
build "$cc" -shared -fPIC -o "$work/lib.so" "$here/dl_lib.c" -lpthread
build "${CXX:-c++}" -shared -fPIC -o "$work/cxx.so" "$here/dl_cxx.cpp"
link=(-L"$build_dir" "-Wl,-rpath,$build_dir")
build "$cc" -o "$work/linked" "$here/dl_both.c" "${link[@]}" -lnumatally
build "$cc" -o "$work/core_first" "$here/dl_both.c" "${link[@]}" -Wl,--no-as-needed \
    -lnumatally -lnumatally_malloc
build "$cc" -o "$work/malloc_first" "$here/dl_both.c" "${link[@]}" -Wl,--no-as-needed \
    -lnumatally_malloc -lnumatally
build "$cc" -o "$work/static" "$here/dl_both.c" "$build_dir/libnumatally.a" -lnuma -lpthread
build "$cc" -rdynamic -o "$work/static_exporting" "$here/dl_both.c" \
    "$build_dir/libnumatally.a" -lnuma -lpthread

dl=$programs/prog_dl
for way in reload shared deepbind namespace; do
    program "$way" -- "$dl" "$way" "$work/lib.so"
done
program "C++ out of sight" -- "$dl" cxx "$work/cxx.so"
program "linked to the core" -- "$work/linked"
program "libnumatally.so by dlopen under the preload" -- \
    "$dl" late "$build_dir/libnumatally.so"
program "the archive under the preload" -- "$work/static" apart
program "the archive, exporting its symbols, under the preload" -- \
    "$work/static_exporting" apart
run -- "$work/static"
ok "what crosses between the archive and the preload is stopped" test "$status" = 134
ok "and told" grep -q '^numatally: .*not from this heap' "$work/err"

# Without the preload.
preload=
program "both linked, the core first" -- "$work/core_first"
program "both linked, malloc first" -- "$work/malloc_first"
program "the core by dlopen" -- "$dl" late-strangers "$build_dir/libnumatally.so"
program "the malloc library by dlopen" -- \
    "$dl" late-strangers "$build_dir/libnumatally_malloc.so"
program "the archive by itself" -- "$work/static" apart
finish
