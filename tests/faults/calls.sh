#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The list in docs/reliability.md, the seam of the tests and what the library imports are
# the same: a new system call is not promised anything about by accident.
set -eu
cd "${NT_SOURCE:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What may be imported and is no system call, or none that can fail: each with a reason.
cat >"$work/plain" <<END
__cxa_atexit __cxa_finalize __errno_location __gmon_start__ __register_atfork
_ITM_deregisterTMCloneTable _ITM_registerTMCloneTable
_ZSt15get_new_handlerv _ZSt17__throw_bad_allocv __libc_current_sigrtmax
__libc_current_sigrtmin __libc_single_threaded __progname __rseq_offset __sched_cpucount
program_invocation_short_name abort dl_iterate_phdr dlopen dlsym fprintf fputs
memchr memcmp memcpy memmove memset strchr strcmp strcspn strerrordesc_np strlen
strncmp strnlen strrchr strstr strtoul strtoull sigabbrev_np sigaddset sigemptyset
sigismember getenv getauxval sysconf __asan_init __lsan_init __tsan_init
pthread_getspecific pthread_join pthread_mutex_lock pthread_mutex_trylock
pthread_mutex_unlock pthread_self pthread_setcancelstate
clock_gettime getpid gettid geteuid sigpending pthread_sigmask
END
tr ' ' '\n' <"$work/plain" | sort -u >"$work/known"
# By number, what libc has no call for. rt_sigprocmask and exit_group cannot fail there.
{
    nm -D --undefined-only "${NT_BUILD:?}/libnumatally_malloc.so" |
        awk '{sub("@.*", "", $2); print $2}'
    grep -rhoE 'syscall\(SYS_[a-z_]+' src/base src/track src/heap src/front numa pools |
        sed 's/.*SYS_//' | grep -vxE 'rt_sigprocmask|exit_group'
} | sort -u | comm -23 - "$work/known" >"$work/imports"
sed -n 's/^ *X(\([a-z_0-9]*\), E.*/\1/p' tests/faults/seam.h | sort -u >"$work/seam"
sed -n '/^## When a system call fails/,/^## /p' docs/reliability.md |
    awk -F'|' '/^\| `/ {print $2}' | grep -o '`[a-z_0-9]*`' | tr -d '`' |
    grep -vxE 'set_mempolicy_home_node|rt_sigprocmask' | sort -u >"$work/docs"
failed=0
same() {
    if ! diff "$work/$1" "$work/imports" >"$work/diff"; then
        echo "FAIL $2 (<) is not what the library imports (>):"
        cat "$work/diff"
        failed=1
    fi
}
test -s "$work/imports"
same seam "the list in tests/faults/seam.h"
same docs "the table in docs/reliability.md"
exit $failed
