/* SPDX-License-Identifier: MIT */
/* Findings to text, wrapped for people, and to JSON, an object a record. */
#include "src/base/fmt.h"
#include "src/tool/analysis.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 79
#define INDENT 10 /* of the text behind "  What  " */

/* ---- Text --------------------------------------------------------------------------------- */

/* Characters of UTF-8, not bytes. */
static int width(const char *word, size_t bytes)
{
    int n = 0;

    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)word[i] & 0xc0) != 0x80;
    return n;
}

/* The words of `text` in lines, the first behind `label`. */
static void wrapped(FILE *out, const char *label, int indent, const char *text)
{
    int column = fprintf(out, "%-*s", indent, label);
    bool first = true;

    while (*text != '\0') {
        size_t bytes = strcspn(text, " ");
        int n = width(text, bytes);

        if (!first && column + 1 + n > COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)bytes, text);
        column += n + !first;
        first = false;
        text += bytes;
        text += *text == ' ';
    }
    fputc('\n', out);
}

static void stack(FILE *out, const char *label, char **lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%-*s%s\n", INDENT, i == 0 ? label : "", lines[i]);
}

/* The first with the same advice as the i-th: it is given once. */
static size_t advised(const struct nt_findings *f, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(f->list[k].advice, f->list[i].advice) == 0)
            return k;
    return i;
}

static void finding(FILE *out, const struct nt_findings *all, size_t number)
{
    const struct nt_finding *f = &all->list[number];
    size_t first = advised(all, number);
    char head[24];

    snprintf(head, sizeof head, "%zu.", number + 1);
    if (f->cost > 0)
        fprintf(out, "\n%-3s %s: %.*f %% of the %s\n", head, f->kind,
                f->share < 0.0995 ? 1 : 0, 100 * f->share,
                f->unit == NT_COST_BYTES ? "memory" : "processor time");
    else
        fprintf(out, "\n%-3s %s: no cost\n", head, f->kind);
    wrapped(out, "", 4, f->sentence);
    stack(out, f->nfreed > 0 ? "    asks  " : "    where ", f->where, f->nwhere);
    stack(out, "    frees ", f->freed, f->nfreed);
    if (first == number)
        wrapped(out, "    do", INDENT, f->advice);
    else
        fprintf(out, "    do    as for %zu\n", first + 1);
}

/* A name without what would break a line, or JSON. */
struct clean {
    char s[256];
};

static struct clean clean(const char *name)
{
    struct clean c;
    struct nt_fmt f;

    nt__fmt_init(&f, c.s, sizeof c.s, -1);
    nt__fmt_name(&f, 0, name);
    return c;
}

static void record_text(FILE *out, const struct nt_record *r,
                        const struct nt_findings *f)
{
    const struct nt_snapshot *s = &r->snapshot;
    char head[256];

    fprintf(out, "numatally %s: %s, pid %lld", clean(s->version_string).s,
            clean(s->program).s, (long long)s->pid);
    if (s->rank >= 0)
        fprintf(out, ", rank %lld", (long long)s->rank);
    fprintf(out, ", host %s\n", clean(s->host).s);
    if (f->n == 0)
        snprintf(head, sizeof head, "Nothing was found that matters.");
    else
        snprintf(head, sizeof head,
                 "%zu finding%s, by what each costs: a part of the most memory in "
                 "use (%s), or of %s (%s).",
                 f->n, f->n == 1 ? "" : "s", nt__bytes(f->memory_bytes).s,
                 s->cpu_ns_total != 0 ? "the processor time" : "the time",
                 nt__time(f->cpu_ns).s);
    wrapped(out, "", 0, head);
    for (size_t i = 0; i < f->n; i++)
        finding(out, f, i);
    if (f->note != NULL) {
        fputc('\n', out);
        wrapped(out, "", 0, f->note);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *lines_json(char **lines, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_string(lines[i]));
    return array;
}

static json_t *finding_json(const struct nt_finding *f)
{
    json_t *o = json_object();

    json_object_set_new(o, "kind", json_string(f->kind));
    json_object_set_new(o, "share", json_real(f->share));
    json_object_set_new(o, "cost", json_real(f->cost));
    json_object_set_new(o, "error", json_real(f->error));
    json_object_set_new(o, "unit",
                        json_string(f->unit == NT_COST_BYTES ? "bytes" : "ns"));
    json_object_set_new(o, "sentence", json_string(f->sentence));
    json_object_set_new(o, "advice", json_string(f->advice));
    json_object_set_new(o, "where", lines_json(f->where, f->nwhere));
    json_object_set_new(o, "freed", lines_json(f->freed, f->nfreed));
    return o;
}

json_t *nt__findings_json(const struct nt_record *record, const struct nt_findings *f)
{
    const struct nt_snapshot *s = &record->snapshot;
    json_t *o = json_object(), *array = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(array, finding_json(&f->list[i]));
    json_object_set_new(o, "program", json_string(clean(s->program).s));
    json_object_set_new(o, "pid", json_integer(s->pid));
    json_object_set_new(o, "rank", s->rank >= 0 ? json_integer(s->rank) : json_null());
    json_object_set_new(o, "findings", array);
    json_object_set_new(o, "note",
                        f->note != NULL ? json_string(f->note) : json_null());
    return nt__tool_memory(o);
}

/* ---- Formats ------------------------------------------------------------------------------ */

static void make(const struct nt_record *r, struct nt_findings *f)
{
    struct nt_symbols *symbols = nt__symbols_open(&r->profile);

    nt__findings_make(r, symbols, f);
    nt__symbols_close(symbols);
}

int nt__out_findings_text(FILE *out, struct nt_record *const *records, size_t n,
                          size_t written)
{
    struct nt_findings f;

    for (size_t i = 0; i < n; i++) {
        if (written + i > 0)
            fputc('\n', out);
        make(records[i], &f);
        record_text(out, records[i], &f);
        nt__findings_free(&f);
    }
    return 0;
}

int nt__out_findings_json(FILE *out, struct nt_record *const *records, size_t n,
                          size_t written)
{
    (void)written;
    for (size_t i = 0; i < n; i++) {
        struct nt_findings f;
        json_t *object;

        make(records[i], &f);
        object = nt__findings_json(records[i], &f);
        json_dumpf(object, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
        fputc('\n', out);
        json_decref(object);
        nt__findings_free(&f);
    }
    return 0;
}
