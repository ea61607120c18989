/* SPDX-License-Identifier: MIT */
/* What the table of src/track/leave.h is made of. */
#ifndef NT_HEAP_LEAVE_H
#define NT_HEAP_LEAVE_H

#include "src/track/leave.h"

NT_HIDDEN bool nt__leave_take(struct nt_snapshot *out);
NT_HIDDEN void nt__leave_done(const struct nt_snapshot *sum,
                              const struct nt_tables *tables);
NT_HIDDEN const char *nt__leave_folder(void);

extern NT_API const struct nt_leave nt__leave_0; /* src/front */

#endif
