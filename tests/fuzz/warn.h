/* SPDX-License-Identifier: MIT */
/*
 * Complaints are expected, by the thousand. They come here instead of to stderr (the linker
 * is told to --wrap=nt__warn), are formed as ever, looked at and counted: whatever the input
 * held, a complaint is one line of text that fits.
 */
#ifndef TESTS_FUZZ_WARN_H
#define TESTS_FUZZ_WARN_H

#include "src/base/fmt.h"
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>

static unsigned fuzz_complaints;

void __wrap_nt__warn(const char *format, ...);

void __wrap_nt__warn(const char *format, ...)
{
    static char line[8192];
    struct nt_fmt f;
    va_list ap;

    nt__fmt_init(&f, line, sizeof line, -1);
    va_start(ap, format);
    nt__fmt_vprint(&f, format, ap);
    va_end(ap);
    FUZZ_CHECK(strlen(line) > 0 && strlen(line) < sizeof line - 1);
    fuzz_complaints++;
}

#endif
