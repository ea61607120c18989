/* SPDX-License-Identifier: MIT */
/*
 * Sinks, the small printf, the JSON words, warnings and the end of the world.
 *
 * All output is made of put(): it copies into the sink's buffer and decides what a
 * full buffer means. Numbers are written backwards into a small array. JSON needs
 * one bit of state, whether a comma is due: a value sets it, a key and an opening
 * bracket clear it. No state survives between calls outside the caller's sink.
 */
#include "src/base/fmt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARN_BYTES 1024
#define STALL_MS 5000 /* a full pipe whose reader takes nothing for this long is dead */

/* ---- sinks ------------------------------------------------------------------ */

void nt__fmt_init(struct nt_fmt *f, char *buf, size_t cap, int fd)
{
    *f = (struct nt_fmt){.buf = buf, .cap = cap, .fd = fd};
    if (fd < 0)
        buf[0] = '\0';
}

int nt__fmt_flush(struct nt_fmt *f)
{
    if (f->fd >= 0 && f->len > 0) {
        if (f->error == 0)
            f->error = nt__write_all(f->fd, f->buf, f->len);
        f->len = 0;
    }
    return f->error;
}

static void put(struct nt_fmt *f, const char *s, size_t n)
{
    if (f->fd < 0) {
        size_t fits = nt__min(n, f->cap - 1 - f->len);

        memcpy(f->buf + f->len, s, fits);
        f->len += fits;
        f->buf[f->len] = '\0';
        f->cut += n - fits;
        return;
    }
    while (n > 0) {
        size_t fits = nt__min(n, f->cap - f->len);

        memcpy(f->buf + f->len, s, fits);
        f->len += fits;
        s += fits;
        n -= fits;
        if (f->len == f->cap)
            nt__fmt_flush(f);
    }
}

void nt__fmt_char(struct nt_fmt *f, char c)
{
    put(f, &c, 1);
}

void nt__fmt_str(struct nt_fmt *f, const char *s)
{
    put(f, s, strlen(s));
}

/* ---- the small printf ------------------------------------------------------- */

/* One directive: what stands between '%' and its letter. */
struct spec {
    bool left;
    bool zeros;
    int width;
    int precision; /* -1: none */
    int longs;     /* 0 int; 1 long; 2 long long */
};

static void pad(struct nt_fmt *f, char c, size_t have, int width)
{
    for (size_t want = width > 0 ? (size_t)width : 0; have < want; have++)
        put(f, &c, 1);
}

static void put_padded(struct nt_fmt *f, const struct spec *p, const char *s, size_t n)
{
    if (!p->left)
        pad(f, ' ', n, p->width);
    put(f, s, n);
    if (p->left)
        pad(f, ' ', n, p->width);
}

static void put_number(struct nt_fmt *f, const struct spec *p, const char *sign,
                       uint64_t v, unsigned base)
{
    char digits[24];
    char *end = digits + sizeof digits;
    char *d = end;
    size_t signs = strlen(sign);

    do {
        *--d = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    if (p->zeros && !p->left) {
        put(f, sign, signs);
        pad(f, '0', (size_t)(end - d) + signs, p->width);
        put(f, d, (size_t)(end - d));
        return;
    }
    d -= signs;
    memcpy(d, sign, signs);
    put_padded(f, p, d, (size_t)(end - d));
}

/* A number in the format or, for '*', the next argument. */
static const char *take_int(const char *s, va_list *ap, int *out)
{
    if (*s == '*') {
        *out = va_arg(*ap, int);
        return s + 1;
    }
    *out = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        *out = *out * 10 + (*s - '0');
    return s;
}

static const char *take_spec(const char *s, va_list *ap, struct spec *p)
{
    *p = (struct spec){.precision = -1};
    for (; *s == '-' || *s == '0'; s++) {
        p->left |= *s == '-';
        p->zeros |= *s == '0';
    }
    s = take_int(s, ap, &p->width);
    if (*s == '.')
        s = take_int(s + 1, ap, &p->precision);
    for (; *s == 'l' || *s == 'z' || *s == 'j'; s++)
        p->longs += *s == 'l' ? 1 : 2;
    return s;
}

static uint64_t take_unsigned(const struct spec *p, va_list *ap)
{
    if (p->longs == 0)
        return va_arg(*ap, unsigned);
    return p->longs == 1 ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned long long);
}

