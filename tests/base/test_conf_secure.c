/* SPDX-License-Identifier: MIT */
/* Settings in a program that has more rights than its caller: none is read. */
#include "src/base/conf.h"
#include "src/base/fmt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A setuid program reads nothing: its caller could choose where it writes. */
static void test_secure(void **state)
{
    char folder[] = "/tmp/numatally-secure-XXXXXX";
    char copy[64], command[256], self[1024];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    (void)state;
    if (geteuid() != 0 || n <= 0) {
        print_message("skipped: making a setuid program needs root\n");
        skip();
    }
    self[n] = '\0';
    assert_non_null(mkdtemp(folder));
    nt__fmt_into(copy, sizeof copy, "%s/secure", folder);
    nt__fmt_into(command, sizeof command,
                 "chmod 755 %s && cp '%.100s' %s && chmod 4755 %s", folder, self, copy,
                 copy);
    assert_int_equal(system(command), 0);
    nt__fmt_into(command, sizeof command,
                 "NUMATALLY_CONF=bad:key,check:off PMI_RANK=3 "
                 "setpriv --reuid 65534 --clear-groups %s secure 2>&1",
                 copy);
    assert_int_equal(system(command), 0);
    nt__fmt_into(command, sizeof command,
                 "NUMATALLY_CONF=check:off PMI_RANK=3 %s secure 2>&1", copy);
    assert_int_not_equal(system(command), 0); /* without the difference it reads */
    unlink(copy);
    rmdir(folder);
}

/* The child's side of test_secure: 0 when nothing of the environment was used. */
static int secure_child(void)
{
    nt__conf_load();
    return nt__conf()->check && nt__conf_rank() == -1 &&
                   nt__conf_env("NUMATALLY_CONF") == NULL
               ? 0
               : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_secure)};
    if (argc == 2 && strcmp(argv[1], "secure") == 0)
        return secure_child();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
