/* SPDX-License-Identifier: MIT */
/*
 * What the code under test is made to call: it is compiled with -fsanitize=thread, and the
 * calls that the compiler puts at each access of memory come here, not to the sanitizer.
 *
 * An atomic operation is a choice of sched.h's. All accesses are watched for data races: two
 * of one place, by two threads, one of them a write and one not atomic, without an order
 * between them that release and acquire operations, or a lock, make (vector clocks, as in
 * Flanagan and Freund's FastTrack). So an operation whose order is too weak is found if that
 * makes a race in some interleaving. What is not seen is an atomic read that gives an older
 * value than the last one written.
 */
#ifndef NT_TESTS_MODEL_INSTRUMENT_H
#define NT_TESTS_MODEL_INSTRUMENT_H

#include <stddef.h>

/* Watch this memory; the executable's own data is from the start. */
void instrument_watch(const void *memory, size_t size);

/* A run begins, and ends: what comes after has seen all. */
void instrument_begin(void);
void instrument_end(void);

/* Memory of zeroes, mapped; the checker's own, unless it is watched. */
void *instrument_map(size_t size);

/* A lock is taken, and given up. */
void instrument_acquire(const void *lock);
void instrument_release(const void *lock);

#endif