static int64_t take_signed(const struct spec *p, va_list *ap)
{
    if (p->longs == 0)
        return va_arg(*ap, int);
    return p->longs == 1 ? va_arg(*ap, long) : va_arg(*ap, long long);
}

static void put_directive(struct nt_fmt *f, const struct spec *p, char letter,
                          va_list *ap)
{
    switch (letter) {
    case 's': {
        const char *s = va_arg(*ap, const char *);

        if (s == NULL)
            s = "(null)";
        put_padded(f, p, s,
                   p->precision < 0 ? strlen(s) : strnlen(s, (size_t)p->precision));
        break;
    }
    case 'c': {
        char c = (char)va_arg(*ap, int);

        put_padded(f, p, &c, 1);
        break;
    }
    case 'd':
    case 'i': {
        int64_t v = take_signed(p, ap);

        put_number(f, p, v < 0 ? "-" : "", v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
        break;
    }
    case 'u':
        put_number(f, p, "", take_unsigned(p, ap), 10);
        break;
    case 'x':
        put_number(f, p, "", take_unsigned(p, ap), 16);
        break;
    case 'p':
        put_number(f, p, "0x", (uintptr_t)va_arg(*ap, void *), 16);
        break;
    default:
        put(f, &letter, 1);
    }
}

void nt__fmt_vprint(struct nt_fmt *f, const char *format, va_list args)
{
    va_list ap;

    va_copy(ap, args);
    for (const char *s = format; *s != '\0'; s++) {
        const char *plain = s;
        struct spec p;

        while (*s != '\0' && *s != '%')
            s++;
        put(f, plain, (size_t)(s - plain));
        if (*s == '\0')
            break;
        s = take_spec(s + 1, &ap, &p);
        if (*s == '\0')
            break;
        put_directive(f, &p, *s, &ap);
    }
    va_end(ap);
}

void nt__fmt_print(struct nt_fmt *f, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    nt__fmt_vprint(f, format, ap);
    va_end(ap);
}

size_t nt__fmt_into(char *buf, size_t cap, const char *format, ...)
{
    struct nt_fmt f;
    va_list ap;

    nt__fmt_init(&f, buf, cap, -1);
    va_start(ap, format);
    nt__fmt_vprint(&f, format, ap);
    va_end(ap);
    return f.len;
}

/* ---- words ------------------------------------------------------------------ */

size_t nt__edit_distance(const char *a, size_t len, const char *b)
{
    size_t row[32];
    size_t m = nt__min(strlen(b), NT_ARRAY_LEN(row) - 1);

    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = nt__min(replaced, nt__min(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

/* ---- names ------------------------------------------------------------------ */

size_t nt__utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xbf;
    size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;

    if (*s > 0xf4)
        return 0;
    if (*s == 0xe0)
        low = 0xa0;
    if (*s == 0xed)
        high = 0x9f;
    if (*s == 0xf0)
        low = 0x90;
    if (*s == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < n; i++) {
        if (s[i] < low || s[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

void nt__name_copy(char *out, size_t cap, const char *name)
{
    size_t n = strnlen(name, cap);

    if (n == cap) {
        size_t back = 0;

        n = cap - 1;
        do
            back++;
        while (back < 4 && back < n && ((unsigned char)name[n - back] & 0xc0) == 0x80);
        if (back <= n && nt__utf8_length(name + n - back) > back)
            n -= back;
    }
    memcpy(out, name, n);
    memset(out + n, 0, cap - n);
}

void nt__fmt_name(struct nt_fmt *f, int width, const char *name)
{
    const unsigned char *s = (const unsigned char *)name;

    for (; *s != '\0'; width--) {
        size_t n = nt__utf8_length((const char *)s);
        /* U+0080 to U+009F are control characters, too. */
        bool control = *s < 0x20 || *s == 0x7f || (*s == 0xc2 && n == 2 && s[1] < 0xa0);

        if (n == 0 || control)
            nt__fmt_char(f, '?');
        else
            put(f, (const char *)s, n);
        s += n == 0 ? 1 : n;
    }
    nt__fmt_print(f, "%*s", width > 0 ? width : 0, "");
}

/* ---- JSON ------------------------------------------------------------------- */

static void json_value(struct nt_fmt *f)
{
    if (f->json_comma)
        put(f, ",", 1);
    f->json_comma = true;
}

void nt__json_open(struct nt_fmt *f, char bracket)
{
    json_value(f);
    put(f, &bracket, 1);
    f->json_comma = false;
}

void nt__json_close(struct nt_fmt *f, char bracket)
{
    put(f, &bracket, 1);
    f->json_comma = true;
}

void nt__json_u64(struct nt_fmt *f, uint64_t v)
{
    json_value(f);
    nt__fmt_print(f, "%llu", (unsigned long long)v);
}

void nt__json_i64(struct nt_fmt *f, int64_t v)
{
    json_value(f);
    nt__fmt_print(f, "%lld", (long long)v);
}

void nt__json_bool(struct nt_fmt *f, bool v)
{
    json_value(f);
    nt__fmt_str(f, v ? "true" : "false");
}

void nt__json_null(struct nt_fmt *f)
{
    json_value(f);
    nt__fmt_str(f, "null");
}

static void json_quoted(struct nt_fmt *f, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    put(f, "\"", 1);
    while (*s != '\0') {
        size_t n = nt__utf8_length((const char *)s);

        if (n == 0)
            nt__fmt_str(f, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            nt__fmt_print(f, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            nt__fmt_print(f, "\\u%04x", *s);
        else
            put(f, (const char *)s, n);
        s += n == 0 ? 1 : n;
    }
    put(f, "\"", 1);
}

void nt__json_key(struct nt_fmt *f, const char *key)
{
    json_value(f);
    json_quoted(f, key);
    put(f, ":", 1);
    f->json_comma = false;
}

void nt__json_str(struct nt_fmt *f, const char *s)
{
    json_value(f);
    json_quoted(f, s);
}

/* ---- output ----------------------------------------------------------------- */

/* The loop of nt__write_all, SIGPIPE and SIGXFSZ being blocked. */
static int write_loop(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, buf, len);

        if (n > 0) {
            buf += n;
            len -= (size_t)n;
        } else if (n == 0) {
            return -EIO;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};

            if (poll(&p, 1, STALL_MS) == 0)
                return -EAGAIN;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int nt__write_all(int fd, const char *buf, size_t len)
{
    int saved = errno;
    sigset_t ours, pending, old;
    int err;

    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGXFSZ);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &ours, &old);
    err = write_loop(fd, buf, len);
    if (err == -EPIPE || err == -EFBIG) {
        int sig = err == -EPIPE ? SIGPIPE : SIGXFSZ;
        const struct timespec now = {0, 0};

        if (sigismember(&pending, sig) == 0) {
            sigemptyset(&ours);
            sigaddset(&ours, sig);
            while (sigtimedwait(&ours, NULL, &now) < 0 && errno == EINTR)
                ;
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return err;
}

const char *nt__errno_text(int err)
{
    const char *text = strerrordesc_np(err < 0 ? -err : err);

    return text != NULL ? text : "unknown error";
}

/* End the line in `f` and send it to stderr. */
static void warn_line(struct nt_fmt *f)
{
    for (size_t i = 0; i < f->len; i++) {
        unsigned char c = (unsigned char)f->buf[i];

        if (c < 0x20 || c == 0x7f)
            f->buf[i] = '?';
    }
    f->buf[f->len] = '\n';
    (void)nt__write_all(STDERR_FILENO, f->buf, f->len + 1);
}

NT_SLOW void nt__warn(const char *format, ...)
{
    char line[WARN_BYTES];
    struct nt_fmt f;
    va_list ap;

    nt__fmt_init(&f, line, sizeof line, -1);
    nt__fmt_str(&f, "numatally: ");
    va_start(ap, format);
    nt__fmt_vprint(&f, format, ap);
    va_end(ap);
    warn_line(&f);
}

_Noreturn void nt__panic(const char *what, const char *file, int line)
{
    nt__warn("a defect of numatally itself, please report it: %s does not hold (%s:%d)",
             what, file, line);
    abort();
}
