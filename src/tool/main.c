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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libc looks for it by name, so it must be seen from outside. */
NT_API const char *argp_program_version = "numatally " NT_VERSION_STRING;

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"run", nt__tool_run},
    {"report", nt__tool_report},
    {"topo", nt__tool_topo},
    {"tune", nt__tool_tune},
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
            "`numatally VERB --help' says more about a verb.",
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

bool nt__conf_is_meant = false; /* the settings are for the programs that it runs */

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "run [OPTION...] -- PROGRAM [ARG...]\nreport [OPTION...] FILE...\n"
                    "topo [OPTION...]\ntune [OPTION...] RECORD...",
        .doc = "Count what a program allocates, node by node.\n\n"
               "  run      run a program with the library and report its figures\n"
               "  report   print records and live files, compare two\n"
               "  topo     print nodes, cpus, memory, distances and tiers\n"
               "  tune     make settings from records, and try them\v",
        .help_filter = help,
    };
    struct choice c = {0};

    argp_err_exit_status = NT_EXIT_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &c);
    for (size_t i = 0; i < NT_ARRAY_LEN(verbs); i++)
        if (strcmp(argv[c.index], verbs[i].name) == 0)
            return verbs[i].run(argc - c.index, argv + c.index);
    return unknown(argv[c.index]);
}
