/* SPDX-License-Identifier: MIT */
/*
 * A machine as a picture: a card for each node with its memory, the distances as a
 * table of stronger colour where it is farther and, with --pid, where a process's memory
 * lies. It is one file without scripts or fonts of its own. Colours follow the
 * reader's light or dark setting; nothing is said by colour alone. For those who
 * listen, the picture has a title and a description that says all of it, and each
 * card and cell a title.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 24
#define CARD_WIDTH 224
#define CARD_HEIGHT 110 /* 18 more with a process */
#define GAP 16
#define COLUMNS 4
#define PADDING 12
#define BAR_WIDTH (CARD_WIDTH - 2 * PADDING)
#define LETTER 6.4 /* mean width of a letter of 12 pixels; texts are cut by it */

/* ---- text ------------------------------------------------------------------------ */

/* What XML does not take as it is; bytes that are not printable become '?'. */
static void put_text(FILE *out, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '&' || c == '<' || c == '>' || c == '"')
            fprintf(out, "&#%u;", c);
        else
            fputc(c < ' ' || c >= 127 ? '?' : c, out);
    }
}

/* One line of text at x, y; `class` is from the style below. */
static void put_line(FILE *out, double x, double y, const char *class,
                     const char *format, ...) NT_PRINTF(5, 6);
static void put_line(FILE *out, double x, double y, const char *class,
                     const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    put_text(out, text);
    fputs("</text>\n", out);
}

static void put_box(FILE *out, double x, double y, double width, double height,
                    const char *class)
{
    fprintf(
        out,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n",
        x, y, width, height, class);
}

static char *cpu_list(const struct nt_machine_node *n)
{
    char *text = NULL;
    if (hwloc_bitmap_iszero(n->cpus) || hwloc_bitmap_list_asprintf(&text, n->cpus) < 0)
        text = strdup("none");
    return text;
}

static uint64_t process_bytes(const struct nt_machine *m)
{
    uint64_t all = 0;
    for (size_t i = 0; i < m->nodes; i++)
        all += m->node[i].process_bytes;
    return all;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole != 0 ? 100.0 * (double)part / (double)whole : 0;
}

/* A node in a sentence: a card's title, and a part of the picture's description. */
static void put_sentence(FILE *out, const struct nt_machine *m,
                         const struct nt_machine_node *n)
{
    char size[32], *cpus = cpu_list(n);
    fprintf(out, "Node %d: ", n->id);
    if (!n->has_memory)
        fputs("no memory", out);
    else if (n->memory_bytes == 0)
        fprintf(out, "%s of unknown size", nt__tier_word(n->tier));
    else
        fprintf(out, "%s of %s", nt__size_text(size, sizeof size, n->memory_bytes),
                nt__tier_word(n->tier));
    if (n->free_known && n->has_memory)
        fprintf(out, ", %s free", nt__size_text(size, sizeof size, n->free_bytes));
    fprintf(out, ", cpus %s%s", cpus,
            n->allowed || !n->has_memory ? "" : ", not allowed to this process");
    if (m->pid != 0)
        fprintf(out, ", process has %s here",
                nt__size_text(size, sizeof size, n->process_bytes));
    fputs(". ", out);
    free(cpus);
}

/* ---- cards ------------------------------------------------------------------------ */

static double card_height(const struct nt_machine *m)
{
    return CARD_HEIGHT + (m->pid != 0 ? 18 : 0);
}

/* As long as the memory is large, beside the largest node's. */
static double bar_width(const struct nt_machine *m, const struct nt_machine_node *n)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < m->nodes; i++)
        if (m->node[i].memory_bytes > largest)
            largest = m->node[i].memory_bytes;
    double width = BAR_WIDTH * percent(n->memory_bytes, largest) / 100;
    return width > 4 || n->memory_bytes == 0 ? width : 4;
}

