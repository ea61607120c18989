/* SPDX-License-Identifier: MIT */
/* What libraries of src/mpi ask of the one heap there is: src/track/leave.h. */
#include "src/heap/leave.h"

const struct nt_leave nt__leave_0 = {.size = sizeof(struct nt_leave),
                                     .snapshot_bytes = sizeof(struct nt_snapshot),
                                     .row_bytes = sizeof(struct nt_job_row),
                                     .take = nt__leave_take,
                                     .done = nt__leave_done,
                                     .folder = nt__leave_folder};
