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

/* ---- Starting from a picture: there is no encoder, the picture is what is sampled ---- */

static int draw(const dit_model *model, const dit_params *params, uint8_t *pixels, size_t size) {
  dit_error error = {0};
  return CHECK(dit_generate(model, params, DIT_PIXELS_RGB, pixels, size, &error) == DIT_OK, "%s", error.message);
}

/* The last of ten steps alone ends at what the network makes of 0.9 parts of the picture and 0.1 parts of noise. */
static void run_last_step(const dit_model *model, dit_params params, size_t area, uint8_t *out) {
  const size_t size = 3 * area;
  float *noise = (float *)malloc(size * sizeof(float)), *x = (float *)malloc(size * sizeof(float)),
        *x0 = (float *)malloc(size * sizeof(float));
  const float t = 0.9f;
  const dit_forward_params forward = {.struct_size = sizeof forward,
                                      .count = 1,
                                      .height = params.height,
                                      .width = params.width,
                                      .latent = x,
                                      .timesteps = &t,
                                      .classes = params.classes};
  dit_error error = {0};
  size_t wrong = 0;
  for (size_t i = 0; i < size; i++) {
    const size_t pixel = i % area * 3 + i / area;
    noise[i] = sinf((float)i);
    x[i] = 0.9f * ((float)params.init_image[pixel] / 127.5f - 1) + 0.1f * noise[i];
  }
  params.noise = noise;
  params.strength = 0.1f;
  CHECK(dit_forward(model, &forward, x0, &error) == DIT_OK, "%s", error.message);
  if (draw(model, &params, out, size))
    for (size_t i = 0; i < size; i++) {
      const double value = floor(127.5 * (double)x0[i] + 128), byte = value < 0 ? 0 : value > 255 ? 255 : value;
      wrong += out[i % area * 3 + i / area] != (uint8_t)byte;
    }
  printf("  from a picture, the last step: %d of %d bytes differ\n", (int)wrong, (int)size);
  CHECK((double)wrong <= MARK_PIXELS * (double)size, "%d bytes differ", (int)wrong);
  free(noise);
  free(x);
  free(x0);
}

static void run_init_image(const dit_model *model) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const size_t area = (size_t)info.width * (size_t)info.height, size = 3 * area;
  uint8_t *start = (uint8_t *)malloc(size), *out = (uint8_t *)malloc(size), *mask = (uint8_t *)calloc(area, 1);
  const int32_t class_id = 1;
  dit_params params = {.struct_size = sizeof params,
                       .classes = &class_id,
                       .width = info.width,
                       .height = info.height,
                       .steps = 10,
                       .sampler = DIT_SAMPLER_EULER,
                       .guidance_scale = 1,
                       .init_image = start};
  for (size_t i = 0; i < size; i++) start[i] = (uint8_t)(60 + i * 37 % 128);
  run_last_step(model, params, area, out);
  params.mask = mask;
  if (draw(model, &params, out, size)) CHECK(memcmp(start, out, size) == 0, "a mask that keeps all does not");
  memset(mask, 255, area / 2);
  if (draw(model, &params, out, size)) {
    CHECK(memcmp(start + size / 2, out + size / 2, size - size / 2) == 0, "what the mask keeps has changed");
    CHECK(memcmp(start, out, size / 2) != 0, "what the mask repaints has not");
  }
  free(start);
  free(out);
  free(mask);
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
  run_init_image(model);
  dit_model_close(model);
}

int main(void) {
  json_value *manifest = family_manifest("jit");
  for (const json_value *g = manifest ? json_member(manifest, "models")->child : NULL; g; g = g->next) run_model(g);
  json_free(manifest);
  return test_end("test_jit");
}
