/* SPDX-License-Identifier: MIT */
#include "src/base/base.h"
#include "src/tool/tune.h"

#include <inttypes.h>
#include <time.h>

static double mib(double bytes)
{
    return bytes / (double)NT_MIB;
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

/* A text that may come from a record, for a comment: in one line. */
static void put_name(FILE *out, const char *s, const char *otherwise)
{
    for (const char *c = s[0] != '\0' ? s : otherwise; *c != '\0'; c++)
        fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, out);
}

static void put_head(FILE *out, const struct nt_evidence *e, bool names_nodes)
{
    time_t now = time(NULL);
    struct tm tm;
    char day[32] = "";

    if (gmtime_r(&now, &tm) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    fprintf(out,
            "# Made by numatally tune " NT_VERSION_STRING
            " on %s from %zu record%s of ",
            day, e->records, e->records == 1 ? "" : "s");
    put_name(out, e->program, "several programs");
    fputs(" on ", out);
    put_name(out, e->host, "several hosts");
    fprintf(
        out,
        ",\n# sampled by one block for each %" PRIu64
        " bytes. To use it: NUMATALLY_CONF_FILE=THIS-FILE\n"
        "# in the environment. A version that does not know a line says so, and uses "
        "the others%s.\n\n",
        e->interval,
        names_nodes ? ";\n# so does a machine without the nodes that reserve names"
                    : ": nothing\n# in it is of one machine only");
}

static void put_classes(FILE *out, const struct nt_proposal *p)
{
    const struct nt_tune_table *a = &p->builtin, *b = &p->best;

    fprintf(
        out,
        "# classes. Of the blocks in use at the peak, %.2f MiB were asked for; %.2f "
        "MiB more are room\n# for alignment and for what grows, whatever the table. "
        "Beyond that are wasted\n"
        "#   with the built-in classes  %.2f MiB, %.1f %%, by %zu of them (%.2f as "
        "recorded)\n"
        "#   with the best table        %.2f MiB, %.1f %%, by %zu\n"
        "# It saves %.2f +- %.2f MiB (95 %% of 100 such intervals hold the truth; "
        "from %.0f samples).\n"
        "# In these figures are sizes that the samples missed, estimated to be "
        "%.1f %% of all.\n",
        mib(p->recorded.requested), mib(p->recorded.room), mib(a->waste),
        percent(a->waste, a->bytes), a->used, mib(p->recorded.waste), mib(b->waste),
        percent(b->waste, b->bytes), b->used, mib(p->saved),
        mib(NT_TUNE_Z * p->saved_error), p->samples, 100 * p->evidence->missed);
    if (!p->classes) {
        fputs("# That is too little to be worth a table: the built-in one stays.\n",
              out);
        return;
    }
    fprintf(
        out,
        "# %zu sizes up to %u, above that the built-in ones. A size that was not seen "
        "wastes %u %% of\n# its block at most, and what 16 bytes make.\nclasses:",
        p->listed, b->size[p->listed - 1], p->guard);
    for (size_t i = 0; i < p->listed; i++)
        fprintf(out, "%s%u", i > 0 ? ";" : "", b->size[i]);
    fputc('\n', out);
}

static void put_others(FILE *out, const struct nt_proposal *p)
{
    const struct nt_evidence *e = p->evidence;

    if (p->return_ms != 0)
        fprintf(
            out,
            "\n# return. %.2f MiB were given back to the system, the peak being %.2f "
            "MiB: taking them\n# again cost up to %.2f s of %.2f s of processor time. "
            "Kept for so long, memory is there\n# for the next time; others have to do "
            "without it meanwhile.\nreturn:%" PRIu64 "\n",
            mib(e->returned), mib(e->live_peak), p->return_saves_ns / 1e9,
            e->cpu_ns / 1e9, p->return_ms);
    if (p->huge_may_help)
        fprintf(out,
                "\n# hugepages:thp is not set: at a peak of %.0f MiB it may save time, "
                "but a "
                "record cannot say so.\n# A run can: numatally tune --verify "
                "--with=hugepages:thp -- PROGRAM\n",
                mib(e->live_peak));
}

void nt__tune_conf(FILE *out, const struct nt_proposal *p)
{
    put_head(out, p->evidence, p->reserves);
    put_classes(out, p);
    put_others(out, p);
    nt__reserve_conf(out, p);
    if (p->more != NULL && p->more[0] != '\0') {
        fputs("\n# By --with or --search: the program was run with and without them.\n",
              out);
        for (const char *c = p->more; *c != '\0'; c++)
            fputc(*c == ',' ? '\n' : *c, out);
        fputc('\n', out);
    }
}

static json_t *table(const struct nt_tune_table *t)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:f}", "classes", (int)t->count, "used",
                     (int)t->used, "block_bytes", t->bytes, "waste_bytes", t->waste,
                     "waste_bytes_error", t->waste_error);
}

