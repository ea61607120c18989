/* SPDX-License-Identifier: MIT */
/*
 * numatally topo: the nodes of a machine, as text, JSON, a picture or a line for
 * NUMATALLY_TOPOLOGY. What is said, and of which machine, is machine.h's.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"
#include "src/tool/tool.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct topo {
    int format; /* an option's key; 0: text */
    const char *input;
    const char *svg; /* the file; NULL: standard output */
    pid_t pid;       /* 0: none */
};

static const char *const format_options = "--json, --svg and --export";

static pid_t read_pid(const char *arg, struct argp_state *state)
{
    char *end;
    long pid = strtol(arg, &end, 10);
    if (strcmp(arg, "self") == 0)
        return getpid();
    if (*arg < '0' || *arg > '9' || *end != '\0' || pid < 1 || pid > INT32_MAX)
        argp_error(state, "--pid is \"%s\"; it must be the number of a process", arg);
    return (pid_t)pid;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct topo *t = state->input;

    switch (key) {
    case 'j':
    case 's':
    case 'e':
        if (t->format != 0 && t->format != key)
            argp_error(state, "only one of %s can be printed", format_options);
        t->format = key;
        if (key == 's')
            t->svg = arg;
        return 0;
    case 'i':
        t->input = arg;
        return 0;
    case 'p':
        t->pid = read_pid(arg, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state,
                   "\"%s\" is one word too many; a file is read with --input=%s%s", arg,
                   arg, t->format == 's' ? ", and written with --svg=FILE" : "");
        return 0;
    case ARGP_KEY_END:
        if (t->pid != 0 && t->format == 'e')
            argp_error(state, "--export is about a machine, --pid about a process");
        if (t->pid != 0 && t->input != NULL)
            argp_error(state, "a process of --pid is on this machine, not on that of "
                              "--input: leave one of them out");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* 0, or -1 after a complaint. */
static int print(const struct topo *t, const struct nt_machine *m, FILE *out)
{
    if (t->format == 'e')
        return nt__machine_export(m, out);
    if (t->format == 's')
        nt__machine_svg(m, out);
    else if (t->format == 0)
        nt__machine_text(m, out);
    else if (nt__machine_json(m, out) != 0) {
        nt__warn("the JSON cannot be made or written: %s", nt__errno_text(errno));
        return -1;
    }
    return 0;
}

static int print_to(const struct topo *t, const struct nt_machine *m)
{
    const char *name = t->svg != NULL ? t->svg : "standard output";
    FILE *out = t->svg != NULL ? fopen(t->svg, "we") : stdout;
    if (out == NULL) {
        nt__warn("--svg=%.512s cannot be written: %s", name, nt__errno_text(errno));
        return NT_EXIT_BAD_INPUT;
    }
    if (print(t, m, out) != 0) {
        if (out != stdout)
            fclose(out);
        return NT_EXIT_BAD_INPUT;
    }
    errno = 0;
    if (ferror(out) || fclose(out) != 0) {
        nt__warn("%.512s is incomplete: %s", name,
                 nt__errno_text(errno != 0 ? errno : EIO));
        return NT_EXIT_BAD_INPUT;
    }
    return 0;
}

int nt__tool_topo(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {"svg", 's', "FILE", OPTION_ARG_OPTIONAL,
         "draw a picture, into FILE instead of on standard output", 0},
        {"export", 'e', NULL, 0, "print a line for NUMATALLY_TOPOLOGY", 0},
        {"input", 'i', "FILE", 0,
         "the machine of an hwloc XML file (lstopo FILE.xml writes one), not this one",
         0},
        {"pid", 'p', "PID", 0, "show where the memory of this process lies, too", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "Print the memory nodes of this machine: cpus, memory, distances, tiers."
            "\vExamples:\n"
            "  numatally topo\n"
            "  numatally topo --svg=nodes.svg --pid 1234\n"
            "  NUMATALLY_TOPOLOGY=$(numatally topo --export) numatally run -- "
            "./solver\n\n"
            "The exit status is 0; 1 when a machine or process cannot be read or the "
            "output not be written; 2 for a bad command line.",
    };
    struct topo t = {0};
    struct nt_machine m;
    int status = NT_EXIT_BAD_INPUT;

    nt__tool_parse(&argp, "numatally topo", argc, argv, 0, &t);
    if (nt__machine_read(&m, t.input) != 0)
        return NT_EXIT_BAD_INPUT;
    if (t.pid != 0 && m.source != NT_MACHINE_THIS)
        nt__warn(
            "--pid %d: a process is on this machine, not on that of %s, which is set",
            (int)t.pid,
            m.source == NT_MACHINE_MADE_UP ? "NUMATALLY_TOPOLOGY" : "HWLOC_XMLFILE");
    else if (t.pid == 0 || nt__machine_process(&m, t.pid) == 0)
        status = print_to(&t, &m);
    nt__machine_free(&m);
    return status;
}
