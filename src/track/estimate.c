/* SPDX-License-Identifier: MIT */
#include "src/track/estimate.h"

#include <string.h>

#define LN2 0.69314718055994530942

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The natural logarithm of a positive normal number: with m in [sqrt 1/2, sqrt 2),
 * ln m = 2 artanh((m-1)/(m+1)). The series ends where it is below 1e-15. */
static double log_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    double m = from_bits((bits & (UINT64_MAX >> 12)) | (uint64_t)1023 << 52);
    if (m > 1.41421356237309504880) {
        m /= 2;
        exponent++;
    }
    double t = (m - 1) / (m + 1), t2 = t * t, sum = 0;
    for (int k = 19; k > 0; k -= 2)
        sum = sum * t2 + 1.0 / k;
    return exponent * LN2 + 2 * t * sum;
}

/* exp(-x) for x >= 0: the series of a small part of it, squared again. */
static double exp_minus(double x)
{
    if (x > 700)
        return 0;
    int halvings = 0;
    while (x > 0.5) {
        x /= 2;
        halvings++;
    }
    double sum = 1;
    for (int k = 15; k > 0; k--)
        sum = 1 - sum * x / k;
    while (halvings-- > 0)
        sum *= sum;
    return sum;
}

/* 1 - exp(-x) for x > 0, also where it is small. */
static double probability(double x)
{
    if (x > 0.5)
        return 1 - exp_minus(x);
    double sum = 1;
    for (int k = 15; k > 1; k--)
        sum = 1 - sum * x / k;
    return x * sum;
}

uint64_t nt__estimate_draw(uint64_t interval, uint64_t random)
{
    if (interval <= 1)
        return 1;
    /* (0, 1]: of 53 random bits none is 0. */
    double u = (double)((random >> 11) + 1) * 0x1p-53;
    double bytes = -log_of(u) * (double)interval;
    /* A point inside a byte is on that byte: so up. */
    return bytes >= 0x1p62 ? (uint64_t)1 << 62 : (uint64_t)bytes + 1;
}

struct nt_weight nt__estimate_weight(uint64_t size, uint64_t interval)
{
    double p = interval <= 1 ? 1 : probability((double)size / (double)interval);
    double bytes = (double)size / p;
    return (struct nt_weight){
        .blocks = 1 / p, .bytes = bytes, .variance = bytes * bytes * (1 - p)};
}

double nt__estimate_root(double x)
{
    if (!(x > 0))
        return 0;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    double root = from_bits((bits >> 1) + ((uint64_t)1023 << 51)); /* within 6 % */
    for (int i = 0; i < 5; i++)
        root = (root + x / root) / 2;
    return root;
}
