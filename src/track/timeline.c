/* SPDX-License-Identifier: MIT */
#include "src/track/timeline.h"

#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/track/report.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a row has of each node, by name. */
static const struct {
    const char *name;
    size_t offset;
} columns[] = {
#define COLUMN(name)                                                                   \
    {                                                                                  \
#name, offsetof(struct nt_node_figures, name)                                  \
    }
    COLUMN(live_bytes_now), COLUMN(committed_bytes_now), COLUMN(allocations_total),
    COLUMN(frees_total),    COLUMN(remote_frees_total),
#undef COLUMN
};

static struct {
    bool made;  /* the file is there */
    bool ended; /* something went wrong */
    dev_t dev;  /* which it is */
    ino_t ino;
    uint64_t bytes; /* of whole rows in it */
    uint64_t row;   /* of the last one */
    char path[NT_CONF_PATH_MAX];
} T;

bool nt__timeline_goes_on(void)
{
    return nt__conf()->timeline_ms != 0 && !T.ended;
}

uint64_t nt__timeline_pause_ms(void)
{
    uint64_t ms = nt__conf()->timeline_ms, left = NT_TIMELINE_BYTES - T.bytes;

    for (uint64_t half = NT_TIMELINE_BYTES / 2; left <= half && half != 0; half /= 2)
        ms *= 2;
    return ms;
}

void nt__timeline_fork_child(void)
{
    T.made = T.ended = false;
    T.bytes = T.row = 0;
}

static void end(const char *why)
{
    if (nt__report_may_warn())
        nt__warn("no %stimeline in %.512s: %s", T.bytes != 0 ? "more " : "", T.path,
                 why);
    T.ended = true;
}

/* ---- rows ------------------------------------------------------------------- */

static uint64_t value(const struct nt_node_figures *node, size_t column)
{
    uint64_t v;

    memcpy(&v, (const char *)node + columns[column].offset, sizeof v);
    return v;
}

static uint64_t age_ms(const struct nt_snapshot *s)
{
    return s->now_unix_ns > s->start_unix_ns
               ? (s->now_unix_ns - s->start_unix_ns) / 1000000
               : 0;
}

static void print_seconds(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__fmt_print(f, "%llu.%03llu", (unsigned long long)(age_ms(s) / 1000),
                  (unsigned long long)(age_ms(s) % 1000));
}

static void csv_head(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__fmt_str(f, "unix_ns,seconds");
    for (size_t n = 0; n < s->nodes; n++)
        for (size_t i = 0; i < NT_ARRAY_LEN(columns); i++)
            nt__fmt_print(f, ",%s.%d", columns[i].name, s->node_id[n]);
    nt__fmt_char(f, '\n');
}

static void csv_row(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__fmt_print(f, "%llu,", (unsigned long long)s->now_unix_ns);
    print_seconds(f, s);
    for (size_t n = 0; n < s->nodes; n++)
        for (size_t i = 0; i < NT_ARRAY_LEN(columns); i++)
            nt__fmt_print(f, ",%llu", (unsigned long long)value(&s->node[n], i));
    nt__fmt_char(f, '\n');
}

static void json_row(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__fmt_print(f,
                  "{\"unix_ns\":%llu,\"seconds\":", (unsigned long long)s->now_unix_ns);
    print_seconds(f, s);
    nt__fmt_str(f, ",\"nodes\":");
    nt__json_open(f, '[');
    for (size_t n = 0; n < s->nodes; n++) {
        nt__json_open(f, '{');
        nt__json_key(f, "node");
        nt__json_i64(f, s->node_id[n]);
        for (size_t i = 0; i < NT_ARRAY_LEN(columns); i++) {
            nt__json_key(f, columns[i].name);
            nt__json_u64(f, value(&s->node[n], i));
        }
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
    nt__fmt_str(f, "}\n");
}

/* ---- the file --------------------------------------------------------------- */

/* The file, to append to; -1: the timeline has ended. */
static int open_file(const struct nt_snapshot *s)
{
    const char *why;
    struct stat st;
    int fd;

    if (!T.made &&
        nt__report_expand(T.path, sizeof T.path, nt__conf()->timeline, s) != 0) {
        end("its path, with its % filled in, is too long");
        return -1;
    }
    fd = T.made ? nt__report_open_again(T.path, &why) : nt__report_open(T.path, &why);
    if (fd < 0 || fstat(fd, &st) != 0) {
        end(fd < 0 ? why : nt__errno_text(errno));
    } else if (T.made && (st.st_dev != T.dev || st.st_ino != T.ino ||
                          (uint64_t)st.st_size != T.bytes)) {
        end("somebody else has changed it; perhaps %h is to be put into its name");
    } else {
        T.made = true;
        T.dev = st.st_dev;
        T.ino = st.st_ino;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* 0 or a negative errno. */
static int append(int fd, const struct nt_snapshot *s)
{
    bool csv = T.path[strlen(T.path) - 1] == 'v'; /* .csv, .jsonl */
    char buf[2048];
    struct nt_fmt f;
    struct stat st;

    nt__fmt_init(&f, buf, sizeof buf, fd);
    if (csv && T.bytes == 0)
        csv_head(&f, s);
    if (csv)
        csv_row(&f, s);
    else
        json_row(&f, s);
    if (nt__fmt_flush(&f) != 0)
        return f.error;
    if (fstat(fd, &st) != 0)
        return -errno;
    T.row = (uint64_t)st.st_size - T.bytes;
    T.bytes += T.row;
    return 0;
}

void nt__timeline_write(const struct nt_snapshot *s)
{
    int saved = errno;
    int fd, err;

    /* Rows grow by a digit now and then. */
    if (nt__timeline_goes_on() && T.bytes + 2 * T.row <= NT_TIMELINE_BYTES &&
        (fd = open_file(s)) >= 0) {
        err = append(fd, s);
        if (err != 0)
            (void)!ftruncate(fd, (off_t)T.bytes);
        if (close(fd) != 0 && err == 0)
            err = -errno;
        if (err != 0)
            end(nt__errno_text(err));
    }
    errno = saved;
}
