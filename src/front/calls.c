/* SPDX-License-Identifier: MIT */
/* What makes this copy of the library the heap of every other: src/heap/calls.h. */
#include "src/heap/calls.h"

#define NT_CALL(name) .name = nt_##name,
const struct nt_calls nt__calls_0 = {
    .size = sizeof(struct nt_calls), .copy = &nt__shard_none, NT_CALLS(NT_CALL)};
