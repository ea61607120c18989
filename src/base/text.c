/* SPDX-License-Identifier: MIT */
#include "src/base/text.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct nt_text nt__text_trim(struct nt_text t)
{
    while (t.len > 0 && is_space(t.s[0])) {
        t.s++;
        t.len--;
    }
    while (t.len > 0 && is_space(t.s[t.len - 1]))
        t.len--;
    return t;
}

bool nt__text_is(struct nt_text t, const char *word)
{
    return t.len == strlen(word) && memcmp(t.s, word, t.len) == 0;
}

/* Cut the part before the first `c` off `*rest`; false when nothing is left. */
bool nt__text_next(struct nt_text *rest, char c, struct nt_text *part)
{
    const char *end;

    if (rest->s == NULL)
        return false;
    end = memchr(rest->s, c, rest->len);
    if (end == NULL) {
        *part = *rest;
        *rest = (struct nt_text){NULL, 0};
    } else {
        *part = (struct nt_text){rest->s, (size_t)(end - rest->s)};
        *rest = (struct nt_text){end + 1, rest->len - part->len - 1};
    }
    return true;
}

/* The number `t` is, all of it, up to `max`; K, M, G or T behind it count 1024 each. */
bool nt__text_number(struct nt_text t, uint64_t max, bool units, uint64_t *out)
{
    static const char letters[] = "KMGT";
    uint64_t v = 0, unit = 1;
    const char *letter = NULL;

    if (units && t.len > 0)
        letter = memchr(letters, t.s[t.len - 1] & ~('a' - 'A'), sizeof letters - 1);
    if (letter != NULL) {
        unit <<= 10 * (letter - letters + 1);
        t.len--;
    }
    if (t.len == 0)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.s[i] < '0' || t.s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(t.s[i] - '0'), &v))
            return false;
    }
    if (__builtin_mul_overflow(v, unit, &v) || v > max)
        return false;
    *out = v;
    return true;
}

uint64_t nt__text_leading(const char *s, const char **end)
{
    uint64_t v = 0;
    bool fits = true;

    *end = s;
    while (is_space(*s) || *s == '\n')
        s++;
    for (; *s >= '0' && *s <= '9'; *end = ++s)
        fits = fits && !__builtin_mul_overflow(v, 10, &v) &&
               !__builtin_add_overflow(v, (uint64_t)(*s - '0'), &v);
    return fits ? v : UINT64_MAX;
}
