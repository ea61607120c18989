/* SPDX-License-Identifier: MIT */
/*
 * A verb's command line: argp's, and for a long option that does not exist the name of the
 * nearest that does.
 *
 * argp leaves such complaints to getopt, which has no such word. So the line is walked
 * before argp does it, the way getopt would; whatever is unclear is left for them.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

/* Those that argp adds. */
static const char *const added[] = {"help", "usage", "version", "program-name", "HANG"};

/* How many options of `argp` begin with this; *found is one of them, or NULL. An exact name
 * is the only one. */
static size_t look_up(const struct argp *argp, const char *name, size_t length,
                      const struct argp_option **found)
{
    size_t count = 0;

    *found = NULL;
    for (const struct argp_option *o = argp->options;
         o->name != NULL || o->key != 0 || o->doc != NULL; o++) {
        if (o->name == NULL || strncmp(o->name, name, length) != 0)
            continue;
        *found = o;
        count++;
        if (o->name[length] == '\0')
            return 1;
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(added); i++)
        count += strncmp(added[i], name, length) == 0;
    return count;
}

/* Keep in *best the name that is nearest to what was written. */
static void compare(const char *name, size_t length, const char *option,
                    const char **best, size_t *least)
{
    size_t distance = nt__edit_distance(name, length, option);

    if (distance < *least) {
        *least = distance;
        *best = option;
    }
}

static _Noreturn void complain(const struct argp *argp, const char *verb,
                               const char *name, size_t length)
{
    const char *best = "";
    size_t least = SIZE_MAX;

    for (const struct argp_option *o = argp->options;
         o->name != NULL || o->key != 0 || o->doc != NULL; o++)
        if (o->name != NULL)
            compare(name, length, o->name, &best, &least);
    for (size_t i = 0; i < NT_ARRAY_LEN(added); i++)
        compare(name, length, added[i], &best, &least);
    /* What has nothing in common with any is no slip of the finger. */
    bool near = least <= length / 2;
    nt__warn("%s has no option \"--%.*s\"; %s%s%s\"%s --help\" lists them", verb,
             (int)nt__min(length, 64), name, near ? "did you mean \"--" : "",
             near ? best : "", near ? "\"? " : "", verb);
    exit(argp_err_exit_status);
}

/* Does the cluster of letters take the next word? */
static bool takes_next(const struct argp *argp, const char *letters)
{
    for (; *letters != '\0'; letters++)
        for (const struct argp_option *o = argp->options;
             o->name != NULL || o->key != 0 || o->doc != NULL; o++)
            if (o->key == *letters && o->arg != NULL)
                return letters[1] == '\0' && (o->flags & OPTION_ARG_OPTIONAL) == 0;
    return false;
}

static void check_names(const struct argp *argp, const char *verb, int argc,
                        char **argv, unsigned flags)
{
    bool in_order = (flags & ARGP_IN_ORDER) != 0 || getenv("POSIXLY_CORRECT") != NULL;
    const struct argp_option *option;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        size_t length = strcspn(word, "=");

        if (word[0] != '-' || word[1] == '\0') {
            if (in_order)
                return;
        } else if (word[1] != '-') {
            i += takes_next(argp, word + 1);
        } else {
            size_t count = look_up(argp, word + 2, length - 2, &option);

            if (count == 0)
                complain(argp, verb, word + 2, length - 2);
            if (count == 1 && option != NULL && option->arg != NULL &&
                (option->flags & OPTION_ARG_OPTIONAL) == 0 && word[length] == '\0')
                i++;
        }
    }
}

void nt__tool_parse(const struct argp *argp, const char *verb, int argc, char **argv,
                    unsigned flags, void *input)
{
    argv[0] = (char *)verb;
    check_names(argp, verb, argc, argv, flags);
    argp_parse(argp, argc, argv, flags, NULL, input);
}
