/* SPDX-License-Identifier: MIT */
/*
 * Sampled blocks by the size that their class was to hold: what a table of size classes is
 * to be made from (numatally tune). It is what was asked for, rounded up to the alignment, or
 * with the room that a realloc gave: so it is the same whatever the table. The rows are a plain
 * array, mapped with the first sample; each has three tallies, and its figures at the peak are
 * kept as those of sites are (profile.h).
 */
#include "src/track/profile_tables.h"

#include "src/base/os.h"

#include <string.h>

static size_t row_of(uint64_t size)
{
    size_t fine = NT_SIZE_FINE / NT_SIZE_GRAIN;
    if (size <= NT_SIZE_FINE)
        return (size_t)(size - 1) / NT_SIZE_GRAIN;
    if (size <= NT_SIZE_MAX)
        return fine + (size_t)(size - 1 - NT_SIZE_FINE) / NT_SIZE_COARSE;
    return NT_SIZE_ROWS - 1;
}

static uint64_t largest_of(size_t row)
{
    size_t fine = NT_SIZE_FINE / NT_SIZE_GRAIN;
    if (row < fine)
        return (row + 1) * NT_SIZE_GRAIN;
    return row < NT_SIZE_ROWS - 1 ? NT_SIZE_FINE + (row + 1 - fine) * NT_SIZE_COARSE
                                  : 0;
}

static void keep_peak(struct size_row *row)
{
    if (row->peak == nt__profile.peak)
        return;
    row->peak = nt__profile.peak;
    row->at_peak = row->live;
}

/* Large blocks are in the last row, whatever they hold. */
static double held_by(const struct nt_sample *sample)
{
    uint64_t held = sample->held > NT_SIZE_MAX ? sample->size : sample->held;
    return sample->weight.blocks * (double)held;
}

static void add_to(struct size_tally *tally, const struct nt_sample *sample)
{
    tally->samples++;
    tally->blocks += sample->weight.blocks;
    tally->bytes += sample->weight.bytes;
    tally->held += held_by(sample);
    tally->block_bytes += sample->weight.blocks * (double)sample->block_bytes;
}

void nt__profile_size_in(const struct nt_sample *sample)
{
    if (!nt__profile.sizes)
        nt__profile.sizes = nt__os_map(
            nt__align_up(NT_SIZE_ROWS * sizeof *nt__profile.sizes, nt__os_page_size()));
    if (!nt__profile.sizes)
        return;
    struct size_row *row = &nt__profile.sizes[row_of(sample->held)];
    keep_peak(row);
    add_to(&row->allocated, sample);
    add_to(&row->live, sample);
    if (sample->align > row->align)
        row->align = sample->align;
}

void nt__profile_size_out(const struct nt_sample *sample)
{
    struct size_row *row =
        nt__profile.sizes ? &nt__profile.sizes[row_of(sample->held)] : NULL;
    if (!row || row->live.samples == 0)
        return; /* there was no memory for it */
    keep_peak(row);
    struct size_tally *live = &row->live;
    if (--live->samples == 0) { /* what rounding left */
        *live = (struct size_tally){0};
        return;
    }
    live->blocks -= sample->weight.blocks;
    live->bytes -= sample->weight.bytes;
    live->held -= held_by(sample);
    live->block_bytes -= sample->weight.blocks * (double)sample->block_bytes;
}

static uint64_t rounded(double x)
{
    return x > 0 ? (uint64_t)(x + 0.5) : 0;
}

size_t nt__profile_sizes(struct nt_size_figures *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; nt__profile.sizes && i < NT_SIZE_ROWS; i++) {
        const struct size_row *row = &nt__profile.sizes[i];
        const struct size_tally *peak =
            row->peak == nt__profile.peak ? &row->at_peak : &row->live;
        if (row->allocated.samples == 0)
            continue;
        if (n < max)
            out[n] = (struct nt_size_figures){
                .up_to_bytes = largest_of(i),
                .samples_total = row->allocated.samples,
                .allocations_total = rounded(row->allocated.blocks),
                .requested_bytes_total = rounded(row->allocated.bytes),
                .allocated_bytes_total = rounded(row->allocated.block_bytes),
                .at_peak_samples = peak->samples,
                .at_peak_blocks = rounded(peak->blocks),
                .at_peak_requested_bytes = rounded(peak->bytes),
                .at_peak_allocated_bytes = rounded(peak->block_bytes),
                .held_bytes_total = rounded(row->allocated.held),
                .at_peak_held_bytes = rounded(peak->held),
                .align_bytes = row->align,
            };
        n++;
    }
    return n;
}
