/* The table that make bench prints: each row a figure beside the limit it was measured with, and what is asked of it.
 */
#ifndef DIT_BENCH_TABLE_H
#define DIT_BENCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "dit.h"
#include "dit_pool.h"

/* What is measured, of all files. */
typedef struct bench_options {
  int32_t isa, threads, repeats, full, json;
  const char *only; /* rows whose name has this in it */
  dit_pool *pool;   /* of `threads` threads */
} bench_options;

extern bench_options bench;

int bench_wanted(const char *name);

/* Work of so many GFLOP took `seconds`, where `limit` GFLOP/s can be had. `asked`: the least ratio; 0: nothing is. */
void bench_rate(const char *name, double gflop, double seconds, double limit, double asked);

/* Any other figure, and what it must be at least or (most 1) at most; asked 0: nothing. */
void bench_figure(const char *name, double value, const char *unit, double asked, int most);

void bench_begin(void);
void bench_end(void);

/* The median of numbers, which are sorted. */
double bench_median(double *values, int32_t count);

/* Random numbers from -1 to 1, aligned to 64 bytes. */
float *bench_numbers(size_t count);

/* ---- kernels.c, models.c, units.c, growth.c ---- */

/* A model of one or two synthetic parts (tests/synthetic.h) for one thread, without a file; NULL: it failed. */
dit_model *bench_model(const char *first, const char *second);

void bench_kernels(void);
void bench_models(void);
void bench_units(void);
void bench_growth(void);

#endif
