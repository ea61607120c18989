/* SPDX-License-Identifier: MIT */
/* The settings with a path in them: `report`, with its timeline, and `live`. */
#include "src/base/conf.h"
#include "src/base/text.h"

#include <string.h>
#include <unistd.h>

/* Copy a path and make it absolute, as the program may change its folder later. */
const char *nt__conf_path(struct nt_text v, char out[static NT_CONF_PATH_MAX])
{
    char path[NT_CONF_PATH_MAX];
    size_t at = 0;

    if (v.len == 0)
        return "is empty";
    if (memchr(v.s, '\0', v.len) != NULL)
        return "holds a byte 0";
    if (v.s[0] != '/') {
        /* A folder that was deleted or is too deep has no name. */
        if (getcwd(path, sizeof path) == NULL || path[0] != '/')
            return "is relative, and the current folder's path cannot be had";
        at = strlen(path);
        if (at < sizeof path - 1 && at > 1)
            path[at++] = '/';
    }
    if (at + v.len >= sizeof path)
        return "is too long: 1023 bytes with the folder's path are allowed";
    memcpy(path + at, v.s, v.len);
    path[at + v.len] = '\0';
    memcpy(out, path, at + v.len + 1);
    return NULL;
}

/* A path with %h and the like, which is absolute from then on. */
static const char *parse_pattern(struct nt_text v, char out[static NT_CONF_PATH_MAX])
{
    char path[NT_CONF_PATH_MAX];
    const char *wrong;

    for (size_t i = 0; i < v.len; i++)
        if (v.s[i] == '%' && (++i == v.len || memchr("hrp%", v.s[i], 4) == NULL))
            return "has a % that is none of %h (host), %r (rank), %p (pid), %%";
    wrong = nt__conf_path(v, path);
    if (wrong != NULL)
        return wrong;
    if (memchr(path, '%', strlen(path) - v.len) != NULL)
        return "is relative to a folder with a % in its name";
    memcpy(out, path, sizeof path);
    return NULL;
}

static bool ends_in(struct nt_text v, const char *end)
{
    size_t n = strlen(end);

    return v.len > n && memcmp(v.s + v.len - n, end, n) == 0;
}

static bool has_pid(struct nt_text pattern)
{
    for (size_t i = 0; i + 1 < pattern.len; i++)
        if (pattern.s[i] == '%' && pattern.s[++i] == 'p')
            return true;
    return false;
}

/* TIME, or TIME;PATH. */
static const char *parse_every(struct nt_text v, struct nt_conf *out)
{
    static const struct {
        const char *name;
        uint32_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
    struct nt_text time, path = {"numatally-%h-%p.csv", 19};
    uint64_t n, ms = 0;
    const char *wrong;

    nt__text_next(&v, ';', &time);
    time = nt__text_trim(time);
    for (size_t i = 0; i < NT_ARRAY_LEN(units); i++) {
        struct nt_text number = {time.s, time.len - strlen(units[i].name)};

        if (ends_in(time, units[i].name) &&
            nt__text_number(number, NT_CONF_TIMELINE_MS_MAX / units[i].ms, false, &n))
            ms = n * units[i].ms;
    }
    if (ms < 10)
        return "has no time from 10ms to 1440m";
    if (v.s != NULL)
        path = nt__text_trim(v);
    if (!ends_in(path, ".csv") && !ends_in(path, ".jsonl"))
        return "has a path that ends neither in .csv nor in .jsonl";
    if (!has_pid(path))
        return "has a path without %p, but each process writes a file";
    wrong = parse_pattern(path, out->timeline);
    if (wrong == NULL)
        out->timeline_ms = (uint32_t)ms;
    return wrong;
}

const char *nt__conf_report(struct nt_text v, struct nt_conf *out)
{
    static const char every[] = "every=";

    if (v.len >= sizeof every - 1 && memcmp(v.s, every, sizeof every - 1) == 0)
        return parse_every(
            (struct nt_text){v.s + sizeof every - 1, v.len - (sizeof every - 1)}, out);
    if (!nt__text_is(v, "off") && !nt__text_is(v, "exit"))
        return parse_pattern(v, out->report);
    if (nt__text_is(v, "off"))
        out->timeline_ms = 0;
    memcpy(out->report, v.len == 3 ? "" : "exit", v.len == 3 ? 1 : 5);
    return NULL;
}

const char *nt__conf_live(struct nt_text v, struct nt_conf *out)
{
    if (nt__text_is(v, "off")) {
        out->live[0] = '\0';
        return NULL;
    }
    if (nt__text_is(v, "on"))
        v = (struct nt_text){"/dev/shm", 8};
    return nt__conf_path(v, out->live);
}
