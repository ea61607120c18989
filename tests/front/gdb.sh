#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# gdb on a preloaded program, as docs/recipes.md says: breakpoints in malloc, calls of malloc and
# free at a stop, threads, what misuse looks like, detaching and killing.
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"
ours=$preload
preload= # not into gdb itself
command -v gdb >/dev/null || skip "no gdb"
command -v gcc >/dev/null || skip "no gcc"

cat >"$work/program.c" <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_barrier_t here;

void stop_here(void)
{
}

static void *thread(void *unused)
{
    char *p = malloc(3000);
    pthread_barrier_wait(&here); /* all are there; the second time, the stop is over */
    pthread_barrier_wait(&here);
    free(p);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    char *volatile p = malloc(1234);
    pthread_barrier_init(&here, NULL, 4);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, thread, NULL);
    pthread_barrier_wait(&here);
    stop_here();
    pthread_barrier_wait(&here);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    free(p);
    if (argc > 1 && !strcmp(argv[1], "double"))
        free(p);
    puts("the end");
    return 0;
}
END
gcc -g -O0 -fno-builtin "$work/program.c" -o "$work/program" -pthread
unset DEBUGINFOD_URLS

# debug SETTINGS PROGRAM-OPTION GDB-COMMAND...: what gdb and the program say, in $work/out.
debug() {
    local conf=$1 option=$2 commands=()
    shift 2
    for command in "$@"; do
        commands+=(-ex "$command")
    done
    run -- timeout 300 gdb -nx -batch -ex "set confirm off" -ex "set pagination off" \
        -ex "set exec-wrapper env LD_PRELOAD=$ours NUMATALLY_CONF=$conf" \
        "${commands[@]}" --args "$work/program" "$option"
}
says() { grep -qE -- "$1" "$work/out"; }

# gdb 13 cannot write the registers of some processors: then it can call nothing anywhere.
calls=()
run -- gdb -nx -batch -ex "break stop_here" -ex run -ex 'print (int)puts("called")' \
    "$work/program"
if grep -q '^called' "$work/out"; then
    calls=('print (void *)malloc(10) != 0' 'set $p = (char *)malloc(100000)'
        'print $p[99999] = 7' 'call (void)free($p)' 'print (char *)strdup("a string of ours")'
        'call (int)nt_report(2, 0)' 'thread 3' 'print (void *)malloc(20) != 0')
else
    echo "gdb can call no function of any program here: calls are left out"
fi

for settings in "" check:full sample:4K; do
    with=${settings:-no settings}
    debug "$settings" "" "break stop_here" run 'info threads' 'thread apply all backtrace 3' \
        ${calls[@]+"${calls[@]}"} continue
    ok "$with: the stop" says 'Breakpoint 1, stop_here'
    ok "$with: four threads" test "$(grep -cE '^[ *] [1-4]  ' "$work/out")" = 4
    if [ ${#calls[@]} -gt 0 ]; then
        ok "$with: malloc called" test "$(grep -cE '^\$[0-9]+ = 1$' "$work/out")" = 2
        ok "$with: a large block written" says '= 7'
        ok "$with: strdup called" says '"a string of ours"'
        ok "$with: the report called" grep -q Allocations "$work/err" "$work/out"
    fi
    ok "$with: it goes on" says 'the end' # within a line too: gdb's words of threads that end run into it
    ok "$with: exits" says 'exited normally'
done

# A breakpoint in malloc and in free, with whom called it, and a condition.
debug "" "" "break main" run "break malloc if \$rdi == 1234" continue "backtrace 2" \
    "break free" continue "backtrace 2" "delete" continue
ok "break in malloc" says '^#0 .* malloc '
ok "break in malloc: who called" says '^#1 .* main '
ok "break in free" says '^#0 .* free '
ok "breakpoints: it goes on" says 'exited normally'

debug "" double run backtrace
ok "misuse stops in gdb" says 'received signal SIGABRT'
ok "misuse: the caller of free" says '^#[0-9]+ .* main \(.*program.c:'
ok "misuse: what free was" says '^#[0-9]+ .* nt__heap_free_slow '

debug "" "" "break stop_here" run "call (void *)malloc(50)" detach
ok "detached" says 'Inferior 1 .*detached'
debug "" "" "break stop_here" run kill "info threads"
ok "killed" says 'Inferior 1 .*killed'
ok "nobody is left" says 'No threads'
finish
