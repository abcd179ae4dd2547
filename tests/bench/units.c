/* How long units of work are, and how well frames keep to their budget. One thread. */
#include <stdio.h>
#include <stdlib.h>

#include "dit.h"
#include "tests/bench/limit.h"
#include "tests/bench/table.h"
#include "weights/sprites/dit_sprites.h"

static double percentile(const double *sorted, int count, double part) { return sorted[(int)((count - 1) * part)]; }

/* How long the units of a job are: what dit_job_advance cannot go below. One thread. */
static void unit_times(const dit_model *model, const dit_params *params, const char *name) {
  enum { MOST = 1 << 16 };
  double *times = (double *)malloc(MOST * sizeof(double));
  dit_job *job = NULL;
  int count = 0;
  if (model && !dit_job_start(model, params, &job, NULL)) {
    for (dit_status status = DIT_MORE; status == DIT_MORE && count < MOST;) {
      const double start = bench_clock();
      status = dit_job_advance(job, 0, NULL);
      times[count++] = 1e3 * (bench_clock() - start);
    }
    bench_median(times, count); /* sorted */
    printf("%-46s %6d units: median %.3f ms, 99 %% %.3f ms, largest %.3f ms\n", name, count,
           percentile(times, count, 0.5), percentile(times, count, 0.99), times[count - 1]);
  }
  dit_job_end(job);
  free(times);
}

/* Sprites in frames of 2 ms: how far frames overrun. */
static void frames(const dit_model *model) {
  enum { FRAMES = 1000, BUDGET = 2000, BINS = 8 };
  static const double edges[BINS - 1] = {0, 0.05, 0.1, 0.2, 0.5, 1, 2};
  int count = 0, histogram[BINS] = {0};
  const int32_t class_id = 3;
  for (uint64_t seed = 0; count < FRAMES; seed++) {
    const dit_params params = {.struct_size = sizeof params, .classes = &class_id, .seed = seed};
    dit_job *job = NULL;
    if (dit_job_start(model, &params, &job, NULL)) return;
    for (dit_status status = DIT_MORE; status == DIT_MORE && count < FRAMES; count++) {
      const double start = bench_clock();
      status = dit_job_advance(job, BUDGET, NULL);
      const double over = 1e3 * (bench_clock() - start) - BUDGET / 1000.0;
      int bin = 0;
      while (bin < BINS - 1 && over > edges[bin]) bin++;
      histogram[bin]++;
    }
    dit_job_end(job);
  }
  printf("%-46s", "sprite, frames of 2 ms: overrun in ms");
  for (int i = 0; i < BINS - 1; i++) printf(" <=%g: %d", edges[i], histogram[i]);
  printf(" more: %d\n", histogram[BINS - 1]);
}

void bench_units(void) {
  const int32_t class_id = 3;
  const dit_options options = {.struct_size = sizeof options, .threads = 1, .isa = bench.isa};
  dit_params params = {.struct_size = sizeof params, .classes = &class_id};
  dit_model *model = NULL;
  if (!bench_wanted("units") || dit_sprites_open(&options, &model, NULL)) return;
  unit_times(model, &params, "units of a sprite");
  frames(model);
  dit_model_close(model);
  params.steps = 1;
  model = bench_model("XL/2:512", NULL);
  unit_times(model, &params, "units of a step of DiT-XL/2, 512 px");
  dit_model_close(model);
  model = bench_model("dit:hidden=64,depth=1,heads=1,patch=8,latent=64,in=4,classes=9", "vae");
  unit_times(model, &params, "units of the SD decoder, 512 px");
  dit_model_close(model);
}