json_t *nt__tune_json(const struct nt_proposal *p)
{
    json_t *settings = json_object(), *sizes = json_array();

    for (size_t i = 0; i < p->listed; i++)
        json_array_append_new(sizes, json_integer(p->best.size[i]));
    if (p->classes)
        json_object_set(settings, "classes", sizes);
    if (p->return_ms != 0)
        json_object_set_new(settings, "return", json_integer((json_int_t)p->return_ms));
    if (p->reserves)
        json_object_set_new(settings, "reserve", nt__reserve_setting(p));
    return nt__tool_memory(json_pack(
        "{s:i, s:I, s:I, s:I, s:o, s:{s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:o, s:o, "
        "s:o}, "
        "s:{s:f, "
        "s:f}, s:o}",
        "tune", 1, "records", (json_int_t)p->evidence->records, "sampled_records",
        (json_int_t)p->evidence->sampled, "interval_bytes",
        (json_int_t)p->evidence->interval, "settings", settings, "at_peak", "samples",
        p->samples, "requested_bytes", p->recorded.requested, "room_bytes",
        p->recorded.room, "recorded_waste_bytes", p->recorded.waste, "saved_bytes",
        p->saved, "saved_bytes_error", p->saved_error, "guard_percent", (int)p->guard,
        "sizes", sizes, "builtin", table(&p->builtin), "best", table(&p->best),
        "return", "saves_ns", p->return_saves_ns, "returned_bytes",
        p->evidence->returned, "reserve", nt__reserve_json(p)));
}

/* Classes and waste, a point of the curve. */
static json_t *point(const struct nt_tune_table *t)
{
    return json_pack("[i, f]", (int)t->count, t->waste);
}

int nt__out_tuning(FILE *out, const struct nt_record *r)
{
    static struct nt_evidence e;
    static struct nt_proposal p;
    static struct nt_tune_table tables[NT_TUNE_CLASSES_MAX];
    json_t *line = json_array(), *root;
    size_t n;

    e = (struct nt_evidence){0};
    if (nt__evidence_add(&e, r) != NULL ||
        nt__tune_propose(&e, NT_TUNE_CLASSES_MAX, &p) != NULL) {
        json_decref(line);
        fputs("null", out);
        return 0;
    }
    n = nt__tune_curve(&p, tables);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(line, point(&tables[i]));
    root = nt__tool_memory(json_pack(
        "{s:b, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "proposed", p.classes,
        "requested_bytes", p.recorded.requested, "room_bytes", p.recorded.room,
        "saved_bytes", p.saved, "saved_bytes_error", p.saved_error, "builtin",
        point(&p.builtin), "best", point(&p.best), "curve", line));
    json_dumpf(root, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(root);
    return 0;
}

void nt__tune_say(FILE *out, const struct nt_proposal *p)
{
    fprintf(out,
            "Waste at the peak: %.2f MiB (%.1f %%) with the built-in classes, %.2f MiB "
            "(%.1f %%) with the best %zu%s\n",
            mib(p->builtin.waste), percent(p->builtin.waste, p->builtin.bytes),
            mib(p->best.waste), percent(p->best.waste, p->best.bytes), p->best.count,
            p->classes ? "" : ": not worth a table, the built-in one stays");
}
