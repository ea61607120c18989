/* SPDX-License-Identifier: MIT */
#include "src/base/sizes.h"

#define GRAIN 16

/* Below 128 in steps of 16. Above, the largest multiple of 16 whose worst request wastes at
 * most an eighth; the powers of two are never passed over, being what programs ask for. */
uint32_t nt__size_next(uint32_t size)
{
    if (size < 128)
        return size + GRAIN;
    uint32_t octave = 1u << (31 - __builtin_clz(size));
    if (octave >= 256) { /* 9/8 10/8 11/8 12.5/8 14/8 and 2: the same in each octave */
        static const uint8_t sixteenths[] = {18, 20, 22, 25, 28, 32};
        for (unsigned i = 0;; i++)
            if (octave / 16 * sixteenths[i] > size)
                return octave / 16 * sixteenths[i];
    }
    return size < 224 ? size + GRAIN : 256;
}
