/* SPDX-License-Identifier: MIT */
/*
 * Places: sites put together by the line of the user's code that they come from.
 *
 * The innermost frames of a stack are seldom where anything can be mended: operator new, a
 * container's insides, a wrapper such as xmalloc. The user's code begins at the first frame
 * that is none of these, and all sites with the same line there (without line numbers: the
 * same address) are one place: who called it matters less, and of more samples more can be
 * said. Which of its sites a place's stack is shown of depends on what is said about it.
 */
#ifndef NT_TOOL_PLACES_H
#define NT_TOOL_PLACES_H

#include "src/tool/report.h"

struct nt_place {
    char *name; /* of the function, with file and line, or with module and address */
    bool grows; /* its blocks are those that a C++ container moves to as it grows */
    uint64_t samples, freed_samples;
    uint64_t lifetimes[NT_LIFETIMES]; /* of those freed, as in a site */
    double lived_ns;                  /* these, summed */
    double blocks, moved, bytes, bytes_error;
    double live_blocks, live_bytes, live_error;
    double peak_bytes, peak_error; /* live at the peak of all */
};

struct nt_places {
    struct nt_place *list;
    size_t n;
    size_t *of_site; /* index in the list, for each site of the profile */
};

void nt__places_make(const struct nt_profile *p, struct nt_symbols *symbols,
                     struct nt_places *out);
void nt__places_free(struct nt_places *places);

/* Add a site's figures to those of `place`. */
void nt__place_add(struct nt_place *place, const struct nt_site_figures *s);

/* The stack of a site from the user's code on, a line each. The caller frees them. */
size_t nt__place_lines(const struct nt_profile *p, struct nt_symbols *symbols,
                       size_t site, char ***lines);

/* How long its blocks lived, on average, of those sampled and freed; none: the whole run. */
double nt__place_lived(const struct nt_place *place, double run_ns);

/* Is the frame one that all programs have, and not the user's code? */
bool nt__frame_is_common(const struct nt_frame *frame);

#endif
