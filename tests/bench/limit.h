/* What the silicon can do: loops that do nothing but multiply and add in registers, or read memory. */
#ifndef DIT_BENCH_LIMIT_H
#define DIT_BENCH_LIMIT_H

#include <stdint.h>

double bench_clock(void); /* seconds */

/* 1: the clock is the processor time of the process, which does not run while others do; for one thread. */
extern int32_t bench_processor_time;

/* GFLOP/s of fused multiply-adds on f32 in registers, on `threads` threads at once, with the vectors of `isa`. Runs
 * about a tenth of a second. */
double limit_f32(int32_t isa, int32_t threads);

/* Likewise, of products of bytes that are added up exactly in 32 bits, as `isa` has them; 0: not known. */
double limit_bytes(int32_t isa, int32_t threads);

/* Likewise, of bfloat16 (AVX-512 BF16; only where kernels.bf16.nr is not 0). */
double limit_bf16(int32_t threads);

/* GB/s of reading 256 MB a thread. */
double limit_memory(int32_t threads);

#endif
