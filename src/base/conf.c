/* SPDX-License-Identifier: MIT */
/*
 * One table of settings and the little parser that fills struct nt_conf from it.
 *
 * The idea: a setting is a row (key, default, what it may be, meaning) and a function
 * that understands its value. The defaults are parsed by the same functions, so they
 * are written in the table as a user would write them. A value reaches nt_conf only
 * when all of it was understood. Each row complains once per process, so a bad
 * value in the file and another in the environment cost two lines at most. Readers of
 * paths and of reserves are conf_paths.c's and conf_reserve.c's.
 *
 * This runs inside the first malloc, perhaps before libc's constructors: only open,
 * read, getcwd and the environment are used.
 */
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)16384) /* of NUMATALLY_CONF_FILE */
#define VALUE_SHOWN 48                 /* bytes of a bad value that a warning quotes */
#define CLASS_BYTES_MAX (512 * NT_KIB)
#define SLAB_BYTES_LEAST (64 * NT_KIB)
#define SLAB_BYTES_MOST (2 * NT_MIB)
#define RETURN_MS_MAX 3600000u
#define SIGNALS "off, HUP, QUIT, USR1, USR2 or RTMIN+N"

/* A reader of values: NULL, or what is wrong with the value, in words. */
typedef const char *(*parse_fn)(struct nt_text v, struct nt_conf *out);

static const char *parse_hugepages(struct nt_text v, struct nt_conf *out);
static const char *parse_check(struct nt_text v, struct nt_conf *out);
static const char *parse_classes(struct nt_text v, struct nt_conf *out);
static const char *parse_slab(struct nt_text v, struct nt_conf *out);
static const char *parse_policy(struct nt_text v, struct nt_conf *out);
static const char *parse_return(struct nt_text v, struct nt_conf *out);
static const char *parse_reserve(struct nt_text v, struct nt_conf *out);
static const char *parse_prefault(struct nt_text v, struct nt_conf *out);
static const char *parse_mark_signal(struct nt_text v, struct nt_conf *out);
static const char *parse_report_signal(struct nt_text v, struct nt_conf *out);
static const char *parse_sample(struct nt_text v, struct nt_conf *out);
static const char *parse_sample_seed(struct nt_text v, struct nt_conf *out);
static const char *parse_sample_signal(struct nt_text v, struct nt_conf *out);
static const char *parse_sample_stack(struct nt_text v, struct nt_conf *out);

static const struct setting {
    const char *key;
    const char *initial;
    const char *range;
    const char *meaning;
    parse_fn parse;
} settings[] = {
    {"report", "off",
     "off, exit, a path with %h %r %p %%, or every=1s or every=1s;PATH-%p.csv",
     "where the report goes when the process ends; how often a row of figures is "
     "written",
     nt__conf_report},
    {"hugepages", "auto", "auto, off, thp or hugetlb", "what backs the memory",
     parse_hugepages},
    {"check", "on", "on, off or full", "stop at a double or foreign free", parse_check},
    {"classes", "default",
     "default, or ascending multiples of 16 up to 512K such as 16;32;1K",
     "the size class table", parse_classes},
    {"slab", "2M", "a power of two from 64K to 2M",
     "the most that is cut into blocks of a class at once", parse_slab},
    {"live", "off", "off, on or a folder", "keep the figures in a live file",
     nt__conf_live},
    {"policy", "auto",
     "auto, local, bind:LIST, preferred:NODE, preferred-many:LIST, interleave:LIST, "
     "weighted-interleave:LIST or inherit",
     "on which nodes memory is wanted", parse_policy},
    {"return", "1000", "a number of milliseconds from 0 to 3600000",
     "how long free memory is kept before the system gets it back", parse_return},
    {"reserve", "off", "off, a size up to 1T, or NODE=SIZE parts such as 0=1G;1=512M",
     "what is mapped at the start, and kept when it is free", parse_reserve},
    {"prefault", "off", "on or off", "bring the reserve into memory at the start",
     parse_prefault},
    {"mark_signal", "off", SIGNALS, "a signal that begins a phase", parse_mark_signal},
    {"report_signal", "off", SIGNALS, "a signal that writes a report",
     parse_report_signal},
    {"sample", "off", "off, or a number of bytes from 1 to 1T such as 512K",
     "sample one block for so many bytes asked for, on average", parse_sample},
    {"sample_stack", "tables", "tables or frames",
     "how stacks are found: by unwind tables, or by frame pointers",
     parse_sample_stack},
    {"sample_signal", "off", SIGNALS, "a signal that turns sampling on and off",
     parse_sample_signal},
    {"sample_seed", "0",
     "a number from 0 to 18446744073709551615, 0: another each time",
     "what the choice of samples begins with", parse_sample_seed},
};

