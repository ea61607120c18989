/* SPDX-License-Identifier: MIT */
/*
 * numatally doctor: runs the checks of doctor.h one after the other and prints what they
 * found, as text for people or as one JSON object.
 */
#include "src/tool/doctor.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/report.h"
#include "src/tool/tool.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_ROOT 256
#define WIDTH 79
#define INDENT 24 /* level, check, and a blank behind each */

static const nt_check machine_checks[] = {
    nt__check_nodes,   nt__check_allowed, nt__check_policy,     nt__check_calls,
    nt__check_kernel,  nt__check_sandbox, nt__check_balancing,  nt__check_reclaim,
    nt__check_thp,     nt__check_hugetlb, nt__check_overcommit, nt__check_maps,
    nt__check_limits,  nt__check_cgroup,  nt__check_files,      nt__check_live,
    nt__check_preload, nt__check_library,
};

static const nt_check program_checks[] = {
    nt__check_loader,  nt__check_rights,    nt__check_malloc, nt__check_sanitizer,
    nt__check_runpath, nt__check_libraries, nt__check_mpi,    nt__check_language,
};

static const char *const levels[] = {"ok", "note", "problem"};

void nt__doctor_say(struct nt_doctor *d, const char *check, enum nt_level level,
                    const char *value, const char *text, const char *advice)
{
    if (d->count == d->cap) {
        d->cap = 2 * d->cap + 32;
        d->list = nt__tool_memory(reallocarray(d->list, d->cap, sizeof *d->list));
    }
    d->list[d->count++] = (struct nt_diagnosis){check, level, value, text, advice};
}

static size_t how_many(const struct nt_doctor *d, enum nt_level level)
{
    size_t n = 0;

    for (size_t i = 0; i < d->count; i++)
        n += d->list[i].level == level;
    return n;
}

/* ---- text --------------------------------------------------------------------------- */

/* Colours are for people who look at it, and want them (no-color.org). */
static bool is_coloured(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* Break `text` between words, with `indent` blanks before all lines but the first, which
 * begins there. A word that is longer than a line stands alone. */
static void print_wrapped(const char *text, int indent)
{
    for (int column = indent; *text != '\0';) {
        int length = (int)strcspn(text, " ");

        if (column > indent && column + 1 + length > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        for (int i = 0; i < length; i++)
            putchar((unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i]);
        column += length;
        text += (size_t)length + strspn(text + length, " ");
    }
    putchar('\n');
}

static void print_diagnosis(const struct nt_diagnosis *g, bool coloured)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};

    printf("%s%-7s%s  %-13s  ", coloured ? colours[g->level] : "", levels[g->level],
           coloured ? "\033[0m" : "", g->check);
    print_wrapped(g->value, INDENT);
    if (g->level == NT_LEVEL_OK)
        return;
    printf("%*s", INDENT, "");
    print_wrapped(g->text, INDENT);
    if (g->advice[0] != '\0') {
        printf("%*s-> ", INDENT, "");
        print_wrapped(g->advice, INDENT + 3);
    }
}

static void print_text(const struct nt_doctor *d, size_t of_machine)
{
    size_t problems = how_many(d, NT_LEVEL_PROBLEM), notes = how_many(d, NT_LEVEL_NOTE);
    bool coloured = is_coloured();

    puts("This machine");
    for (size_t i = 0; i < d->count; i++) {
        if (i == of_machine)
            printf("\n%.200s\n", d->words[0]);
        print_diagnosis(&d->list[i], coloured);
    }
    printf("\n%zu problem%s, %zu note%s\n", problems, problems == 1 ? "" : "s", notes,
           notes == 1 ? "" : "s");
}

/* ---- JSON --------------------------------------------------------------------------- */

/* Paths and settings may be of any bytes. */
static json_t *string(const char *s)
{
    json_t *o = json_string(s);
    struct nt_fmt f;
    char *clean;

    if (o != NULL)
        return o;
    clean = nt__tool_memory(malloc(strlen(s) + 1));
    nt__fmt_init(&f, clean, strlen(s) + 1, -1);
    nt__fmt_name(&f, 0, s);
    o = json_string(clean);
    free(clean);
    return o;
}