static void put_memory(FILE *out, double x, double y, const struct nt_machine *m,
                       const struct nt_machine_node *n)
{
    double width = bar_width(m, n);
    bool in_use = n->free_known && n->free_bytes <= n->memory_bytes;
    char size[32], unused[32];
    if (!n->has_memory || n->memory_bytes == 0) {
        put_line(out, x, y + 32, "muted", "%s",
                 n->has_memory ? "memory of unknown size" : "no memory");
        return;
    }
    put_line(out, x, y + 32, "ink", "%s%s%s%s",
             nt__size_text(size, sizeof size, n->memory_bytes),
             n->free_known ? ", " : "",
             n->free_known ? nt__size_text(unused, sizeof unused, n->free_bytes) : "",
             n->free_known ? " free" : "");
    put_box(out, x, y + 8, width, 10, "track");
    if (in_use)
        put_box(out, x, y + 8,
                width * percent(n->memory_bytes - n->free_bytes, n->memory_bytes) / 100,
                10, "used");
    if (n->process_bytes <= n->memory_bytes && n->process_bytes != 0)
        put_box(out, x, y + 8, width * percent(n->process_bytes, n->memory_bytes) / 100,
                10, nt__tier_word(n->tier));
}

static void put_card(FILE *out, double x, double y, const struct nt_machine *m,
                     const struct nt_machine_node *n)
{
    char size[32], tier[32], *cpus = cpu_list(n);
    size_t room = (size_t)(BAR_WIDTH / LETTER) - strlen("cpus ");
    double left = x + PADDING;
    fputs("<g><title>", out);
    put_sentence(out, m, n);
    fputs("</title>\n", out);
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"6\" "
            "class=\"card%s\"/>\n",
            x, y, CARD_WIDTH, card_height(m),
            n->allowed || !n->has_memory ? "" : " forbidden");
    snprintf(tier, sizeof tier, "%s end name", nt__tier_word(n->tier));
    put_line(out, left, y + 24, "ink name", "node %d", n->id);
    if (n->has_memory)
        put_line(out, x + CARD_WIDTH - PADDING, y + 24, tier, "%s%s",
                 nt__tier_word(n->tier), n->tier_guessed ? "?" : "");
    if (strlen(cpus) > room)
        put_line(out, left, y + 42, "muted", "cpus %.*s...", (int)room - 3, cpus);
    else
        put_line(out, left, y + 42, "muted", "cpus %s", cpus);
    put_memory(out, left, y + 46, m, n);
    if (!n->allowed && n->has_memory)
        put_line(out, left, y + 98, "ink", "not allowed to this process");
    else if (n->bandwidth_mib_s != 0 && n->latency_ns != 0)
        put_line(out, left, y + 98, "muted", "%.1f GiB/s, %llu ns",
                 (double)n->bandwidth_mib_s / 1024, (unsigned long long)n->latency_ns);
    else if (n->bandwidth_mib_s != 0)
        put_line(out, left, y + 98, "muted", "%.1f GiB/s",
                 (double)n->bandwidth_mib_s / 1024);
    if (m->pid != 0)
        put_line(out, left, y + 116, "ink", "process: %s (%.1f %%)",
                 nt__size_text(size, sizeof size, n->process_bytes),
                 percent(n->process_bytes, process_bytes(m)));
    fputs("</g>\n", out);
    free(cpus);
}

/* Where the process's memory lies: one bar, a piece for each node. */
static void put_process(FILE *out, double y, double width, const struct nt_machine *m)
{
    uint64_t all = process_bytes(m);
    double at = MARGIN, whole = width - 2 * MARGIN;
    char size[32];
    put_line(out, MARGIN, y, "ink name", "Memory of process %d (%s): %s", (int)m->pid,
             m->command, nt__size_text(size, sizeof size, all));
    put_box(out, MARGIN, y + 10, whole, 22, "track");
    for (size_t i = 0; i < m->nodes; i++) {
        const struct nt_machine_node *n = &m->node[i];
        double part = whole * percent(n->process_bytes, all) / 100;
        char tier[32];
        if (part <= 0)
            continue;
        snprintf(tier, sizeof tier, "%s piece", nt__tier_word(n->tier));
        fprintf(out, "<g><title>Node %d: %.1f %%</title>\n", n->id,
                percent(n->process_bytes, all));
        put_box(out, at, y + 10, part, 22, tier);
        if (part > 90)
            put_line(out, at + 8, y + 25, "inside", "node %d: %.1f %%", n->id,
                     percent(n->process_bytes, all));
        else if (part > 24)
            put_line(out, at + 8, y + 25, "inside", "%d", n->id);
        fputs("</g>\n", out);
        at += part;
    }
}

