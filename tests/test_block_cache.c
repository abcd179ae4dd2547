/* Jobs that run the transformer's blocks at some steps only (dit_params.cache_interval). tests/numerics.py checks their
 * bits; this test checks what jobs promise: batches, windows, threads, limits, units, memory, cancelling.
 *
 * The test fails if a picture depends on its neighbours (one with a class beside one without, guidance that begins
 * late); if the cache is that of another picture or pass; if a job needs other memory or units than it reported; or if
 * the cache is not used. */
#include "dit.h"
#include "tests/host.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"

enum { COUNT = 5, SIDE = 16, PICTURE = SIDE * SIDE * 4 };

static const int32_t classes[COUNT] = {2, -1, 5, -1, 0};
static uint8_t *bytes;
static size_t size;

static dit_params with_interval(int32_t interval) {
  const dit_params p = {.struct_size = sizeof p,
                        .count = COUNT,
                        .classes = classes,
                        .seed = 40,
                        .steps = 9,
                        .sampler = DIT_SAMPLER_DDIM,
                        .guidance_scale = 3,
                        .guidance_start = 0.2f, /* from step 2 on, */
                        .guidance_end = 0.8f,   /* up to step 6 */
                        .cache_interval = interval};
  return p;
}

static dit_model *open_with(const dit_options *options) {
  dit_model *model = NULL;
  dit_error error = {0};
  CHECK(dit_model_open_memory(bytes, size, options, &model, &error) == DIT_OK, "%s", error.message);
  return model;
}

static int generate(const dit_model *model, const dit_params *p, uint8_t *pixels) {
  dit_error error = {0};
  const dit_status status = dit_generate(model, p, DIT_PIXELS_NATIVE, pixels, (size_t)p->count * PICTURE, &error);
  return CHECK(status == DIT_OK, "dit_generate: %s", error.message);
}

/* Makes each picture alone; those without a class then have no second pass. */
static void test_alone(const dit_model *model, int32_t interval, const uint8_t *truth) {
  uint8_t pixels[PICTURE];
  for (int32_t i = 0; i < COUNT; i++) {
    dit_params p = with_interval(interval);
    p.count = 1;
    p.classes = &classes[i];
    p.seed += (uint64_t)i;
    generate(model, &p, pixels);
    CHECK(!memcmp(pixels, truth + i * PICTURE, PICTURE), "interval %d: picture %d depends on its batch", interval, i);
  }
}

/* Batches and windows of all sizes, threads, hooks, and what was reported beforehand. */
static void test_ways(int32_t interval, const uint8_t *truth) {
  static host h;
  uint8_t pixels[COUNT * PICTURE];
  dit_options options = host_options(&h);
  dit_params p = with_interval(interval);
  size_t all = 0, told = 0;
  dit_model *model = open_with(&options);
  dit_job_memory(model, &p, &all, NULL);
  dit_model_close(model);
  for (int way = 0; way < 9; way++) {
    dit_progress progress = {.struct_size = sizeof progress};
    dit_job *job = NULL;
    options = host_options(&h);
    options.memory_limit = way < 6 ? all * (unsigned)(way + 3) / 8 : 0;
    options.threads = way < 6 ? 1 : way - 4;
    options.parallel_for = way < 6 ? NULL : host_threads;
    model = open_with(&options);
    if (dit_job_memory(model, &p, &told, NULL) == DIT_OK && dit_job_start(model, &p, &job, NULL) == DIT_OK) {
      CHECK(h.last == told, "interval %d, way %d: %zu bytes told, %zu asked for", interval, way, told, h.last);
      while (dit_job_advance(job, way % 2 ? 0 : -1, NULL) == DIT_MORE) continue;
      dit_job_progress(job, &progress);
      CHECK(progress.units == progress.units_total, "interval %d, way %d: %d of %d units", interval, way,
            (int)progress.units, (int)progress.units_total);
      for (int32_t i = 0; i < COUNT; i++) dit_job_pixels(job, i, DIT_PIXELS_NATIVE, pixels + i * PICTURE, 0, NULL);
      CHECK(!memcmp(pixels, truth, sizeof pixels), "interval %d: way %d changes the pictures", interval, way);
    } else {
      CHECK(way < 6, "way %d does not start", way);
    }
    dit_job_end(job);
    dit_model_close(model);
  }
  CHECK(h.count == 0 && h.wrong == 0, "%d blocks left, %d wrong calls", h.count, h.wrong);
}

