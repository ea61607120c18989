/* SPDX-License-Identifier: MIT */
/*
 * What takes processor time in the allocator: many small blocks, blocks that move as they
 * grow, and blocks that other threads free.
 *
 * Each costs its number times a price (analysis.h). With samples every place that costs
 * enough is a finding; where none does, or nothing was sampled, the counters may still say
 * that all of them together do.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>

/* The standard error of a number of blocks: relative to it that of their bytes, but no less
 * than so many samples allow when not every block is one. */
static double count_error(const struct nt_analysis *a, double count, uint64_t samples,
                          double bytes, double bytes_error)
{
    double of_bytes = bytes > 0 ? bytes_error / bytes : 0;
    double of_samples = a->record->profile.interval_bytes > 1 && samples > 0
                            ? 1 / nt__estimate_root((double)samples)
                            : 0;

    return count * (of_bytes > of_samples ? of_bytes : of_samples);
}

/* ---- Containers ----------------------------------------------------------------------- */

static double mean_of(const struct nt_place *place)
{
    return place->blocks > 0 ? place->bytes / place->blocks : 0;
}

/* Blocks of classes that are larger than that of `bytes`: all, less those of other places. */
static double larger_blocks(const struct nt_analysis *a, const struct nt_place *but,
                            double bytes)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    double class_bytes = 0, blocks = 0;

    for (uint32_t i = 0; i < s->classes && class_bytes < bytes; i++)
        class_bytes = (double)s->class_[i].block_bytes;
    if (class_bytes < bytes)
        return but->blocks; /* they are large */
    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class_[i].block_bytes == 0 ||
            (double)s->class_[i].block_bytes > class_bytes)
            blocks += (double)s->class_[i].allocations_total;
    for (size_t i = 0; i < a->places.n; i++)
        if (&a->places.list[i] != but && mean_of(&a->places.list[i]) > class_bytes)
            blocks -= a->places.list[i].blocks;
    return blocks;
}

/* Does the place's container outgrow its room? Its first room is had in the same way. But who
 * grows has blocks above the mean; and who has one or two elements has all in one class. */
static bool grows(const struct nt_analysis *a, const struct nt_place *place)
{
    return place->grows &&
           larger_blocks(a, place, mean_of(place)) >= NT_OUTGROWN_PART * place->blocks;
}

/* ---- Many small blocks ----------------------------------------------------------------- */

static char *small_advice(bool shortly)
{
    return shortly
               ? nt__say("They are gone at once: keep one object for all of them, use "
                         "the stack, or a buffer that grows when it must.")
               : nt__say(
                     "Allocate many at a time: an array in place of single objects, "
                     "or a pool of the program's own that cuts them from larger "
                     "blocks (std::pmr::monotonic_buffer_resource).");
}

/* Those that grow are nt__find_chains's. */
static bool is_small(const struct nt_analysis *a, const struct nt_place *place)
{
    return place->blocks >= 1 && mean_of(place) <= NT_SMALL_BYTES && !grows(a, place);
}

/* Each place that matters by itself. */
static bool find_small_places(struct nt_analysis *a)
{
    bool found = false;

    for (size_t i = 0; i < a->places.n; i++) {
        const struct nt_place *place = &a->places.list[i];
        double cost = place->blocks * NT_PRICE_PAIR;
        double error =
            count_error(a, cost, place->samples, place->bytes, place->bytes_error);
        double lived = nt__place_lived(place, a->run_ns);
        bool shortly = lived < NT_SHORT_PART * a->run_ns;
        struct nt_finding *f;

        if (!is_small(a, place) || place->samples < NT_LEAST_SAMPLES ||
            !nt__finding_counts(a, NT_COST_NS, cost, error))
            continue;
        found = true;
        f = nt__finding_add(a, "frequent-small", NT_COST_NS, cost, error);
        nt__finding_where(
            a, f,
            nt__most_of(a, place, offsetof(struct nt_site_figures, allocations_total)));
        f->sentence = nt__say(
            "About %s blocks of %.0f bytes on average were allocated by %s, %s in "
            "each second of processor time%s%s: some %s to allocate and free them.",
            nt__count(place->blocks).s, place->bytes / place->blocks, place->name,
            nt__count(place->blocks / (a->out->cpu_ns / 1e9)).s,
            shortly ? ", and lived for " : "", shortly ? nt__time(lived).s : "",
            nt__time(f->cost).s);
        f->advice = small_advice(shortly);
    }
    return found;
}