/* ---- distances ---------------------------------------------------------------------- */

static double cell_size(const struct nt_machine *m)
{
    return m->nodes <= 8 ? 44 : m->nodes <= 16 ? 36 : m->nodes <= 26 ? 28 : 13;
}

static void put_cell(FILE *out, double x, double y, const struct nt_machine *m,
                     size_t from, size_t to, unsigned farthest)
{
    double size = cell_size(m);
    unsigned d = m->distance[from * m->nodes + to];
    double shade =
        farthest > 10 && d > 10 ? 0.08 + 0.47 * (d - 10) / (farthest - 10) : 0;
    fprintf(out,
            "<g><title>Node %d to node %d: %u</title><rect x=\"%.1f\" y=\"%.1f\" "
            "width=\"%.1f\" height=\"%.1f\" class=\"far\" fill-opacity=\"%.2f\"/>\n",
            m->node[from].id, m->node[to].id, d, x, y, size, size, shade);
    if (size > 20)
        put_line(out, x + size / 2, y + size / 2 + 4,
                 from == to ? "muted middle" : "ink middle", "%u", d);
    fputs("</g>\n", out);
}

static void put_distances(FILE *out, double y, const struct nt_machine *m)
{
    double size = cell_size(m), left = MARGIN + 44, top = y + 46;
    bool labels = size > 20;
    unsigned farthest = 0;
    for (size_t i = 0; i < m->nodes * m->nodes; i++)
        farthest = m->distance[i] > farthest ? m->distance[i] : farthest;
    put_line(out, MARGIN, y, "ink name", "Distances%s",
             m->distances_known ? "" : " (not said by the machine, so assumed)");
    put_line(
        out, MARGIN, y + 18, "muted",
        "from a row's node to a column's; 10 is to itself; stronger colour: farther");
    for (size_t i = 0; i < m->nodes; i++) {
        if (labels || i % 8 == 0) {
            put_line(out, left + size * ((double)i + 0.5), top - 7, "muted middle",
                     "%d", m->node[i].id);
            put_line(out, left - 8, top + size * ((double)i + 0.5) + 4, "muted end",
                     "%d", m->node[i].id);
        }
        for (size_t j = 0; j < m->nodes; j++)
            put_cell(out, left + size * (double)j, top + size * (double)i, m, i, j,
                     farthest);
    }
}

/* ---- the picture -------------------------------------------------------------------- */

