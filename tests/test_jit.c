/* JiT, which draws pixels: from checkpoint to predictions, pictures and bytes, against the golden vectors (the published
 * program in float64).
 *
 * It fails if class tokens join at another block, if the rotation, the bottleneck or a norm is wrong, if x0 becomes a
 * velocity in another way, or if guidance acts outside of its interval. */
#include <math.h>

#include "tests/family.h"
#include "tests/marks.h"

typedef struct sample {
  const char *model, *name;
  int32_t sampler, steps;
  float guidance_scale;
} sample;

static const sample samples[] = {{"tiny", "tiny_one_step", DIT_SAMPLER_EULER, 1, 3},
                                 {"tiny", "tiny_euler_4", DIT_SAMPLER_EULER, 4, 3},
                                 {"tiny", "tiny_heun_3", DIT_SAMPLER_HEUN, 3, 2.4f},
                                 {"tiny", "tiny_euler_24", DIT_SAMPLER_EULER, 24, 2.2f},
                                 {"wide", "wide_one_step", DIT_SAMPLER_EULER, 1, 2.4f}};

static double relative_l2(const float *x, const double *truth, int64_t count) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (x[i] - truth[i]) * (x[i] - truth[i]);
    size += truth[i] * truth[i];
  }
  return sqrt(error / size);
}

static float *floats(const char *name, const char *part, npy_shape *shape) {
  double *from = family_array("jit", name, part, shape);
  float *to = (float *)calloc((size_t)(from ? shape->count : 1), sizeof(float));
  for (int64_t i = 0; from && i < shape->count; i++) to[i] = (float)from[i];
  free(from);
  return to;
}

static int32_t *classes(const dit_model *model, const char *name) {
  npy_shape shape = {0};
  dit_info info = {.struct_size = sizeof info};
  double *from = family_array("jit", name, "y", &shape);
  int32_t *to = (int32_t *)calloc((size_t)shape.count + 1, sizeof(int32_t));
  dit_model_info(model, &info);
  for (int64_t i = 0; from && i < shape.count; i++)
    to[i] = (int32_t)from[i] == info.null_class ? DIT_NO_CLASS : (int32_t)from[i];
  free(from);
  return to;
}

static void run_forward(const dit_model *model, const char *geometry) {
  char name[32];
  npy_shape shape = {0}, unused;
  dit_error error = {0};
  snprintf(name, sizeof name, "%s_forward", geometry);
  float *x = floats(name, "x", &shape), *t = floats(name, "t_network", &unused);
  double *truth = family_array("jit", name, "out", &unused);
  int32_t *y = classes(model, name);
  float *out = (float *)malloc((size_t)shape.count * sizeof(float));
  const dit_forward_params params = {.struct_size = sizeof params,
                                     .count = (int32_t)shape.size[0],
                                     .height = (int32_t)shape.size[2],
                                     .width = (int32_t)shape.size[3],
                                     .latent = x,
                                     .timesteps = t,
                                     .classes = y};
  const dit_status status = dit_forward(model, &params, out, &error);
  const double off = status || !truth ? 1 : relative_l2(out, truth, shape.count);
  printf("  %-16s %.2e\n", name, off);
  CHECK(off <= MARK_TRANSFORMER, "%s: relative L2 error %.3e %s", name, off, error.message);
  free(x);
  free(t);
  free(y);
  free(out);
  free(truth);
}

/* The picture in numbers, and in bytes, where two neighbours may be half a grey level away. */
static void run_sample(const dit_model *model, const sample *s) {
  npy_shape shape = {0}, unused;
  dit_error error = {0};
  float *noise = floats(s->name, "noise", &shape);
  double *truth = family_array("jit", s->name, "image", &unused),
         *bytes = family_array("jit", s->name, "bytes", &unused);
  int32_t *y = classes(model, s->name);
  const int32_t count = (int32_t)shape.size[0], height = (int32_t)shape.size[2], width = (int32_t)shape.size[3];
  const dit_params params = {.struct_size = sizeof params,
                             .count = count,
                             .classes = y,
                             .noise = noise,
                             .width = width,
                             .height = height,
                             .steps = s->steps,
                             .sampler = s->sampler,
                             .guidance_scale = s->guidance_scale};
  float *out = (float *)malloc((size_t)shape.count * sizeof(float));
  uint8_t *pixels = (uint8_t *)malloc((size_t)shape.count);
  dit_job *job = NULL;
  int64_t wrong = 0;
  dit_status status = dit_job_start(model, &params, &job, &error);
  while (!status && (status = dit_job_advance(job, -1, &error)) == DIT_MORE) continue;
  for (int32_t i = 0; !status && i < count; i++) {
    const int64_t at = i * shape.count / count;
    status = dit_job_latent(job, i, out + at, &error);
    if (!status) status = dit_job_pixels(job, i, DIT_PIXELS_RGB, pixels + at, 0, &error);
  }
  dit_job_end(job);
  for (int64_t i = 0; !status && bytes && i < shape.count; i++) wrong += fabs(pixels[i] - bytes[i]) > 0;
  const double off = status || !truth ? 1 : relative_l2(out, truth, shape.count);
  printf("  %-16s %.2e, %d of %d bytes differ\n", s->name, off, (int)wrong, (int)shape.count);
  CHECK(off <= (s->steps > 1 ? MARK_GUIDED : MARK_TRANSFORMER), "%s: relative L2 error %.3e %s", s->name, off,
        error.message);
  CHECK((double)wrong <= MARK_PIXELS * (double)shape.count, "%s: %d bytes differ", s->name, (int)wrong);
  free(noise);
  free(truth);
  free(bytes);
  free(y);
  free(out);
  free(pixels);
}

static void run_model(const json_value *geometry) {
  char path[512];
  convert_options options;
  memset(&options, 0, sizeof options);
  options.type = DIT_TYPE_F32;
  options.guidance = -1;
  options.null_class = NULL_CLASS_LAST_ROW;
  options.hints.heads = family_number(geometry, "heads", 0);
  options.hints.context_block = family_number(geometry, "context_start", 0) + 1;
  const int made = family_checkpoint("jit", geometry->key, synthetic_path(path, sizeof path, "jit"));
  dit_model *model = made ? family_open(path, &options) : NULL;
  remove(path);
  if (!model) return;
  run_forward(model, geometry->key);
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
    if (!strcmp(samples[i].model, geometry->key)) run_sample(model, &samples[i]);
  dit_model_close(model);
}

int main(void) {
  json_value *manifest = family_manifest("jit");
  for (const json_value *g = manifest ? json_member(manifest, "models")->child : NULL; g; g = g->next) run_model(g);
  json_free(manifest);
  return test_end("test_jit");
}
