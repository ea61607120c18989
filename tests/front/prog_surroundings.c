/* SPDX-License-Identifier: MIT */
/*
 * What surrounds a process, made hostile or looked at:
 *   at-rest WHAT         exit 0 when the allocator took none without being asked:
 *                        descriptors, threads, (signal) handlers, (address) space, code
 *                        (that can be written to), (memory) policy
 *   refused CMD ARGS     run CMD with the calls a container filter refuses (EPERM)
 *   missing CMD ARGS     the same as an old kernel (ENOSYS)
 *   secure               exit 0 when the kernel marked this process AT_SECURE
 *   closed CMD ARGS      run CMD with no descriptor open at all
 *   standard CMD ARGS    run CMD with standard input, output and error only, whatever
 *                        else this program was given
 */
#include "check.h"

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int count_entries(const char *folder)
{
    DIR *stream = opendir(folder);
    int count = 0;

    while (stream && readdir(stream))
        count++;
    if (stream)
        closedir(stream);
    return count - 2;
}

/* Largest sum of mapped bytes, and whether anything is both writable and executable. */
static void look_at_maps(size_t *mapped, bool *writable_code)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[4096], rights[5];
    size_t from, to;

    *mapped = 0;
    *writable_code = false;
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "%zx-%zx %4s", &from, &to, rights) == 3) {
            *mapped += strstr(line, "[vsyscall]") ? 0 : to - from;
            *writable_code |= rights[1] == 'w' && rights[2] == 'x';
        }
    if (file)
        fclose(file);
}

static bool is_at_rest(const char *what)
{
    struct sigaction action;
    size_t mapped;
    bool writable_code, handlers = false;
    int policy = 0;

    free(malloc(100));
    if (!strcmp(what, "descriptors")) /* three, and the one that counts */
        return count_entries("/proc/self/fd") == 3 + 1;
    if (!strcmp(what, "threads"))
        return count_entries("/proc/self/task") == 1;
    for (int i = 1; i < 65; i++)
        if (sigaction(i, NULL, &action) == 0)
            handlers |= action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
    if (!strcmp(what, "handlers"))
        return !handlers;
    look_at_maps(&mapped, &writable_code);
    if (!strcmp(what, "space")) {
        printf("mapped at rest: %zu MiB\n", mapped / MIB);
        return mapped < 2 * GIB;
    }
    if (!strcmp(what, "code"))
        return !writable_code;
    if (!strcmp(what, "policy"))
        return syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL) != 0 ||
               policy == 0;
    return false;
}

/* Refuse what container filters refuse, then run the command. */
static int filtered(unsigned error, char **command)
{
    static const unsigned refused[] = {
        SYS_mbind,
        SYS_get_mempolicy,
        SYS_set_mempolicy,
        SYS_move_pages,
        SYS_getrandom,
        SYS_migrate_pages,
        SYS_process_vm_readv,
        SYS_membarrier,
        SYS_rseq,
        SYS_getcpu,
        SYS_prctl,
    };
    struct sock_filter filter[COUNT(refused) + 3];
    unsigned n = 0, count = COUNT(refused);

    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (unsigned i = 0; i < count; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, refused[i], (unsigned char)(count - i), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        printf("skipped: seccomp is not to be had: %s\n", strerror(errno));
        return 77;
    }
    execvp(command[0], command);
    return 127;
}

/* Run the command with the descriptors below `first` only. */
static int closed(int first, char **command)
{
    close_range((unsigned)first, ~0U, 0);
    execvp(command[0], command);
    return 127;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "at-rest"))
        return !is_at_rest(argv[2]);
    if (argc == 2 && !strcmp(argv[1], "secure"))
        return getauxval(AT_SECURE) == 0;
    if (argc > 2 && !strcmp(argv[1], "refused"))
        return filtered(EPERM, argv + 2);
    if (argc > 2 && !strcmp(argv[1], "missing"))
        return filtered(ENOSYS, argv + 2);
    if (argc > 2 && !strcmp(argv[1], "closed"))
        return closed(0, argv + 2);
    if (argc > 2 && !strcmp(argv[1], "standard"))
        return closed(3, argv + 2);
    fprintf(stderr, "usage: %s WAY [COMMAND ARGS]; see the head of the source\n",
            argv[0]);
    return 2;
}
