#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Memcheck and this library, as docs/recipes.md says under "valgrind". As they come, malloc is
# memcheck's, which finds all that it finds without the preload, and nothing else. Told to leave
# malloc alone it finds nothing in the heap, and says nothing of the library either.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
command -v valgrind >/dev/null || skip "no valgrind"
command -v gcc >/dev/null || skip "no gcc"

cat >"$work/program.c" <<'END'
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Small and large, grown, freed by others, in threads that end, in a child. */
static void *churn(void *unused)
{
    char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = i % 3 ? malloc(i * i * 8 + 1) : calloc(i * 9 + 1, 3);
        memset(blocks[i], 1, i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        blocks[i] = realloc(blocks[i], i * 700 + 1);
    for (size_t i = 1; i < 200; i++)
        free(blocks[i]);
    void *aligned = NULL;
    if (posix_memalign(&aligned, 4096, 100) == 0)
        free(aligned);
    return blocks[0];
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool all = !strcmp(what, "bad");
    char *volatile p = malloc(100);
    memset(p, 1, 99);
    if (all && p[99] == 7)
        puts("seven");
    if (all || !strcmp(what, "overrun"))
        p[100] = 1;
    free(p);
    if (all)
        p[3] = 1;
    if (all || !strcmp(what, "double"))
        free(p);
    if (all)
        p = malloc(200);
    p = NULL;
    if (!strcmp(what, "churn")) {
        pthread_t threads[3];
        void *left;
        for (int i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, churn, NULL);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], &left);
            free(left);
        }
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            free(churn(NULL));
            exit(0);
        }
        waitpid(child, NULL, 0);
    }
    puts("end");
    return 0;
}
END
gcc -g -fno-builtin "$work/program.c" -o "$work/program" -pthread

says() { grep -q "$1" "$work/err"; }
good() { [ "$status" = 0 ] && [ "$(cat "$work/out")" = end ] && [ ! -s "$work/err" ]; }
memcheck=(valgrind --quiet --leak-check=full --error-exitcode=9)
run -- "${memcheck[@]}" "$work/program" bad
ok "what is wrong: status" test "$status" = 9
ok "an overrun" says "bytes after a block of size 100 alloc'd"
ok "an unset value" says "depends on uninitialised value"
ok "a write to a freed block" says "inside a block of size 100 free'd"
ok "a double free" says "Invalid free()"
ok "a leak" says "200 bytes in 1 blocks are definitely lost"
ok "what is wrong: where" says "program.c"
ok "what is wrong: nothing from the library on stderr" quiet
run -- "${memcheck[@]}" --track-origins=yes --show-leak-kinds=all "$work/program" churn
ok "what is right is not complained of" good

# Ours, told by --soname-synonyms: no complaint of a good program, whatever the settings; of a
# bad one as much as without valgrind. What valgrind itself says of a way to ask whether memory
# can be read, which sampling does, is documented.
ours=("${memcheck[@]}" --soname-synonyms=somalloc=nouserintercepts --show-leak-kinds=all)
for settings in "" check:full sample:4K; do
    run NUMATALLY_CONF="$settings" -- "${ours[@]}" "$work/program" churn
    sed -i "/^--[0-9]*-- sigprocmask: unknown 'how' field -1$/d" "$work/err"
    ok "with our malloc (${settings:-no settings}): no complaint" good
done
run NUMATALLY_TOPOLOGY=2x1 NUMATALLY_CONF=report:exit -- "${ours[@]}" "$work/program" churn
ok "with our malloc (two nodes)" test "$status" = 0
ok "with our malloc (two nodes): no complaint" test -z "$(grep '^==' "$work/err")"
ok "with our malloc: the report" says "Allocations"
run -- "${ours[@]}" "$work/program" double
ok "with our malloc: a double free is stopped" says "^numatally: free(.*already free"
run NUMATALLY_CONF=check:full -- "${ours[@]}" "$work/program" overrun
ok "with our malloc: check:full finds an overrun" says "^numatally: "

# Whoever counts instructions replaces nothing.
run NUMATALLY_CONF=report:exit -- valgrind --quiet --tool=callgrind \
    --callgrind-out-file="$work/callgrind" "$work/program" churn
ok "callgrind: runs ours" test "$status" = 0
ok "callgrind: the report" says "Allocations"
ok "callgrind: our functions" grep -q 'libnumatally_malloc' "$work/callgrind"
finish
