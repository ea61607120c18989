/* SPDX-License-Identifier: MIT */
#include "src/base/base.h"
#include "src/tool/tune_verify.h"

static void row(FILE *out, const char *name, const char *unit, const double median[2],
                double scale, const struct nt_interval *ratio)
{
    fprintf(out, "%-22s %10.3f %10.3f %-4s %6.3f  %.3f to %.3f\n", name,
            median[0] / scale, median[1] / scale, unit, ratio->value, ratio->low,
            ratio->high);
}

static void tried(FILE *out, const struct nt_verified *v)
{
    if (v->how.search_s == 0)
        return;
    fprintf(out,
            "Searched, each setting in up to 5 pairs beside the best before it:\n");
    for (size_t i = 0; i < v->ntried; i++) {
        const struct nt_tried *t = &v->tried[i];

        fprintf(
            out,
            "  %-16s processor time %.3f (%.3f to %.3f), resident peak %.3f (%.3f to "
            "%.3f): %s\n",
            t->setting, t->is.cpu.value, t->is.cpu.low, t->is.cpu.high, t->is.rss.value,
            t->is.rss.low, t->is.rss.high, t->kept ? "taken" : "not taken");
    }
    fprintf(out, "%s\n",
            v->ntried == 0 ? "  nothing: the budget has no room for its runs\n" : "");
}

void nt__verified_text(FILE *out, const struct nt_verified *v)
{
    tried(out, v);
    fprintf(out,
            "%u pairs of runs, medians; ratios of the pairs with 95 %% intervals "
            "(Student's)\n\n",
            v->how.runs);
    fprintf(out, "%-22s %10s %10s %-4s %6s\n", "", "without", "with", "", "ratio");
    row(out, "Time", "s", v->is.wall_s, 1, &v->is.wall);
    row(out, "Processor time", "s", v->is.cpu_s, 1, &v->is.cpu);
    row(out, "Resident peak", "MiB", v->is.rss_bytes, (double)NT_MIB, &v->is.rss);
    fprintf(
        out,
        "%-22s %10.3f %10.3f MiB  sampled, +- %.3f and %.3f; predicted %.3f +- %.3f\n",
        "Waste at the peak", v->without.waste / (double)NT_MIB,
        v->with.waste / (double)NT_MIB, NT_TUNE_Z * v->without.error / (double)NT_MIB,
        NT_TUNE_Z * v->with.error / (double)NT_MIB, v->predicted / (double)NT_MIB,
        NT_TUNE_Z * v->predicted_error / (double)NT_MIB);
    if (v->exit_status != 0)
        fprintf(out, "\nThe program ended with status %d each time.\n", v->exit_status);
    fprintf(out, "\n%s: %s.\n", v->kept ? "Kept" : "Not kept", v->why);
}

static json_t *measured(const double median[2], const struct nt_interval *ratio)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "without", median[0], "with",
                     median[1], "ratio", ratio->value, "ratio_low", ratio->low,
                     "ratio_high", ratio->high);
}

static void put_compared(json_t *object, const struct nt_compared *is)
{
    json_object_set_new(object, "time_s", measured(is->wall_s, &is->wall));
    json_object_set_new(object, "cpu_s", measured(is->cpu_s, &is->cpu));
    json_object_set_new(object, "resident_peak_bytes",
                        measured(is->rss_bytes, &is->rss));
}

static json_t *waste(const struct nt_waste *w)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "waste_bytes", w->waste,
                     "waste_bytes_error", w->error, "room_bytes", w->room,
                     "requested_bytes", w->requested);
}

json_t *nt__verified_json(const struct nt_verified *v)
{
    json_t *rows = json_array();
    json_t *root = nt__tool_memory(json_pack(
        "{s:b, s:s, s:i, s:i, s:s, s:{s:o, s:o, s:f, s:f}, s:o}", "kept", v->kept,
        "why", v->why, "runs", (int)v->is.pairs, "exit_status", v->exit_status, "more",
        v->more, "at_peak", "without", waste(&v->without), "with", waste(&v->with),
        "predicted_waste_bytes", v->predicted, "predicted_waste_bytes_error",
        v->predicted_error, "searched", rows));

    if (v->is.pairs > 0) /* else there was nothing to verify */
        put_compared(root, &v->is);
    for (size_t i = 0; i < v->ntried; i++) {
        json_t *row = json_pack("{s:s, s:b}", "setting", v->tried[i].setting, "taken",
                                v->tried[i].kept);

        put_compared(row, &v->tried[i].is);
        json_array_append_new(rows, row);
    }
    return root;
}