/* A job that is cancelled after any unit stops at once. */
static void test_cancel(const dit_model *model) {
  const dit_params p = with_interval(3);
  for (int units = 1; units < 200; units += 13) {
    dit_job *job = NULL;
    dit_progress before = {.struct_size = sizeof before}, after = before;
    CHECK(dit_job_start(model, &p, &job, NULL) == DIT_OK, "dit_job_start");
    for (int i = 0; i < units; i++) dit_job_advance(job, 0, NULL);
    dit_job_progress(job, &before);
    dit_job_cancel(job);
    const dit_status status = dit_job_advance(job, -1, NULL);
    dit_job_progress(job, &after);
    CHECK(before.status == DIT_OK || (status == DIT_CANCELLED && after.units == before.units), "after %d units: %d",
          units, status);
    dit_job_end(job);
  }
}

/* The memory is that of the cache, and the work that of the steps that run the blocks. */
static void test_costs(const dit_model *model) {
  dit_params whole = with_interval(0), twice = with_interval(2);
  size_t without = 0, with = 0;
  dit_job *job[2];
  dit_progress progress[2];
  dit_job_memory(model, &whole, &without, NULL);
  dit_job_memory(model, &twice, &with, NULL);
  const size_t kept = 2 * COUNT * 16 * 48 * sizeof(float); /* passes, pictures, tokens, channels */
  CHECK(with >= without + kept && with < without + kept + 4096, "interval takes %zu bytes more, not %zu",
        with - without, kept);
  for (int i = 0; i < 2; i++) {
    progress[i].struct_size = sizeof progress[i];
    CHECK(dit_job_start(model, i ? &twice : &whole, &job[i], NULL) == DIT_OK, "dit_job_start");
    dit_job_progress(job[i], &progress[i]);
    dit_job_end(job[i]);
  }
  CHECK(progress[1].units_total < progress[0].units_total, "interval 2 takes %d units of %d",
        (int)progress[1].units_total, (int)progress[0].units_total);
}

static void test_values(const dit_model *model) {
  static const int32_t bad[] = {-1, 1001, INT32_MIN, INT32_MAX};
  dit_params p = with_interval(0), out = p;
  dit_error error = {0};
  CHECK(dit_params_resolve(model, &p, &out, NULL) == DIT_OK && out.cache_interval == 1, "0 becomes %d",
        out.cache_interval);
  for (int i = 0; i < 4; i++) {
    p.cache_interval = bad[i];
    CHECK(dit_params_resolve(model, &p, &out, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "cache_interval"),
          "%d: %s", bad[i], error.message);
  }
  p.cache_interval = 0;
  p.reserved3 = 1;
  CHECK(dit_params_resolve(model, &p, &out, &error) == DIT_ERROR_ARGUMENT, "reserved3 is not looked at");
}

int main(void) {
  char path[512];
  static uint8_t pictures[12][COUNT * PICTURE];
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  const int made = synthetic_file(synthetic_path(path, sizeof path, "interval"),
                                  "dit:hidden=48,depth=2,heads=2,patch=2,latent=8,in=4,classes=6",
                                  "vae:blocks=8+16,layers=1,groups=4,in=4,out=4,latent=4", DIT_TYPE_F32);
  bytes = CHECK(made, "no file") ? npy_load(path, &size) : NULL;
  remove(path);
  dit_model *model = bytes ? open_with(&options) : NULL;
  if (!model) return test_end("test_block_cache");
  for (int32_t interval = 0; interval < 12; interval++) {
    const dit_params p = with_interval(interval);
    generate(model, &p, pictures[interval]);
    test_alone(model, interval, pictures[interval]);
    if (interval % 3 == 2) test_ways(interval, pictures[interval]);
    /* From 7 on, the blocks run at the first step and at the first guided one only. */
    for (int32_t other = 0; other < interval; other++)
      if (interval > 7 && other > 6)
        CHECK(!memcmp(pictures[interval], pictures[other], PICTURE), "interval %d and %d make different pictures",
              interval, other);
      else if (interval > 1 && other < 5)
        CHECK(memcmp(pictures[interval], pictures[other], PICTURE) != 0, "interval %d and %d make the same pictures",
              interval, other);
    CHECK(interval != 1 || !memcmp(pictures[0], pictures[1], sizeof pictures[0]), "interval 0 and 1 differ");
  }
  test_cancel(model);
  test_costs(model);
  test_values(model);
  dit_model_close(model);
  free(bytes);
  return test_end("test_block_cache");
}