/* The small place with most blocks, or NULL, and the blocks of all. */
static const struct nt_place *most_small(const struct nt_analysis *a, double *blocks)
{
    const struct nt_place *best = NULL;

    *blocks = 0;
    for (size_t i = 0; i < a->places.n; i++) {
        const struct nt_place *place = &a->places.list[i];

        if (!is_small(a, place))
            continue;
        *blocks += place->blocks;
        if (best == NULL || place->blocks > best->blocks)
            best = place;
    }
    return best;
}

void nt__find_small(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    const struct nt_place *most;
    double blocks = 0, bytes = 0, known;
    struct nt_finding *f;

    if (find_small_places(a))
        return;
    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class_[i].block_bytes != 0 &&
            s->class_[i].block_bytes <= NT_SMALL_BYTES) {
            blocks += (double)s->class_[i].allocations_total;
            bytes += (double)s->class_[i].requested_bytes_total;
        }
    most = most_small(a, &known);
    /* Else they are blocks of places that ask for larger ones as well. */
    if ((a->places.n > 0 && known < blocks / 2) ||
        !nt__finding_counts(a, NT_COST_NS, blocks * NT_PRICE_PAIR, 0))
        return;
    f = nt__finding_add(a, "frequent-small", NT_COST_NS, blocks * NT_PRICE_PAIR, 0);
    nt__finding_where(
        a, f,
        nt__most_of(a, most, offsetof(struct nt_site_figures, allocations_total)));
    f->sentence = nt__say(
        "%s blocks of up to %d bytes, %.0f on average, were allocated, %s in each "
        "second of processor time: some %s to allocate and free them.%s%s%s%s%s",
        nt__count(blocks).s, NT_SMALL_BYTES, bytes / blocks,
        nt__count(blocks / (a->out->cpu_ns / 1e9)).s, nt__time(f->cost).s,
        most != NULL ? " Most, about " : "",
        most != NULL ? nt__count(most->blocks).s : "", most != NULL ? ", by " : "",
        most != NULL ? most->name : "", most != NULL ? "." : "");
    f->advice = small_advice(false);
}

/* ---- Growing by realloc ------------------------------------------------------------------- */

static void report_chain(struct nt_analysis *a, const struct nt_place *place,
                         double cost, double error)
{
    double in_place = (double)a->record->snapshot.total.reallocs_in_place_total;
    struct nt_finding *f = nt__finding_add(a, "realloc-chain", NT_COST_NS, cost, error);

    nt__finding_where(
        a, f,
        nt__most_of(a, place,
                    place->grows ? offsetof(struct nt_site_figures, allocations_total)
                                 : offsetof(struct nt_site_figures, reallocs_total)));
    if (place->grows) {
        f->sentence = nt__say(
            "About %s blocks, of %s on average, were allocated by %s for containers "
            "that "
            "grow, a first room and one of twice the size each time that it did not "
            "suffice: some %s to copy and free those.",
            nt__count(place->blocks).s, nt__bytes(place->bytes / place->blocks).s,
            place->name, nt__time(f->cost).s);
        f->advice =
            nt__say("Call reserve() with the number that is expected before the "
                    "container is filled.");
        return;
    }
    f->sentence = nt__say(
        "About %s of %s blocks, of %s on average, that %s asked for replaced another "
        "that had become too small: some %s to copy and free those.",
        nt__count(place->moved).s, nt__count(place->blocks).s,
        nt__bytes(place->bytes / place->blocks).s, place->name, nt__time(f->cost).s);
    f->advice = nt__say(
        "Ask at once for what will be needed, or let the size double each time it "
        "does not suffice.%s",
        in_place > 10 * place->moved
            ? " Most reallocs of the process found room where they were, which costs "
              "less: the smaller the steps, the more of them there are."
            : "");
}

/* What the moves of a place cost. Large blocks move by page table. A container that doubles has
 * half of the new block to copy, by the program's own code. */
static double chain_cost(const struct nt_analysis *a, const struct nt_place *place)
{
    double largest = nt__largest_class(&a->record->snapshot);
    double mean = mean_of(place);
    double copied = mean < largest ? mean : largest;

    return place->grows ? place->blocks * (NT_PRICE_PAIR + mean / 2 * NT_PRICE_COPY)
                        : place->moved *
                              (NT_PRICE_PAIR + NT_PRICE_MOVE + copied * NT_PRICE_COPY);
}

void nt__find_chains(struct nt_analysis *a)
{
    for (size_t i = 0; i < a->places.n; i++) {
        const struct nt_place *place = &a->places.list[i];
        double cost = chain_cost(a, place);
        double error =
            count_error(a, cost, place->samples, place->bytes, place->bytes_error);

        if (place->samples >= NT_LEAST_SAMPLES &&
            (grows(a, place) || place->moved >= NT_MOVED_PART * place->blocks) &&
            nt__finding_counts(a, NT_COST_NS, cost, error))
            report_chain(a, place, cost, error);
    }
}

