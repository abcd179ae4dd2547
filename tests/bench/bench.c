/* make bench: how near the library comes to what the processor can do. Every figure is a ratio to a limit that was
 * measured beside it, so that it holds on any machine, however busy.
 *
 * Weights are synthetic; models are written to $DIT_TMP or /tmp (up to 2.7 GB) and deleted. With one thread, time is
 * the processor's own. --full adds what takes minutes; --only takes the rows whose names have a word in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels/kernels.h"
#include "tests/bench/limit.h"
#include "tests/bench/table.h"

static const char *const isa_names[] = {"best", "scalar", "neon", "avx2", "avx512", "avxvnni", "avx512vnni", "neondot"};
enum { ISAS = sizeof isa_names / sizeof *isa_names };

/* 1 if all of them are known. */
static int options(int count, char **arguments) {
  for (int i = 1; i < count; i++) {
    const char *option = arguments[i];
    if (!strcmp(option, "--full")) {
      bench.full = 1;
      continue;
    }
    if (!strcmp(option, "--json")) {
      bench.json = 1;
      continue;
    }
    if (++i == count) return 0;
    if (!strcmp(option, "--threads"))
      bench.threads = atoi(arguments[i]);
    else if (!strcmp(option, "--repeats"))
      bench.repeats = atoi(arguments[i]);
    else if (!strcmp(option, "--only"))
      bench.only = arguments[i];
    else if (!strcmp(option, "--isa")) {
      while (bench.isa < ISAS && strcmp(arguments[i], isa_names[bench.isa])) bench.isa++;
      if (bench.isa == ISAS) return 0;
    } else
      return 0;
  }
  if (bench.threads < 1) bench.threads = 1;
  bench.pool = dit_pool_open(bench.threads);
  if (bench.repeats < 1 || bench.repeats > 9) bench.repeats = 5;
  return 1;
}

int main(int count, char **arguments) {
  dit__kernels best;
  if (!options(count, arguments)) {
    fputs("bench [--isa NAME] [--threads N] [--repeats 1..9] [--only WORD] [--full] [--json]\n", stderr);
    return 2;
  }
  bench_processor_time = bench.threads == 1;
  if (!dit__kernels_get(bench.isa, &best)) {
    printf("this processor lacks %s\n", isa_names[bench.isa]);
    return 1;
  }
  bench.isa = best.isa;
  const double one = limit_f32(bench.isa, 1), all = limit_f32(bench.isa, bench.threads);
  const double memory = limit_memory(bench.threads);
  if (bench.json)
    printf("{\n  \"isa\": \"%s\", \"threads\": %d, \"limit_f32_one\": %.1f, \"limit_f32\": %.1f, \"memory\": %.1f,\n",
           isa_names[bench.isa], bench.threads, one, all, memory);
  else
    printf(
        "instruction set %s; f32 multiply-adds in registers: %.1f GFLOP/s on one thread, %.1f on %d; memory %.1f "
        "GB/s\n",
        isa_names[bench.isa], one, all, bench.threads, memory);
  bench_begin();
  bench_kernels();
  bench_models();
  if (!bench.json) bench_units();
  if (bench.full) {
    bench_processor_time = 1;
    bench_growth();
  }
  bench_end();
  dit_pool_close(bench.pool);
  return 0;
}