static struct {
    bool defaults; /* conf holds the defaults, at least */
    bool loaded;
    struct nt_conf conf;
    bool complained[NT_ARRAY_LEN(settings)];
    bool complained_key;           /* about a key or an entry without one */
    char file[FILE_BYTES_MAX + 1]; /* NUMATALLY_CONF_FILE's bytes */
} C;

/* ---- values ----------------------------------------------------------------- */

static const char *parse_hugepages(struct nt_text v, struct nt_conf *out)
{
    if (nt__text_is(v, "auto"))
        out->hugepages = NT_HUGEPAGES_AUTO;
    else if (nt__text_is(v, "off"))
        out->hugepages = NT_HUGEPAGES_OFF;
    else if (nt__text_is(v, "thp"))
        out->hugepages = NT_HUGEPAGES_THP;
    else if (nt__text_is(v, "hugetlb"))
        out->hugepages = NT_HUGEPAGES_HUGETLB;
    else
        return "is unknown";
    return NULL;
}

static const char *parse_check(struct nt_text v, struct nt_conf *out)
{
    out->guard = nt__text_is(v, "full");
    if (!out->guard && !nt__text_is(v, "on") && !nt__text_is(v, "off"))
        return "is unknown";
    out->check = !nt__text_is(v, "off");
    return NULL;
}

static const char *parse_classes(struct nt_text v, struct nt_conf *out)
{
    uint32_t sizes[NT_CONF_CLASSES_MAX];
    uint32_t n = 0;
    struct nt_text part;

    if (nt__text_is(v, "default")) {
        out->class_count = 0;
        return NULL;
    }
    while (nt__text_next(&v, ';', &part)) {
        uint64_t size;

        part = nt__text_trim(part);
        if (part.len == 0 && v.s == NULL)
            break; /* a ';' at the end is fine */
        if (!nt__text_number(part, CLASS_BYTES_MAX, true, &size) || size == 0)
            return "has an entry that is no size from 16 to 512K";
        if (size % 16 != 0)
            return "has a size that is no multiple of 16";
        if (n > 0 && size <= sizes[n - 1])
            return "is not ascending";
        if (n == NT_ARRAY_LEN(sizes))
            return "has more than 127 sizes";
        sizes[n++] = (uint32_t)size;
    }
    if (n == 0)
        return "has no size";
    memcpy(out->class_bytes, sizes, n * sizeof sizes[0]);
    out->class_count = n;
    return NULL;
}

static const char *parse_slab(struct nt_text v, struct nt_conf *out)
{
    uint64_t bytes;

    if (!nt__text_number(v, SLAB_BYTES_MOST, true, &bytes) || bytes < SLAB_BYTES_LEAST)
        return "is no size from 64K to 2M";
    if (!nt__is_pow2(bytes))
        return "is no power of two";
    out->slab_bytes = (uint32_t)bytes;
    return NULL;
}

/* What it means is seen when the machine is known: numa/policy.h. */
static const char *parse_policy(struct nt_text v, struct nt_conf *out)
{
    if (v.len == 0)
        return "is empty";
    if (v.len >= sizeof out->policy || memchr(v.s, '\0', v.len) != NULL)
        return "is too long";
    if (nt__text_is(v, "auto"))
        v.len = 0;
    memcpy(out->policy, v.s, v.len);
    out->policy[v.len] = '\0';
    return NULL;
}

static const char *parse_return(struct nt_text v, struct nt_conf *out)
{
    uint64_t ms;

    if (!nt__text_number(v, RETURN_MS_MAX, false, &ms))
        return "is out of range";
    out->return_ms = (uint32_t)ms;
    return NULL;
}

static const char *parse_reserve(struct nt_text v, struct nt_conf *out)
{
    return nt__conf_reserve(v, &out->reserve);
}

static const char *parse_prefault(struct nt_text v, struct nt_conf *out)
{
    if (!nt__text_is(v, "on") && !nt__text_is(v, "off"))
        return "is unknown";
    out->prefault = nt__text_is(v, "on");
    return NULL;
}

