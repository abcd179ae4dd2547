/* How cost grows: with steps, pictures of a batch, size and model. Each row is a part of the limit, so that a cliff
 * shows as a low one. One thread. */
#include <stdio.h>

#include "dit.h"
#include "tests/bench/limit.h"
#include "tests/bench/table.h"

static void job(const dit_model *model, int32_t count, int32_t latent, int32_t steps, const char *what, int32_t value) {
  static const int32_t classes[64] = {1, 2, 3, 4, 5, 6, 7, 8};
  const dit_params params = {.struct_size = sizeof params,
                             .classes = classes,
                             .count = count,
                             .width = latent,
                             .height = latent,
                             .steps = steps,
                             .guidance_scale = 4};
  dit_job *job_ = NULL;
  dit_profile_row rows[32];
  int32_t kinds = 0;
  double gflop = 0;
  if (dit_job_start(model, &params, &job_, NULL)) return;
  const double start = bench_clock();
  dit_job_advance(job_, -1, NULL);
  const double seconds = bench_clock() - start;
  dit_job_profile(job_, 32, rows, &kinds, NULL);
  for (int32_t i = 0; i < kinds; i++) gflop += rows[i].gflop;
  dit_job_end(job_);
  char name[64];
  snprintf(name, sizeof name, "growth: %s %d", what, value);
  bench_rate(name, gflop, seconds, limit_f32(bench.isa, 1), 0);
}

void bench_growth(void) {
  static const char *const models[] = {"S/2:256", "B/2:256", "L/2:256", "XL/2:256"};
  if (!bench_wanted("growth")) return;
  dit_model *model = bench_model(models[0], NULL);
  if (model) {
    job(model, 1, 32, 1, "warming up, steps", 1);
    for (int32_t steps = 1; steps <= 32; steps *= 2) job(model, 1, 32, steps, "S/2, steps", steps);
    for (int32_t count = 1; count <= 16; count *= 2) job(model, count, 32, 1, "S/2, pictures", count);
    for (int32_t latent = 8; latent <= 128; latent += latent < 32 ? 8 : latent) /* 8, 16, 24, 32, 64, 128 */
      job(model, 1, latent, 1, "S/2, side of the latent", latent);
  }
  dit_model_close(model);
  for (int32_t i = 0; i < 4; i++) {
    model = bench_model(models[i], NULL);
    if (!model) continue;
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(model, &info);
    job(model, 1, 32, 1, "models, million parameters, first", (int32_t)(info.parameters / 1000000));
    job(model, 1, 32, 1, "models, million parameters", (int32_t)(info.parameters / 1000000));
    dit_model_close(model);
  }
}
