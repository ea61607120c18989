/* SPDX-License-Identifier: MIT */
/*
 * The picture of numatally top, and what of it the keys change. Everything is cut at the
 * edges: a terminal may have any size, down to one character.
 */
#ifndef NT_TOOL_TOP_DRAW_H
#define NT_TOOL_TOP_DRAW_H

#include "src/tool/top.h"

struct nt_picture {
    struct nt_top *top;
    enum nt_view view;
    struct nt_order order[NT_VIEWS];
    size_t row, column; /* the first that are shown */
    bool help, paused;
    bool
        close_up; /* bars are as long as the fullest node, not as the memory there is */
    double delay; /* seconds */
    bool asks;    /* for another delay: what was typed so far */
    char typed[12];

    size_t page; /* rows that there was room for: set by drawing */
};

/* Once, when the screen is there. */
void nt__top_colours(bool wanted);

void nt__top_draw(struct nt_picture *p);

#endif
