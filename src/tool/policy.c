/* SPDX-License-Identifier: MIT */
/*
 * Memory policies of `numatally run`, in numactl's words, made into the library's setting.
 *
 * A list is checked here, on the machine the program will run on, since here is somebody
 * to complain to: in the program a bad policy could only be ignored. Tiers become the
 * nodes that they are. A setting ends at a comma, so a list in it has semicolons.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct mode {
    const char *word;
    enum { LIST_NONE, LIST_ONE, LIST_MAY } list;
} modes[] = {{"local", LIST_NONE},     {"bind", LIST_MAY},
             {"preferred", LIST_ONE},  {"preferred-many", LIST_MAY},
             {"interleave", LIST_MAY}, {"weighted-interleave", LIST_MAY},
             {"inherit", LIST_NONE}};

static const struct mode *find_mode(const char *word, size_t length)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(modes); i++)
        if (strlen(modes[i].word) == length && memcmp(modes[i].word, word, length) == 0)
            return &modes[i];
    return NULL;
}

static const char *nearest_mode(const char *word, size_t length)
{
    const char *best = modes[0].word;
    for (size_t i = 1; i < NT_ARRAY_LEN(modes); i++)
        if (nt__edit_distance(word, length, modes[i].word) <
            nt__edit_distance(word, length, best))
            best = modes[i].word;
    return best;
}

/* "MODE:0-3;5" of the nodes in `set`. */
static char *form(const char *word, hwloc_const_bitmap_t set)
{
    char *list = NULL, *setting = NULL;
    if (hwloc_bitmap_list_asprintf(&list, set) < 0)
        return NULL;
    for (char *c = list; *c != '\0'; c++)
        if (*c == ',')
            *c = ';';
    if (asprintf(&setting, "%s:%s", word, list) < 0)
        setting = NULL;
    free(list);
    return setting;
}

static char *with_list(const struct mode *mode, const char *list, const char *option)
{
    struct nt_machine m;
    char why[1024], *setting = NULL;
    hwloc_bitmap_t set;
    bool many;
    if (nt__machine_read(&m, NULL) != 0)
        return NULL;
    set = hwloc_bitmap_alloc();
    if (!nt__machine_list(&m, list, set, why, sizeof why)) {
        nt__warn("%.512s: %s", option, why);
    } else {
        many = hwloc_bitmap_weight(set) > 1;
        /* A tier may be more than one node; numbers are meant as they stand. */
        if (mode->list == LIST_ONE && many && strpbrk(list, "0123456789!") != NULL)
            nt__warn("%.512s: preferred takes one node and these are %d; give one, or "
                     "use preferred-many",
                     option, hwloc_bitmap_weight(set));
        else
            setting = form(
                mode->list == LIST_ONE && many ? "preferred-many" : mode->word, set);
    }
    hwloc_bitmap_free(set);
    nt__machine_free(&m);
    return setting;
}

char *nt__policy_setting(const char *policy, const char *option)
{
    size_t length = strcspn(policy, ":");
    const char *list = policy[length] == ':' ? policy + length + 1 : NULL;
    const struct mode *mode = find_mode(policy, length);
    if (mode == NULL)
        nt__warn("%.512s: there is no policy \"%.*s\"; did you mean \"%s\"? There are "
                 "local, bind, preferred, preferred-many, interleave, "
                 "weighted-interleave and inherit",
                 option, (int)nt__min(length, 64), policy,
                 nearest_mode(policy, length));
    else if (mode->list == LIST_NONE && list != NULL)
        nt__warn("%.512s: %s takes no nodes; leave \":%.64s\" out", option, mode->word,
                 list);
    else if (mode->list == LIST_ONE && list == NULL)
        nt__warn(
            "%.512s: preferred needs a node, as in preferred:0 or preferred:fastest",
            option);
    else if (list == NULL || (mode->list == LIST_MAY && strcmp(list, "all") == 0))
        return strndup(policy, length); /* the library's "all" */
    else
        return with_list(mode, list, option);
    return NULL;
}
