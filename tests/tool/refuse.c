/* SPDX-License-Identifier: MIT */
/*
 * refuse CALL ERRNO MODE COMMAND...: run COMMAND with one system call refused, by numbers;
 * with MODE not "-" only where its third argument, a policy's mode in mbind, is that.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned number;
    } calls[] = {{"mbind", SYS_mbind},
                 {"get_mempolicy", SYS_get_mempolicy},
                 {"move_pages", SYS_move_pages},
                 {"set_mempolicy_home_node", 450}};
    unsigned call = 0, error, mode, third = offsetof(struct seccomp_data, args[2]);

    if (argc < 5)
        return 2;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(argv[1], calls[i].name) == 0)
            call = calls[i].number;
    error = (unsigned)atoi(argv[2]);
    mode = (unsigned)atoi(argv[3]);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, third),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mode, 0, strcmp(argv[3], "-") == 0 ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (call == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("refuse");
        return 77;
    }
    execv(argv[4], argv + 4);
    perror(argv[4]);
    return 127;
}
