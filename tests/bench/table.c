#include "tests/bench/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bench_options bench = {0, 2, 5, 0, 0, "", NULL};

static int rows; /* printed */

int bench_wanted(const char *name) { return strstr(name, bench.only) != NULL; }

static void row_json(const char *name, double value, const char *unit, double asked, int most, double seconds,
                     double gflop, double limit) {
  printf("%s\n    {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", rows++ ? "," : "", name, value, unit);
  if (asked > 0) printf(", \"asked\": %.6g, \"at\": \"%s\"", asked, most ? "most" : "least");
  if (limit > 0) printf(", \"seconds\": %.6g, \"gflop\": %.6g, \"limit_gflops\": %.6g", seconds, gflop, limit);
  printf("}");
}

void bench_rate(const char *name, double gflop, double seconds, double limit, double asked) {
  const double ratio = gflop / seconds / limit;
  if (bench.json) {
    row_json(name, ratio, "of the limit", asked, 0, seconds, gflop, limit);
    return;
  }
  printf("%-58s %8.3f of the limit", name, ratio);
  if (asked > 0) printf(" (asked: %.2f%s)", asked, ratio < asked ? ", SHORT" : "");
  printf("; %.2f ms, %.1f of %.1f GFLOP/s\n", seconds * 1e3, gflop / seconds, limit);
  fflush(stdout);
}

void bench_figure(const char *name, double value, const char *unit, double asked, int most) {
  if (bench.json) {
    row_json(name, value, unit, asked, most, 0, 0, 0);
    return;
  }
  printf("%-58s %8.3f %s", name, value, unit);
  if (asked > 0)
    printf(" (asked: at %s %g%s)", most ? "most" : "least", asked,
           (most ? value > asked : value < asked) ? ", SHORT" : "");
  printf("\n");
  fflush(stdout);
}

void bench_begin(void) {
  if (bench.json) printf("  \"rows\": [");
}

void bench_end(void) {
  if (bench.json) printf("\n  ]\n}\n");
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(double *values, int32_t count) {
  qsort(values, (size_t)count, sizeof(double), by_value);
  return values[count / 2];
}

float *bench_numbers(size_t count) {
  float *x = (float *)aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64 + 64);
  uint32_t state = 1;
  for (size_t i = 0; x && i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)state * 0x1p-31f;
  }
  return x;
}
