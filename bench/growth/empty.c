/* SPDX-License-Identifier: MIT */
/* A library with nothing in it: what preloading one costs at all (startup.py). */
void bench_empty(void);

void bench_empty(void)
{
}