/* ---- Frees by other threads ------------------------------------------------------------------ */

/* What pairs of places come to. */
struct pair {
    size_t place, freeing;
    size_t row; /* of the pair of sites with most frees */
    uint64_t samples;
    double frees, bytes;
};

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return a->place != b->place      ? (a->place < b->place ? -1 : 1)
           : a->freeing < b->freeing ? -1
                                     : a->freeing > b->freeing;
}

/* The profile's pairs of sites, put together by places; how many there are. */
static size_t pairs_of_places(const struct nt_analysis *a, struct pair **out)
{
    const struct nt_profile *p = &a->record->profile;
    struct pair *pairs = nt__tool_memory(calloc(p->nremotes + 1, sizeof *pairs));
    size_t rows = 0, n = 0;

    for (size_t i = 0; i < p->nremotes && a->places.n > 0; i++) {
        const struct nt_remote_figures *r = &p->remotes[i];

        if (r->site < p->nsites && r->free_site < p->nsites)
            pairs[rows++] = (struct pair){a->places.of_site[r->site],
                                          a->places.of_site[r->free_site],
                                          i,
                                          r->samples_total,
                                          (double)r->frees_total,
                                          (double)r->requested_bytes_total};
    }
    qsort(pairs, rows, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < rows; i++) {
        struct pair *sum = n > 0 ? &pairs[n - 1] : NULL;

        if (sum == NULL || compare_pairs(sum, &pairs[i]) != 0) {
            pairs[n++] = pairs[i];
            continue;
        }
        if (pairs[i].frees > (double)p->remotes[sum->row].frees_total)
            sum->row = pairs[i].row;
        sum->samples += pairs[i].samples;
        sum->frees += pairs[i].frees;
        sum->bytes += pairs[i].bytes;
    }
    *out = pairs;
    return n;
}

static char *remote_advice(const struct nt_snapshot *s)
{
    bool far =
        (double)s->total.far_frees_total > 0.1 * (double)s->total.remote_frees_total;

    return nt__say(
        "Let the thread that allocates free, too: hand done blocks back in batches, "
        "or keep a ring of buffers that go back and forth.%s",
        far ? " Many of these frees are from another node, so the memory was used from "
              "there as well: let threads that exchange blocks run on one node, or "
              "allocate on the node of whoever reads (nt_malloc_onnode)."
            : "");
}

static void report_pair(struct nt_analysis *a, const struct pair *pair, double error)
{
    const struct nt_profile *p = &a->record->profile;
    const struct nt_remote_figures *r = &p->remotes[pair->row];
    double cost = pair->frees * NT_PRICE_REMOTE;
    struct nt_finding *f = nt__finding_add(a, "remote-free", NT_COST_NS, cost, error);

    f->nwhere = nt__place_lines(p, a->symbols, r->site, &f->where);
    f->nfreed = nt__place_lines(p, a->symbols, r->free_site, &f->freed);
    f->sentence = nt__say(
        "About %s blocks of %s on average were allocated by %s and freed by another "
        "thread, in %s: some %s to send them home.",
        nt__count(pair->frees).s,
        nt__bytes(pair->bytes / (pair->frees > 1 ? pair->frees : 1)).s,
        a->places.list[pair->place].name, a->places.list[pair->freeing].name,
        nt__time(f->cost).s);
    f->advice = remote_advice(&a->record->snapshot);
}

void nt__find_remote_frees(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    double all = (double)s->total.remote_frees_total;
    struct pair *pairs;
    size_t n = pairs_of_places(a, &pairs);
    struct nt_finding *f;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        double error = count_error(a, pairs[i].frees * NT_PRICE_REMOTE,
                                   pairs[i].samples, pairs[i].bytes, 0);

        if (pairs[i].samples < NT_LEAST_SAMPLES ||
            !nt__finding_counts(a, NT_COST_NS, pairs[i].frees * NT_PRICE_REMOTE, error))
            continue;
        found = true;
        report_pair(a, &pairs[i], error);
    }
    free(pairs);
    if (found || !nt__finding_counts(a, NT_COST_NS, all * NT_PRICE_REMOTE, 0))
        return;
    f = nt__finding_add(a, "remote-free", NT_COST_NS, all * NT_PRICE_REMOTE, 0);
    f->sentence = nt__say("%s of %s frees were by another thread than the block's: at "
                          "least %s to send them home.",
                          nt__count(all).s, nt__count((double)s->total.frees_total).s,
                          nt__time(f->cost).s);
    f->advice = remote_advice(s);
}