/* Those that programs leave to their users. */
static const char *parse_signal(struct nt_text v, int *out)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"off", 0},
                 {"HUP", SIGHUP},
                 {"QUIT", SIGQUIT},
                 {"USR1", SIGUSR1},
                 {"USR2", SIGUSR2}};
    uint64_t n = 0;

    if (v.len > 3 && memcmp(v.s, "SIG", 3) == 0)
        v = (struct nt_text){v.s + 3, v.len - 3};
    for (size_t i = 0; i < NT_ARRAY_LEN(known); i++) {
        if (nt__text_is(v, known[i].name)) {
            *out = known[i].number;
            return NULL;
        }
    }
    if (v.len < 6 || memcmp(v.s, "RTMIN+", 6) != 0 ||
        !nt__text_number((struct nt_text){v.s + 6, v.len - 6},
                         (uint64_t)(SIGRTMAX - SIGRTMIN), false, &n))
        return "is none of these";
    *out = SIGRTMIN + (int)n;
    return NULL;
}

static const char *parse_mark_signal(struct nt_text v, struct nt_conf *out)
{
    return parse_signal(v, &out->mark_signal);
}

static const char *parse_report_signal(struct nt_text v, struct nt_conf *out)
{
    return parse_signal(v, &out->report_signal);
}

static const char *parse_sample(struct nt_text v, struct nt_conf *out)
{
    if (nt__text_is(v, "off"))
        v = (struct nt_text){"0", 1};
    return nt__text_number(v, NT_CONF_SAMPLE_MAX, true, &out->sample)
               ? NULL
               : "is no such number";
}

static const char *parse_sample_stack(struct nt_text v, struct nt_conf *out)
{
    if (!nt__text_is(v, "tables") && !nt__text_is(v, "frames"))
        return "is unknown";
    out->sample_frames = nt__text_is(v, "frames");
    return NULL;
}

static const char *parse_sample_seed(struct nt_text v, struct nt_conf *out)
{
    return nt__text_number(v, UINT64_MAX, false, &out->sample_seed)
               ? NULL
               : "is no such number";
}

static const char *parse_sample_signal(struct nt_text v, struct nt_conf *out)
{
    return parse_signal(v, &out->sample_signal);
}

/* ---- entries ---------------------------------------------------------------- */

static const char *nearest_key(struct nt_text key)
{
    size_t best = SIZE_MAX;
    const char *name = NULL;

    if (key.len > 2 * VALUE_SHOWN)
        key.len = 2 * VALUE_SHOWN;
    for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++) {
        size_t d = nt__edit_distance(key.s, key.len, settings[i].key);

        if (d < best) {
            best = d;
            name = settings[i].key;
        }
    }
    return name;
}

static int shown(struct nt_text t)
{
    return (int)nt__min(t.len, VALUE_SHOWN);
}

static const char *dots(struct nt_text t)
{
    return t.len > VALUE_SHOWN ? "..." : "";
}

static void read_value(size_t row, struct nt_text value, const char *source)
{
    const struct setting *s = &settings[row];
    const char *wrong = s->parse(value, &C.conf);

    if (wrong == NULL || C.complained[row])
        return;
    C.complained[row] = true;
    nt__warn("%s: %s:%.*s%s %s; it may be %s. Kept: the value before", source, s->key,
             shown(value), value.s, dots(value), wrong, s->range);
}

/* `key:value`, or nothing but blanks. */
static void read_entry(struct nt_text entry, const char *source)
{
    struct nt_text key = {"", 0};
    struct nt_text value = nt__text_trim(entry);

    if (value.len == 0)
        return;
    nt__text_next(&value, ':', &key);
    if (value.s != NULL) {
        key = nt__text_trim(key);
        for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++) {
            if (nt__text_is(key, settings[i].key)) {
                read_value(i, nt__text_trim(value), source);
                return;
            }
        }
    }
    if (C.complained_key)
        return;
    C.complained_key = true;
    if (value.s == NULL)
        nt__warn("%s: \"%.*s%s\" has no value and is ignored; write key:value, "
                 "perhaps %s:...",
                 source, shown(key), key.s, dots(key), nearest_key(key));
    else
        nt__warn("%s: unknown setting \"%.*s%s\" is ignored; did you mean \"%s\"?",
                 source, shown(key), key.s, dots(key), nearest_key(key));
}

static void read_lines(struct nt_text all, const char *source)
{
    struct nt_text line, code;

    while (nt__text_next(&all, '\n', &line)) {
        nt__text_next(&line, '#', &code);
        read_entry(code, source);
    }
}

