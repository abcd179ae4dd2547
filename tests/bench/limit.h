/* What the silicon can do: loops that do nothing but multiply and add in registers, or read memory. */
#ifndef DIT_BENCH_LIMIT_H
#define DIT_BENCH_LIMIT_H

#include <stdint.h>

double bench_clock(void); /* seconds */

/* GFLOP/s of fused multiply-adds on f32 in registers, on `threads` threads at once, with the vectors of `isa`. Runs
 * about a tenth of a second. */
double limit_f32(int32_t isa, int32_t threads);

/* GB/s of reading 256 MB a thread. */
double limit_memory(int32_t threads);

#endif
