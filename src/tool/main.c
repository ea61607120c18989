/* SPDX-License-Identifier: MIT */
/*
 * numatally VERB: finds the verb and hands it the rest of the command line.
 * Each verb is one file with a parser of its own.
 */
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libc looks for it by name, so it must be seen from outside. */
NT_API const char *argp_program_version = "numatally " NT_VERSION_STRING;

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"run", nt__tool_run}, {"report", nt__tool_report}, {"topo", nt__tool_topo},
    {"top", nt__tool_top}, {"tune", nt__tool_tune},     {"doctor", nt__tool_doctor},
};

struct choice {
    int index; /* of the verb in argv; 0: none */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct choice *c = state->input;

    (void)arg;
    if (key == ARGP_KEY_ARG) {
        c->index = state->next - 1;
        state->next = state->argc;
        return 0;
    }
    if (key == ARGP_KEY_NO_ARGS)
        argp_usage(state);
    return ARGP_ERR_UNKNOWN;
}

/* The settings belong into the help: they are the library's command line. */
static char *help(int key, const char *text, void *input)
{
    char table[2048];
    char *all = NULL;
    struct nt_fmt f;

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    nt__fmt_init(&f, table, sizeof table, -1);
    nt__conf_describe(&f);
    if (asprintf(
            &all,
            "Settings of the library, in NUMATALLY_CONF=\"key:value,key:value\" or "
            "one a line in the file that NUMATALLY_CONF_FILE names; with the "
            "defaults:\n\n"
            "%s\n"
            "Examples:\n"
            "  numatally run -- PROGRAM\n"
            "  numatally doctor -- PROGRAM\n\n"
            "`numatally VERB --help' says more about a verb. The exit status is the "
            "verb's; 2 when there is no such verb or option.",
            table) < 0)
        return NULL;
    return all;
}

static int unknown(const char *name)
{
    size_t best = 0, len = strlen(name);

    for (size_t i = 1; i < NT_ARRAY_LEN(verbs); i++)
        if (nt__edit_distance(name, len, verbs[i].name) <
            nt__edit_distance(name, len, verbs[best].name))
            best = i;
    nt__warn("there is no verb \"%.64s\"; did you mean \"numatally %s\"? "
             "\"numatally --help\" lists the verbs",
             name, verbs[best].name);
    return NT_EXIT_USAGE;
}

/* Of the standard descriptors those that are closed: else the next file that is opened would be
 * one of them, and get what is meant for stderr. Writing to them still fails, and programs
 * that are run have them closed. */
static void hold_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

bool nt__conf_is_meant = false; /* the settings are for the programs that it runs */

int main(int argc, char **argv)
{
    static const struct argp_option none[] = {{0}};
    static const struct argp argp = {
        .options = none,
        .parser = parse,
        .args_doc = "run [OPTION...] -- PROGRAM [ARG...]\nreport [OPTION...] FILE...\n"
                    "top [OPTION...] PID\ntop [OPTION...] -- PROGRAM [ARG...]\n"
                    "topo [OPTION...]\ntune [OPTION...] RECORD...\n"
                    "tune --verify [OPTION...] -- PROGRAM [ARG...]\n"
                    "doctor [OPTION...] [-- PROGRAM]",
        .doc = "Count what a program allocates, node by node.\n\n"
               "  run      run a program with the library and report its figures\n"
               "  report   print records and live files, compare two\n"
               "  top      watch a process that runs\n"
               "  topo     print nodes, cpus, memory, distances and tiers\n"
               "  tune     make settings from records, and try them\n"
               "  doctor   say what of machine and program stands in the way\v",
        .help_filter = help,
    };
    struct choice c = {0};

    hold_descriptors();
    argp_err_exit_status = NT_EXIT_USAGE;
    nt__tool_parse(&argp, "numatally", argc, argv, ARGP_IN_ORDER, &c);
    for (size_t i = 0; i < NT_ARRAY_LEN(verbs); i++)
        if (strcmp(argv[c.index], verbs[i].name) == 0)
            return verbs[i].run(argc - c.index, argv + c.index);
    return unknown(argv[c.index]);
}