/* ---- sources ---------------------------------------------------------------- */

static void complain_file(const char *path, const char *why)
{
    nt__warn("NUMATALLY_CONF_FILE: %.256s: %s; none of its settings is used", path,
             why);
}

/* Read the file into C.file. The length, or -1 after a complaint. */
static ssize_t read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t len = 0;
    ssize_t n = 1;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        complain_file(path, nt__errno_text(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        complain_file(path, "not a regular file");
        return -1;
    }
    while (len < sizeof C.file && n > 0) {
        n = read(fd, C.file + len, sizeof C.file - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0)
        complain_file(path, nt__errno_text(errno));
    close(fd);
    if (len > FILE_BYTES_MAX) {
        complain_file(path, "longer than 16384 bytes");
        return -1;
    }
    return n < 0 ? -1 : (ssize_t)len;
}

/* PID:FOLDER:WHO as the tool writes it. Anything else is not from the tool. */
static void read_run(const char *s)
{
    struct nt_text rest = {s, strlen(s)};
    struct nt_text pid, dir;
    uint64_t n;
    const char *colon = strrchr(s, ':');

    if (!nt__text_next(&rest, ':', &pid) || rest.s == NULL || colon < rest.s)
        return;
    dir = (struct nt_text){rest.s, (size_t)(colon - rest.s)};
    if (!nt__text_number(pid, INT32_MAX, false, &n) || dir.len == 0 ||
        dir.s[0] != '/' || nt__conf_path(dir, C.conf.run_dir) != NULL)
        return;
    C.conf.run_pid = (int64_t)n;
    C.conf.run_children = strcmp(colon, ":1") == 0;
    C.conf.run_ranks = strcmp(colon, ":r") == 0 || strcmp(colon, ":m") == 0;
    C.conf.run_job = strcmp(colon, ":j") == 0 || strcmp(colon, ":m") == 0;
}

const char *nt__conf_env(const char *name)
{
    return getauxval(AT_SECURE) != 0 ? NULL : getenv(name);
}

/* A part that is but numbers goes on with a list of nodes: `part` gets it back. */
static void take_list(struct nt_text *rest, struct nt_text *part)
{
    size_t digits = 0;
    struct nt_text after = *rest, more;

    while (nt__text_next(&after, ',', &more) && more.len != 0) {
        for (digits = 0; digits < more.len; digits++)
            if (more.s[digits] != '-' && (more.s[digits] < '0' || more.s[digits] > '9'))
                return;
        part->len += 1 + more.len;
        *rest = after;
    }
}

void nt__conf_load(void)
{
    int saved = errno;
    const char *path, *entries, *run;
    struct nt_text part;

    if (C.loaded)
        return;
    C.loaded = true;
    (void)nt__conf();
    path = nt__conf_env("NUMATALLY_CONF_FILE");
    if (path != NULL && path[0] != '\0') {
        ssize_t len = read_file(path);

        if (len >= 0)
            read_lines((struct nt_text){C.file, (size_t)len}, "NUMATALLY_CONF_FILE");
    }
    entries = nt__conf_env("NUMATALLY_CONF");
    if (entries != NULL) {
        struct nt_text rest = {entries, strlen(entries)};

        while (nt__text_next(&rest, ',', &part)) {
            take_list(&rest, &part);
            read_entry(part, "NUMATALLY_CONF");
        }
    }
    run = nt__conf_env("NUMATALLY_RUN");
    if (run != NULL)
        read_run(run);
    errno = saved;
}

__attribute__((weak)) bool nt__conf_is_meant = true;

const struct nt_conf *nt__conf(void)
{
    if (!C.defaults) {
        C.defaults = true;
        for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++)
            read_value(
                i, (struct nt_text){settings[i].initial, strlen(settings[i].initial)},
                "the default");
    }
    return &C.conf;
}

/* ---- questions -------------------------------------------------------------- */

const char *nt__conf_check(const char *key, const char *value)
{
    struct nt_conf unused;

    for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++)
        if (strcmp(settings[i].key, key) == 0)
            return settings[i].parse((struct nt_text){value, strlen(value)}, &unused);
    return "is of no setting";
}

void nt__conf_describe(struct nt_fmt *f)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++)
        nt__fmt_print(f, "  %s:%s\n      %s:\n      %s\n", settings[i].key,
                      settings[i].initial, settings[i].meaning, settings[i].range);
}
