#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs built with a sanitizer, preloaded and linked to: whose malloc it is, what is still
# found, and that nobody is left in the belief that something is looked for that is not. What
# docs/recipes.md says under "Sanitizers".
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
command -v gcc >/dev/null || skip "no gcc"
ours=$preload

cat >"$work/misuse.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char *volatile p = malloc(100);
    const char *what = argc > 1 ? argv[1] : "";
    memset(p, 1, 100);
    if (!strcmp(what, "overrun"))
        p[100] = 1;
    if (!strcmp(what, "leak"))
        p = NULL;
    free(p);
    if (!strcmp(what, "double"))
        free(p);
    puts("end");
    return 0;
}
END
cat >"$work/race.c" <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *add(void *p)
{
    for (int i = 0; i < 1000; i++)
        ++*(int *)p;
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    int *p = calloc(1, sizeof *p);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, add, p);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    free(p);
    puts("end");
    return 0;
}
END

# built COMPILER SANITIZER NAME [OPTION...]: $work/NAME, or the compiler cannot do it.
built() {
    local compiler=$1 sanitizer=$2 name=$3 source=misuse
    shift 3
    [ "$sanitizer" != thread ] || source=race
    command -v "$compiler" >/dev/null &&
        "$compiler" -g -fno-builtin -fsanitize="$sanitizer" -fno-omit-frame-pointer \
            "$work/$source.c" -o "$work/$name" "$@" 2>"$work/err"
}

says() { grep -q -- "$1" "$work/err"; }
ended() { [ "$status" = 0 ] && [ "$(cat "$work/out")" = end ]; }

# finds WHAT SANITIZER NAME: the sanitizer does its work on $work/NAME, and only it speaks.
finds() {
    local what=$1 sanitizer=$2 name=$3
    if [ "$sanitizer" != thread ]; then
        run -- "$work/$name"
        ok "$what: a good program" ended
        ok "$what: a good program, quietly" test ! -s "$work/err"
        run -- "$work/$name" leak
        ok "$what: a leak" says "LeakSanitizer: detected memory leaks"
    fi
    case $sanitizer in
    address)
        run -- "$work/$name" overrun
        ok "$what: an overrun" says "AddressSanitizer: heap-buffer-overflow"
        run -- "$work/$name" double
        ok "$what: a double free" says "AddressSanitizer: attempting double-free"
        ;;
    thread)
        run -- "$work/$name"
        ok "$what: a race" says "WARNING: ThreadSanitizer: data race"
        ;;
    esac
    ok "$what: nothing from the library on stderr" quiet
}

for sanitizer in address thread leak; do
    # gcc's runtime is a library of its own: a preload comes before it.
    if built gcc $sanitizer gcc; then
        case $sanitizer in address) library=libasan ;; thread) library=libtsan ;; *) library=liblsan ;; esac
        runtime=$(realpath "$(gcc -print-file-name=$library.so)")
        preload=$ours
        run -- "$work/gcc"
        case $sanitizer in
        address)
            ok "gcc address, preloaded: stops" test "$status" = 1
            ok "gcc address, preloaded: and says why" says "ASan runtime does not come first"
            run ASAN_OPTIONS=verify_asan_link_order=0 -- "$work/gcc" overrun
            ok "gcc address, told not to look: stops" test "$status" = 1
            ok "gcc address, told not to look: and we say why" \
                says "^numatally: AddressSanitizer .*: stopping; .*name=libasan.so"
            ;;
        thread)
            ok "gcc thread, preloaded: stops" test "$status" = 1
            ok "gcc thread, preloaded: and we say why" \
                says "^numatally: ThreadSanitizer .*: stopping; .*name=libtsan.so"
            ;;
        leak)
            ok "gcc leak, preloaded: runs" ended
            ok "gcc leak, preloaded: and we say what is lost" \
                says "^numatally: LeakSanitizer .*: it finds no leaks; .*name=liblsan.so"
            ;;
        esac
        preload="$runtime $ours"
        finds "gcc $sanitizer, its runtime preloaded first" $sanitizer gcc
    fi
    # clang's is in the program, which comes first.
    preload=$ours
    ! built clang $sanitizer clang || finds "clang $sanitizer, preloaded" $sanitizer clang
    # Linked, the sanitizer comes first.
    preload=
    for compiler in gcc clang; do
        ! built $compiler $sanitizer linked -L"$build_dir" -Wl,--no-as-needed \
            -lnumatally_malloc -Wl,-rpath,"$build_dir" ||
            finds "$compiler $sanitizer, linked" $sanitizer linked
    done
    [ ! -e "$build_dir/libnumatally_malloc.a" ] ||
        ! built gcc $sanitizer static "$build_dir/libnumatally_malloc.a" ||
        finds "gcc $sanitizer, linked to the archive" $sanitizer static
done

# MemorySanitizer is in the program and keeps malloc; UndefinedBehaviorSanitizer wants none.
preload=$ours
if built clang memory memory; then
    run -- "$work/memory"
    ok "memory, preloaded" ended
    ok "memory, preloaded: quietly" test ! -s "$work/err"
fi
for compiler in gcc clang; do
    if built $compiler undefined undefined; then
        run -- "$work/undefined"
        ok "$compiler undefined, preloaded" ended
        run -- "$work/undefined" double
        ok "$compiler undefined: malloc is ours" says "^numatally: free(.*already free"
    fi
done

# Under our own names we serve beside any of them: also root, to whom Linux gives address 0.
cat >"$work/own.c" <<'END'
#include <numatally/numatally.h>
#include <stdio.h>

int main(void)
{
    for (size_t i = 1; i < 1000; i++) {
        char *p = nt_malloc(1000 * i);
        p[0] = p[1000 * i - 1] = 1;
        nt_free(p);
    }
    puts("end");
    return 0;
}
END
preload=
for sanitizer in address thread undefined; do
    if gcc -fsanitize=$sanitizer -I"$source_dir/include" "$work/own.c" -o "$work/own" \
        -L"$build_dir" -lnumatally -Wl,-rpath,"$build_dir" 2>"$work/err"; then
        run -- "$work/own"
        ok "gcc $sanitizer: nt_malloc" ended
        ok "gcc $sanitizer: nt_malloc, quietly" test ! -s "$work/err"
    fi
done
[ $passed -gt 0 ] || skip "no compiler here has a sanitizer"
finish
