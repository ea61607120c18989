/* SPDX-License-Identifier: MIT */
/* The structures of the profile, for profile.c, which changes them, and profile_read.c. */
#ifndef NT_TRACK_PROFILE_TABLES_H
#define NT_TRACK_PROFILE_TABLES_H

#include "src/track/profile.h"

struct tally {
    uint64_t samples;
    struct nt_weight sum;
};

struct nt_site {
    struct nt_site *next; /* in the order of their numbers */
    uint64_t hash;
    uint32_t number;
    struct tally allocated, live, at_peak;
    uint64_t peak; /* whose `at_peak` is; an older one: `live` is what it was then */
    uint64_t frees, lived_ns, lifetimes[NT_LIFETIMES];
    double reallocs, remote_frees;
    uint32_t depth, generation;
    uintptr_t pc[];
};

struct pair {
    struct nt_site *site, *free_site; /* NULL: unused */
    uint64_t samples;
    double frees, bytes;
};

struct size_tally {
    uint64_t samples;
    double blocks, bytes, held, block_bytes;
};

/* A row of sizes. */
struct size_row {
    struct size_tally allocated, live, at_peak;
    uint64_t peak;  /* as in struct nt_site */
    uint32_t align; /* the largest */
};

/* An open hash table: rows of `size` bytes, those in use spread by their hash. */
struct table {
    void *rows;
    size_t count, room; /* room: a power of two, or 0 */
};

struct nt_profile_tables {
    struct nt_lock lock;
    struct nt_site *first, *last;
    struct table sites;     /* struct nt_site * */
    struct table samples;   /* struct nt_sample */
    struct table pairs;     /* struct pair */
    struct size_row *sizes; /* NT_SIZE_ROWS; NULL: no memory, or nothing was sampled */
    double live, most;      /* bytes, of all sites; the most of it */
    uint64_t peak;          /* how often `most` rose */
    uint64_t begin_ns;      /* when sampling was first on */
    uint64_t interval;      /* the last one */
    uint64_t lost;
    uint64_t random; /* added to and mixed for each draw: atomic */
};

extern NT_HIDDEN struct nt_profile_tables nt__profile;

/* profile_sizes.c, all under the lock. A block begins to be in use, before the sum `live` is
 * changed; and ends. */
NT_HIDDEN void nt__profile_size_in(const struct nt_sample *sample);
NT_HIDDEN void nt__profile_size_out(const struct nt_sample *sample);

/* The rows that have samples, into out[0..max): how many there are. */
NT_HIDDEN size_t nt__profile_sizes(struct nt_size_figures *out, size_t max);

#endif
