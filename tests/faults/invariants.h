/* SPDX-License-Identifier: MIT */
#ifndef NT_TESTS_INVARIANTS_H
#define NT_TESTS_INVARIANTS_H

#include <stdint.h>

/* Walk everything the heap has: each shard and its slabs, each arena and its units, the map,
 * and the sums of what these say. NULL: all is as it should be; else what is not. No other
 * thread may be in the library, and no call may be made to fail. */
const char *invariants_broken(void);

/* Units that wait to be given back to the system. */
uint64_t invariants_cached(void);

/* Slices lent by the arenas. */
uint64_t invariants_lent(void);

#endif
