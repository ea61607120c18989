/* SPDX-License-Identifier: MIT */
#include "src/base/base.h"
#include "src/tool/tune_verify.h"

#define Z 1.96

static void row(FILE *out, const char *name, const char *unit, const double median[2],
                double scale, const struct nt_interval *ratio)
{
    fprintf(out, "%-22s %10.3f %10.3f %-4s %6.3f  %.3f to %.3f\n", name,
            median[0] / scale, median[1] / scale, unit, ratio->value, ratio->low,
            ratio->high);
}

void nt__verified_text(FILE *out, const struct nt_verified *v)
{
    fprintf(out,
            "%u pairs of runs, medians; ratios of the pairs with 95 %% intervals "
            "(Student's)\n\n",
            v->how.runs);
    fprintf(out, "%-22s %10s %10s %-4s %6s\n", "", "without", "with", "", "ratio");
    row(out, "Time", "s", v->wall_s, 1, &v->wall);
    row(out, "Processor time", "s", v->cpu_s, 1, &v->cpu);
    row(out, "Resident peak", "MiB", v->rss_bytes, (double)NT_MIB, &v->rss);
    fprintf(
        out,
        "%-22s %10.3f %10.3f MiB  sampled, +- %.3f and %.3f; predicted %.3f +- %.3f\n",
        "Waste at the peak", v->without.waste / (double)NT_MIB,
        v->with.waste / (double)NT_MIB, Z * v->without.error / (double)NT_MIB,
        Z * v->with.error / (double)NT_MIB, v->predicted / (double)NT_MIB,
        Z * v->predicted_error / (double)NT_MIB);
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

static json_t *waste(const struct nt_waste *w)
{
    return json_pack("{s:f, s:f, s:f}", "waste_bytes", w->waste, "waste_bytes_error",
                     w->error, "requested_bytes", w->requested);
}

json_t *nt__verified_json(const struct nt_verified *v)
{
    return nt__tool_memory(json_pack(
        "{s:b, s:s, s:i, s:i, s:o, s:o, s:o, s:{s:o, s:o, s:f, s:f}}", "kept", v->kept,
        "why", v->why, "runs", (int)v->how.runs, "exit_status", v->exit_status,
        "time_s", measured(v->wall_s, &v->wall), "cpu_s", measured(v->cpu_s, &v->cpu),
        "resident_peak_bytes", measured(v->rss_bytes, &v->rss), "at_peak", "without",
        waste(&v->without), "with", waste(&v->with), "predicted_waste_bytes",
        v->predicted, "predicted_waste_bytes_error", v->predicted_error));
}
