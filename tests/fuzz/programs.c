/* SPDX-License-Identifier: MIT */
/*
 * ELF files, as numatally doctor reads them of a program.
 */
#include "src/base/base.h"
#include "src/tool/doctor.h"
#include "tests/fuzz/warn.h"

static void read_binary(const char *path)
{
    struct nt_binary b;

    nt__binary_read(&b, path);
    if (b.is_elf)
        FUZZ_CHECK(nt__binary_machine(b.machine)[0] != '\0');
    else
        FUZZ_CHECK(b.interpreter == NULL && b.has == 0);
    nt__binary_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = fuzz_file(data, size, path);

    read_binary(path);
    close(fd);
    return 0;
}
