/* The blocks of the paper: in-context conditioning, cross-attention and plain adaLN, from checkpoint to prediction,
 * against the golden vectors (float64, by another program).
 *
 * It fails if a block's formula is wrong, if dit-convert takes a checkpoint for one of another kind, or if float32 loses
 * more than tests/marks.h allows. */
#include <math.h>

#include "tests/family.h"
#include "tests/forward.h"
#include "tests/marks.h"

static double worst;

static double relative_l2(const float *x, const double *truth, int64_t count) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (x[i] - truth[i]) * (x[i] - truth[i]);
    size += truth[i] * truth[i];
  }
  return sqrt(error / size);
}

/* The batch of the official forward_with_cfg: each latent with its class, and then each without; guided in the first
 * `channels` channels. */
static void guide(float *out, int64_t samples, int64_t of_sample, int64_t guided, double scale) {
  for (int64_t s = 0; s < samples; s++)
    for (int64_t i = 0; i < guided; i++) {
      float *with = out + s * of_sample + i, *without = out + (samples + s) * of_sample + i;
      *with = *without = (float)(*without + scale * (*with - *without));
    }
}

static void run_case(dit_model *model, const json_value *geometry, const json_value *test) {
  const char *name = json_member(test, "name")->text;
  const json_value *params = json_member(test, "params"), *cfg = json_member(params, "cfg");
  npy_shape shape, out_shape;
  dit_error error = {0};
  double *x = family_array("paper_blocks", name, "x", &shape), *t = family_array("paper_blocks", name, "t", NULL),
         *y = family_array("paper_blocks", name, "y", NULL),
         *truth = family_array("paper_blocks", name, "out", &out_shape);
  if (x && t && y && truth) {
    const int64_t samples = shape.size[0], batch = samples * (cfg ? 2 : 1), of_sample = shape.count / samples;
    float *latents = (float *)malloc((size_t)(batch * of_sample) * sizeof(float)),
          *timesteps = (float *)malloc((size_t)batch * sizeof(float)),
          *out = (float *)malloc((size_t)out_shape.count * sizeof(float));
    int32_t *classes = (int32_t *)malloc((size_t)batch * sizeof(int32_t));
    for (int64_t i = 0; i < batch * of_sample; i++) latents[i] = (float)x[i % shape.count];
    for (int64_t i = 0; i < batch; i++) {
      const int64_t class_id = (int64_t)y[i % samples];
      timesteps[i] = (float)t[i % samples];
      classes[i] = i >= samples || class_id == family_number(geometry, "classes", 0) ? DIT_NO_CLASS : (int32_t)class_id;
    }
    const dit_status status = forward(model, (int32_t)batch, (int32_t)shape.size[2], (int32_t)shape.size[3], latents,
                                      timesteps, classes, out, &error);
    if (cfg)
      guide(out, samples, out_shape.count / batch, family_number(params, "channels", 0) * shape.size[2] * shape.size[3],
            cfg->number);
    const double off = status ? 1 : relative_l2(out, truth, out_shape.count);
    printf("  %-24s %.2e\n", name, off);
    CHECK(off <= MARK_TRANSFORMER, "%s: relative L2 error %.3e, at most %.0e %s", name, off, MARK_TRANSFORMER,
          error.message);
    worst = fmax(worst, off);
    free(latents);
    free(timesteps);
    free(classes);
    free(out);
  }
  free(x);
  free(t);
  free(y);
  free(truth);
}

static void run_model(const json_value *manifest, const json_value *geometry) {
  char path[512];
  convert_options options;
  memset(&options, 0, sizeof options);
  options.type = DIT_TYPE_F32;
  options.guidance = -1;
  options.null_class = NULL_CLASS_LAST_ROW;
  options.hints.family = "dit";
  options.hints.heads = family_number(geometry, "heads", 0);
  const int made = family_checkpoint("paper_blocks", geometry->key, synthetic_path(path, sizeof path, "blocks"));
  dit_model *model = made ? family_open(path, &options) : NULL;
  remove(path);
  for (const json_value *test = json_member(manifest, "cases")->child; model && test; test = test->next)
    if (!strcmp(json_member(json_member(test, "params"), "model")->text, geometry->key))
      run_case(model, geometry, test);
  dit_model_close(model);
}

/* Opens a model of synthetic weights in which the first `from` became `to`, which is as long; it must be refused. */
static void refused(const char *specification, const char *from, const char *to, const char *words) {
  char path[512];
  size_t size = 0;
  dit_error error = {0};
  dit_model *model = NULL;
  const size_t length = strlen(from);
  if (!synthetic_file(synthetic_path(path, sizeof path, "refused"), specification, NULL, DIT_TYPE_F32)) return;
  unsigned char *bytes = npy_load(path, &size);
  remove(path);
  size_t at = 0;
  while (at + length < size && memcmp(bytes + at, from, length)) at++;
  CHECK(at + length < size, "%s: no %s", specification, from);
  memcpy(bytes + at, to, length);
  const dit_status status = dit_model_open_memory(bytes, size, NULL, &model, &error);
  CHECK(status != DIT_OK && strstr(error.message, words), "%s to %s: %s", from, to, error.message);
  dit_model_close(model);
  free(bytes);
}

static void test_refused(void) {
  const char *adaln = "dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3:adaln";
  const char *flow = "dmf-dit:hidden=16,depth=2,heads=2,patch=2,latent=4,in=4,classes=3";
  refused(adaln, "dit.steps", "dit.stepz", "key dit.stepz");
  refused(adaln, "adaln", "adalm", "key dit.block: 'adalm' is not one of adaln_zero|adaln|in_context|cross_attention");
  refused(flow, "velocity", "velocitz", "key dit.prediction_type");
  refused(flow, "dit.second_time_block", "dit.second_time_blocl", "key dit.second_time_block is missing");
  refused(flow, "dit.path", "dit.patg", "dit.prediction_type: 'velocity' is not supported with dit.path 'diffusion'");
}

int main(void) {
  json_value *manifest = family_manifest("paper_blocks");
  for (const json_value *g = manifest ? json_member(manifest, "models")->child : NULL; g; g = g->next)
    run_model(manifest, g);
  printf("  worst %.2e (at most %.0e)\n", worst, MARK_TRANSFORMER);
  json_free(manifest);
  test_refused();
  return test_end("test_blocks");
}