static const char style[] =
    "<style>\n"
    "text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    ".name{font-size:15px;font-weight:600}.title{font-size:20px;font-weight:600}\n"
    ".end{text-anchor:end}.middle{text-anchor:middle}.inside{fill:#fff;font-weight:600}"
    "\n"
    ".paper{fill:#fff}.card{fill:#f6f8fa;stroke:#d0d7de}.forbidden{stroke-dasharray:5 "
    "4}\n"
    ".ink{fill:#1b1f24}.muted{fill:#57606a}.track{fill:#dfe3e8}.used{fill:#8c959f}\n"
    ".far{fill:#2a62c9;stroke:#d0d7de}.piece{stroke:#fff}\n"
    ".dram{fill:#2a62c9}.hbm{fill:#a85100}.cxl{fill:#0a7267}.nvm{fill:#7a3fc4}"
    ".gpu{fill:#3a741d}.other{fill:#57606a}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".paper{fill:#14171c}.card{fill:#1d2229;stroke:#3a424d}.inside{fill:#14171c}\n"
    ".ink{fill:#e8eaed}.muted{fill:#a4adb8}.track{fill:#2f3742}.used{fill:#6b7683}\n"
    ".far{fill:#6ea8ff;stroke:#3a424d}.piece{stroke:#14171c}\n"
    ".dram{fill:#6ea8ff}.hbm{fill:#ffa657}.cxl{fill:#4fd1c0}.nvm{fill:#c297ff}"
    ".gpu{fill:#8bd46a}.other{fill:#a4adb8}\n"
    "}\n</style>\n";

static void put_head(FILE *out, const struct nt_machine *m)
{
    if (m->source == NT_MACHINE_THIS)
        fputs("Memory nodes of this machine", out);
    else if (m->source == NT_MACHINE_MADE_UP)
        fputs("Memory nodes made up by NUMATALLY_TOPOLOGY", out);
    else {
        const char *slash = m->file != NULL ? strrchr(m->file, '/') : NULL;
        const char *name = slash != NULL ? slash + 1 : m->file != NULL ? m->file : "?";
        char text[44];
        snprintf(text, sizeof text, "%.40s%s", name, strlen(name) > 40 ? "..." : "");
        fputs("Memory nodes of ", out);
        put_text(out, text);
    }
}

static void put_description(FILE *out, const struct nt_machine *m)
{
    for (size_t i = 0; i < m->nodes; i++)
        put_sentence(out, m, &m->node[i]);
    fputs("Distances, by rows: ", out);
    for (size_t i = 0; i < m->nodes; i++)
        for (size_t j = 0; j < m->nodes; j++)
            fprintf(out, "%u%s", m->distance[i * m->nodes + j],
                    j + 1 < m->nodes   ? " "
                    : i + 1 < m->nodes ? "; "
                                       : ".");
}

/* What the bars mean, as far as there are any. */
static void put_legend(FILE *out, const struct nt_machine *m)
{
    bool bars = false, used = false;
    for (size_t i = 0; i < m->nodes; i++) {
        bars |= m->node[i].memory_bytes != 0;
        used |= m->node[i].free_known && m->node[i].memory_bytes != 0;
    }
    if (bars)
        put_line(out, MARGIN, 66, "muted", "bars are to scale%s%s",
                 used ? "; grey: in use" : "",
                 m->pid != 0 ? "; coloured: by the process" : "");
}

void nt__machine_svg(const struct nt_machine *m, FILE *out)
{
    size_t columns = m->nodes < COLUMNS ? m->nodes : COLUMNS;
    size_t lines = (m->nodes + COLUMNS - 1) / COLUMNS;
    double rows = (double)lines * (card_height(m) + GAP);
    double matrix = cell_size(m) * (double)m->nodes;
    double cards = (double)columns * (CARD_WIDTH + GAP) - GAP;
    double width = 2 * MARGIN + (cards > matrix + 60 ? cards : matrix + 60);
    double y = 84, process = m->pid != 0 ? 64 : 0;
    double height = y + process + rows + 24 + 46 + matrix + MARGIN;
    width = width > 560 ? width : 560; /* room for the sentences */
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
        "width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-labelledby=\"title desc\">\n"
        "<title id=\"title\">",
        width, height, width, height);
    put_head(out, m);
    fputs("</title>\n<desc id=\"desc\">", out);
    put_description(out, m);
    fprintf(out,
            "</desc>\n%s<rect width=\"100%%\" height=\"100%%\" class=\"paper\"/>\n"
            "<text x=\"%d\" y=\"44\" class=\"ink title\">",
            style, MARGIN);
    put_head(out, m);
    fputs("</text>\n", out);
    put_legend(out, m);
    if (m->pid != 0)
        put_process(out, y + 12, width, m);
    y += process;
    for (size_t i = 0; i < m->nodes; i++) {
        size_t line = i / COLUMNS, column = i % COLUMNS;
        put_card(out, MARGIN + (double)column * (CARD_WIDTH + GAP),
                 y + (double)line * (card_height(m) + GAP), m, &m->node[i]);
    }
    put_distances(out, y + rows + 24, m);
    fputs("</svg>\n", out);
}
