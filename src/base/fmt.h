/* SPDX-License-Identifier: MIT */
/*
 * Printing without malloc and without stdio: a sink, a small printf, JSON words.
 *
 * A sink is a buffer of the caller's and, if wanted, a file descriptor. With a
 * descriptor a full buffer is written out and used again; without one, what does
 * not fit is cut and counted. The first failed write is kept in `error`, and from
 * then on everything is dropped, so a caller asks once, at the end.
 *
 * A sink belongs to one thread. errno is left alone by every call here.
 */
#ifndef NT_BASE_FMT_H
#define NT_BASE_FMT_H

#include "src/base/base.h"

#include <stdarg.h>

#define NT_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct nt_fmt {
    char *buf;
    size_t cap;      /* of `buf`; one byte is kept for the 0 when fd < 0 */
    size_t len;      /* bytes that wait in `buf` */
    int fd;          /* -1: the buffer is all there is */
    int error;       /* 0, or the negative errno of the first failed write */
    size_t cut;      /* bytes dropped since the buffer was full, fd < 0 only */
    bool json_comma; /* the next JSON value must be preceded by a comma */
};

/* Start a sink on `buf` (at least 2 bytes). Without a descriptor `buf` is a string
 * at any time. */
NT_HIDDEN void nt__fmt_init(struct nt_fmt *f, char *buf, size_t cap, int fd);

/* Write out what waits. Returns `error`. */
NT_HIDDEN int nt__fmt_flush(struct nt_fmt *f);

NT_HIDDEN void nt__fmt_char(struct nt_fmt *f, char c);
NT_HIDDEN void nt__fmt_str(struct nt_fmt *f, const char *s);

/* printf's %s %c %d %i %u %x %p %% with h-less lengths l, ll, z, j; flags '-' and
 * '0', width and precision (of strings) as numbers or '*'. Nothing else. */
NT_HIDDEN void nt__fmt_print(struct nt_fmt *f, const char *format, ...) NT_PRINTF(2, 3);
NT_HIDDEN void nt__fmt_vprint(struct nt_fmt *f, const char *format, va_list ap)
    NT_PRINTF(2, 0);

/* nt__fmt_print into `buf`, cut to fit, always ended by 0. Returns bytes written,
 * without the 0. */
NT_HIDDEN size_t nt__fmt_into(char *buf, size_t cap, const char *format, ...)
    NT_PRINTF(3, 4);

/* Bytes of the well-formed UTF-8 character at `text`, which a 0 ends; 0 when there is none.
 * Overlong forms, surrogates and what lies beyond U+10FFFF are not well formed. */
NT_HIDDEN size_t nt__utf8_length(const char *text);

/* Copy the name `name` into `out`, cut to fit between two characters, and fill up with 0. */
NT_HIDDEN void nt__name_copy(char *out, size_t cap, const char *name);

/* Print a name of the program's choosing in a row of text, padded with blanks to `width`
 * characters: '?' stands for what would break the row, control characters and bytes that
 * are not UTF-8. */
NT_HIDDEN void nt__fmt_name(struct nt_fmt *f, int width, const char *name);

/* How many letters must be inserted, deleted or replaced to make `b` (31 bytes of it)
 * from the `len` bytes at `a`: for "did you mean". */
NT_HIDDEN size_t nt__edit_distance(const char *a, size_t len, const char *b);

/* JSON. Commas come by themselves: open, key, value..., close. Strings that are not
 * UTF-8 get U+FFFD for each bad byte, so that every record can be read. */
NT_HIDDEN void nt__json_open(struct nt_fmt *f, char bracket);
NT_HIDDEN void nt__json_close(struct nt_fmt *f, char bracket);
NT_HIDDEN void nt__json_key(struct nt_fmt *f, const char *key);
NT_HIDDEN void nt__json_u64(struct nt_fmt *f, uint64_t v);
NT_HIDDEN void nt__json_i64(struct nt_fmt *f, int64_t v);
NT_HIDDEN void nt__json_bool(struct nt_fmt *f, bool v);
NT_HIDDEN void nt__json_null(struct nt_fmt *f);
NT_HIDDEN void nt__json_str(struct nt_fmt *f, const char *s);

/* Write all of `len` bytes: goes on after EINTR and short writes, waits for a
 * descriptor that does not block, and keeps SIGPIPE and SIGXFSZ from the program.
 * 0 or a negative errno. */
NT_HIDDEN int nt__write_all(int fd, const char *buf, size_t len);

/* One line on stderr, "numatally: ..." and a newline, in one write; cut at 1 KiB.
 * Bytes that are not printable appear as '?'. */
NT_HIDDEN NT_SLOW void nt__warn(const char *format, ...) NT_PRINTF(1, 2);

/* The words for an errno, positive or negative ("No space left on device"). */
NT_HIDDEN const char *nt__errno_text(int err);

#endif
