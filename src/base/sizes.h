/* SPDX-License-Identifier: MIT */
/*
 * The built-in sizes of blocks, as a series: for the table of classes (pools/sizeclass.h),
 * which begins with them or goes on with them above those of the setting `classes`, and for
 * the tool, which compares other tables with it.
 */
#ifndef NT_BASE_SIZES_H
#define NT_BASE_SIZES_H

#include "src/base/base.h"

/* The next built-in size above `size`; of 0 the first. */
NT_HIDDEN uint32_t nt__size_next(uint32_t size);

#endif
