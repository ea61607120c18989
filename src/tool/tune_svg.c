/* SPDX-License-Identifier: MIT */
/*
 * The waste at the peak against the number of classes: the best table of each number as a
 * line, the built-in table and the proposed one as points. One file, without scripts or fonts;
 * colours follow the reader's light or dark setting, and the title says what is to be seen.
 */
#include "src/base/base.h"
#include "src/tool/tune.h"

#define WIDTH 640.0
#define HEIGHT 360.0
#define LEFT 70.0
#define TOP 56.0
#define PLOT_WIDTH (WIDTH - LEFT - 24)
#define PLOT_HEIGHT (HEIGHT - TOP - 56)
#define TICKS 5

static const char head[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" role=\"img\" "
    "font-family=\"sans-serif\" font-size=\"12\">\n"
    "<style>svg{background:#fff;color:#222}.a{stroke:#8888;fill:none}text{fill:"
    "currentColor}.l{stroke:#0b62a4;stroke-width:2;fill:none}.b{fill:#b5480e}.p{fill:"
    "#0b62a4}@media(prefers-color-scheme:dark){svg{background:#16181c;color:#ddd}.l{"
    "stroke:"
    "#6db3e8}.p{fill:#6db3e8}.b{fill:#f0985e}}</style>\n";

struct scale {
    double least, span, top; /* classes; MiB */
};

static double x_of(const struct scale *s, double classes)
{
    return LEFT + (classes - s->least) / s->span * PLOT_WIDTH;
}

static double y_of(const struct scale *s, double bytes)
{
    double part = bytes / s->top;

    return TOP + PLOT_HEIGHT * (1 - (part < 1 ? part : 1));
}

static void axes(FILE *out, const struct scale *s)
{
    for (int i = 0; i <= TICKS; i++) {
        double mib = s->top * i / TICKS / (double)NT_MIB;
        double classes = s->least + s->span * i / TICKS;

        fprintf(out,
                "<path class=\"a\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"end\">%.3g</text><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\">%.0f</text>\n",
                LEFT, y_of(s, s->top * i / TICKS), LEFT + PLOT_WIDTH, LEFT - 6,
                y_of(s, s->top * i / TICKS) + 4, mib, x_of(s, classes),
                TOP + PLOT_HEIGHT + 18, classes);
    }
    fprintf(
        out,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">classes in the table</text>"
        "<text x=\"8\" y=\"%.1f\">MiB</text>\n",
        LEFT + PLOT_WIDTH / 2, HEIGHT - 14, TOP - 12);
}

/* A point with its words beside it. */
static void point(FILE *out, const struct scale *s, const struct nt_tune_table *t,
                  const char *class, const char *words, double down)
{
    double x = x_of(s, (double)t->count), y = y_of(s, t->waste);
    bool right = x > LEFT + PLOT_WIDTH * 0.6;

    fprintf(out,
            "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/><text x=\"%.1f\" "
            "y=\"%.1f\" text-anchor=\"%s\">%s: %zu classes, %.2f MiB</text>\n",
            class, x, y, right ? x - 9 : x + 9, y + down, right ? "end" : "start",
            words, t->count, t->waste / (double)NT_MIB);
}

size_t nt__tune_curve(const struct nt_proposal *p, struct nt_tune_table *tables)
{
    size_t n = 0, listed = 0;
    unsigned guard = p->guard;

    /* With another guard the tables are others: the line is of those with this one. */
    for (unsigned most = 1; most <= NT_TUNE_CLASSES_MAX; most += most < 48 ? 1 : 4)
        if (nt__tune_table(p->evidence, most, &tables[n], &listed, &guard) &&
            guard == p->guard && (n == 0 || tables[n].count > tables[n - 1].count))
            n++;
    return n;
}

void nt__tune_svg(FILE *out, const struct nt_proposal *p)
{
    static struct nt_tune_table tables[NT_TUNE_CLASSES_MAX];
    struct scale s = {.least = NT_TUNE_CLASSES_MAX, .top = p->builtin.waste};
    size_t n = nt__tune_curve(p, tables);

    for (size_t i = 0; i < n; i++) {
        if ((double)tables[i].count < s.least)
            s.least = (double)tables[i].count;
        if (tables[i].waste > s.top)
            s.top = tables[i].waste;
    }
    s.least = s.least < (double)p->builtin.count ? s.least : (double)p->builtin.count;
    s.span = NT_TUNE_CLASSES_MAX - s.least > 1 ? NT_TUNE_CLASSES_MAX - s.least : 1;
    s.top = s.top > 1 ? s.top * 1.05 : 1;
    fputs(head, out);
    fprintf(
        out,
        "<title>Bytes wasted at the peak against the number of size classes: built-in "
        "table %.2f MiB, best table %.2f MiB</title>\n"
        "<text x=\"8\" y=\"22\" font-size=\"15\">Waste at the peak, by the number of "
        "size "
        "classes</text>\n",
        p->builtin.waste / (double)NT_MIB, p->best.waste / (double)NT_MIB);
    axes(out, &s);
    fputs("<path class=\"l\" d=\"", out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                x_of(&s, (double)tables[i].count), y_of(&s, tables[i].waste));
    fputs("\"/>\n", out);
    point(out, &s, &p->builtin, "b", "built in", -8);
    point(out, &s, &p->best, "p", "best", 16);
    fputs("</svg>\n", out);
}