static int print_json(const struct nt_doctor *d)
{
    json_t *o = json_object(), *list = json_array();
    int err;

    json_object_set_new(o, "format", json_string("numatally-doctor"));
    json_object_set_new(o, "format_version", json_integer(1));
    json_object_set_new(o, "numatally", json_string(NT_VERSION_STRING));
    json_object_set_new(o, "program",
                        d->words[0] != NULL ? string(d->words[0]) : json_null());
    json_object_set_new(o, "problems",
                        json_integer((json_int_t)how_many(d, NT_LEVEL_PROBLEM)));
    json_object_set_new(o, "notes",
                        json_integer((json_int_t)how_many(d, NT_LEVEL_NOTE)));
    for (size_t i = 0; i < d->count; i++) {
        const struct nt_diagnosis *g = &d->list[i];
        json_t *one = json_object();

        json_object_set_new(one, "check", json_string(g->check));
        json_object_set_new(one, "level", json_string(levels[g->level]));
        json_object_set_new(one, "value", string(g->value));
        json_object_set_new(one, "text", string(g->text));
        json_object_set_new(one, "advice", string(g->advice));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "findings", list);
    err = json_dumpf(o, stdout, JSON_COMPACT);
    json_decref(o);
    putchar('\n');
    return err;
}

/* ---- the verb ------------------------------------------------------------------------- */

struct options {
    bool json;
    const char *root;
    char **words;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'j':
        o->json = true;
        return 0;
    case KEY_ROOT:
        if (access(arg, R_OK | X_OK) != 0)
            argp_error(state,
                       "--root is \"%s\": %s; it must be a folder with proc and "
                       "sys in it",
                       arg, nt__errno_text(errno));
        o->root = arg;
        return 0;
    case ARGP_KEY_ARG:
        o->words = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* How many of the findings are the machine's; -1 after a complaint. */
static ssize_t examine(struct nt_doctor *d)
{
    ssize_t of_machine;

    nt__doctor_settings(&d->conf); /* before the library starts in here */
    if (nt__machine_from_library(&d->machine) != 0)
        return -1;
    for (size_t i = 0; i < NT_ARRAY_LEN(machine_checks); i++)
        machine_checks[i](d);
    of_machine = (ssize_t)d->count;
    if (d->words[0] != NULL)
        nt__check_program(d);
    for (size_t i = 0; i < NT_ARRAY_LEN(program_checks) && d->path != NULL; i++)
        program_checks[i](d);
    return of_machine;
}

int nt__tool_doctor(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {"root", KEY_ROOT, "FOLDER", 0,
         "read /proc, /sys, /etc, /run, /dev/shm and /tmp below FOLDER, as a copy of "
         "another machine's; limits and calls are still of this one",
         0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[-- PROGRAM [ARG...]]",
        .doc =
            "Say what of this machine, and of PROGRAM, stands in the way of counting "
            "and placing memory, and what to do about it. PROGRAM is not run and "
            "nothing is changed."
            "\vExamples:\n"
            "  numatally doctor\n"
            "  numatally doctor -- lmp -in in.melt\n"
            "  mpirun -n 1 numatally doctor --json -- ./solver\n\n"
            "The exit status is 0 when nothing stands in the way, 1 when there are "
            "problems or the output cannot be written, 2 for a bad command line."};
    static char *no_words[] = {NULL};
    static struct nt_doctor d;
    struct options o = {.words = no_words, .root = ""};
    ssize_t of_machine;

    nt__tool_parse(&argp, "numatally doctor", argc, argv, ARGP_IN_ORDER, &o);
    d.root = o.root;
    d.words = o.words;
    of_machine = examine(&d);
    if (of_machine < 0)
        return NT_EXIT_BAD_INPUT;
    errno = 0;
    if (!o.json)
        print_text(&d, (size_t)of_machine);
    else if (print_json(&d) != 0)
        errno = errno != 0 ? errno : EIO;
    if (ferror(stdout) || fclose(stdout) != 0) {
        nt__warn("standard output is incomplete: %s",
                 nt__errno_text(errno != 0 ? errno : EIO));
        return NT_EXIT_BAD_INPUT;
    }
    nt__machine_free(&d.machine);
    nt__binary_free(&d.binary);
    return how_many(&d, NT_LEVEL_PROBLEM) > 0 ? NT_EXIT_BAD_INPUT : 0;
}
