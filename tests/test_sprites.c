/* The embedded sprite model against the golden vectors made from its weights in float64 (tests/golden/sprites).
 *
 * It fails if a pass, the autoencoder, or a whole trajectory from given noise (DDIM 20, DDPM 50 and 250 steps) strays
 * from the truth by more than tests/marks.h allows, or if the embedded model is not the file. */
#include <math.h>

#include "tests/forward.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

enum { COUNT = 4, PATHS = 2, LATENT = 8 * 8 * 8, PICTURE = 32 * 32 * 4 };

static double relative_l2(const float *x, const double *truth, int64_t count) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (x[i] - truth[i]) * (x[i] - truth[i]);
    size += truth[i] * truth[i];
  }
  return sqrt(error / size);
}

static const char *golden(char *path, size_t size, const char *name, const char *part) {
  char file[128];
  snprintf(file, sizeof file, "sprites/%s%s%s.npy", name, part ? "_" : "", part ? part : "");
  return npy_golden(path, size, file);
}

static float *floats(const char *name, const char *part) {
  char path[512];
  return npy_f32(golden(path, sizeof path, name, part), NULL);
}

static double *doubles(const char *name, const char *part, int64_t *count) {
  char path[512];
  npy_shape shape = {0, {0}, 0};
  double *out = npy_f64(golden(path, sizeof path, name, part), &shape);
  if (count) *count = shape.count;
  return out;
}

static void compare(const char *what, const float *out, const double *truth, int64_t count, double mark) {
  const double error = relative_l2(out, truth, count);
  printf("  %-16s relative L2 error %.2e, at most %.0e\n", what, error, mark);
  CHECK(error <= mark, "%s: relative L2 error %.3e, at most %.0e", what, error, mark);
}

/* One pass; the null class once by its number and once as -1. */
static void test_pass(const dit_model *model) {
  dit_error error = {0};
  float *x = floats("dit_x", NULL), *t = floats("dit_t", NULL), out[2][COUNT * 2 * LATENT];
  double *y = doubles("dit_y", NULL, NULL), *truth = doubles("dit_out", NULL, NULL);
  if (!CHECK(x && t && y && truth, "the golden arrays of a pass are missing")) return;
  int32_t classes[2][COUNT];
  for (int i = 0; i < COUNT; i++) {
    classes[0][i] = (int32_t)y[i];
    classes[1][i] = (int32_t)y[i] == 16 ? -1 : (int32_t)y[i];
  }
  for (int i = 0; i < 2; i++)
    CHECK(forward(model, COUNT, 8, 8, x, t, classes[i], out[i], &error) == DIT_OK, "dit_forward: %s", error.message);
  compare("dit_forward", out[0], truth, COUNT * 2 * LATENT, MARK_TRANSFORMER);
  CHECK(!memcmp(out[0], out[1], sizeof out[0]), "class 16 and class -1 differ");
  free(x);
  free(t);
  free(y);
  free(truth);
}

static void test_autoencoder(const dit_model *model) {
  dit_error error = {0};
  float *latent = floats("vae_decode_in", NULL), *image = floats("vae_encode_in", NULL);
  double *decoded = doubles("vae_decode_out", NULL, NULL), *mean = doubles("vae_encode_mean", NULL, NULL);
  double *logvar = doubles("vae_encode_logvar", NULL, NULL), most = 0;
  static float pixels[COUNT * PICTURE], means[COUNT * LATENT], logvars[COUNT * LATENT];
  if (!CHECK(latent && image && decoded && mean && logvar, "the golden arrays of the autoencoder are missing")) return;
  CHECK(dit_vae_decode(model, COUNT, 8, 8, latent, pixels, &error) == DIT_OK, "dit_vae_decode: %s", error.message);
  compare("dit_vae_decode", pixels, decoded, COUNT * PICTURE, MARK_AUTOENCODER);
  CHECK(dit_vae_encode(model, COUNT, 32, 32, image, means, logvars, &error) == DIT_OK, "dit_vae_encode: %s",
        error.message);
  compare("dit_vae_encode", means, mean, COUNT * LATENT, MARK_AUTOENCODER);
  for (int i = 0; i < COUNT * LATENT; i++) most = fmax(most, fabs(logvars[i] - logvar[i]));
  printf("  %-16s largest error %.2e, at most %.0e\n", "log-variances", most, MARK_LOGVAR);
  CHECK(most <= MARK_LOGVAR, "log-variances are %.2e off", most);
  free(latent);
  free(image);
  free(decoded);
  free(mean);
  free(logvar);
}

static void test_timesteps(const char *name, const dit_params *params) {
  dit_schedule_row rows[250];
  dit_error error = {0};
  int32_t count = 0;
  int64_t truths = 0;
  double *truth = doubles(name, "timesteps", &truths);
  CHECK(dit_schedule(params, 250, rows, &count, &error) == DIT_OK, "%s: %s", name, error.message);
  int same = truth && truths == count;
  for (int32_t i = 0; same && i < count; i++) same = rows[i].timestep == truth[i];
  CHECK(same, "%s: the timesteps differ from the golden ones", name);
  free(truth);
}

/* Of all values of all pixels and channels, how many are one grey level off; more than one level is too much. */
static void compare_pixels(const char *name, const uint8_t *pixels, const double *truth) {
  int values = 0, worst = 0;
  for (int i = 0; i < PATHS * PICTURE; i++) {
    const int off = abs(pixels[i] - (int)truth[i]);
    values += off != 0;
    worst = off > worst ? off : worst;
  }
  const double share = (double)values / (PATHS * PICTURE);
  printf("  %-16s %d of %d pixel values differ, by %d at most\n", name, values, PATHS * PICTURE, worst);
  CHECK(worst <= 1 && share <= MARK_PIXELS, "%s: %.2e of the pixel values differ, by %d at most", name, share, worst);
}

static void test_trajectory(const dit_model *model, const char *name, int32_t steps, int32_t sampler, int32_t spacing) {
  dit_error error = {0};
  const int noisy = sampler == DIT_SAMPLER_DDPM;
  float *noise = floats(name, "init"), *step_noise = noisy ? floats(name, "noise") : NULL, latents[PATHS * LATENT];
  double *y = doubles("traj_y", NULL, NULL), *latent = doubles(name, "latent", NULL),
         *rgba = doubles(name, "rgba", NULL);
  static uint8_t pixels[PATHS * PICTURE];
  dit_job *job = NULL;
  if (!CHECK(noise && (step_noise || !noisy) && y && latent && rgba, "%s: golden arrays are missing", name)) return;
  int32_t classes[PATHS];
  for (int i = 0; i < PATHS; i++) classes[i] = (int32_t)y[i];
  dit_params params = {
      .struct_size = sizeof params, .count = PATHS, .classes = classes, .noise = noise, .step_noise = step_noise};
  params.steps = steps;
  params.sampler = sampler;
  params.timestep_spacing = spacing;
  params.guidance_scale = 2;
  params.guidance_channels = -1;
  test_timesteps(name, &params);
  CHECK(dit_job_start(model, &params, &job, &error) == DIT_OK, "%s: %s", name, error.message);
  CHECK(dit_job_advance(job, -1, &error) == DIT_OK, "%s: %s", name, error.message);
  for (int i = 0; i < PATHS; i++) {
    dit_job_latent(job, i, latents + i * LATENT, NULL);
    dit_job_pixels(job, i, DIT_PIXELS_RGBA, pixels + i * PICTURE, 0, NULL);
  }
  dit_job_end(job);
  printf("  %-16s relative L2 error of the last latent %.2e\n", name, relative_l2(latents, latent, PATHS * LATENT));
  compare_pixels(name, pixels, rgba);
  free(noise);
  free(step_noise);
  free(y);
  free(latent);
  free(rgba);
}

/* The embedded model is the file beside it, and makes its pictures. */
static void test_embedded(const dit_model *model) {
  dit_model *file;
  dit_error error = {0};
  dit_info ours = {.struct_size = sizeof ours}, theirs = {.struct_size = sizeof theirs};
  const dit_options options = {.struct_size = sizeof options, .compute = DIT_COMPUTE_F32};
  if (!CHECK(dit_model_open("weights/sprites/sprites.gguf", &options, &file, &error) == DIT_OK, "%s", error.message))
    return;
  CHECK(dit_model_info(model, &ours) == DIT_OK && dit_model_info(file, &theirs) == DIT_OK, "dit_model_info");
  CHECK(ours.file_size == theirs.file_size && ours.parameters == theirs.parameters,
        "the embedded model is not the file");
  CHECK(ours.width == 32 && ours.height == 32 && ours.image_channels == 4 && ours.class_count == 16 &&
            ours.label_count == 16 && ours.null_class == 16 && ours.has_preview && ours.has_decoder &&
            ours.has_encoder && ours.vae_scale_factor == 4,
        "the embedded model is another than expected");
  for (int32_t i = 0; i < 16; i++) {
    const char *label = dit_model_class_label(model, i);
    CHECK(label && dit_model_find_class(model, label) == i, "class %d is not found by its name", i);
  }
  const int32_t potion = dit_model_find_class(model, "potion");
  dit_params params = {.struct_size = sizeof params, .classes = &potion, .seed = 7, .steps = 3};
  static uint8_t a[PICTURE], b[PICTURE];
  CHECK(potion >= 0 && dit_generate(model, &params, DIT_PIXELS_RGBA, a, sizeof a, &error) == DIT_OK, "%s",
        error.message);
  CHECK(dit_generate(file, &params, DIT_PIXELS_RGBA, b, sizeof b, &error) == DIT_OK, "%s", error.message);
  CHECK(!memcmp(a, b, sizeof a), "the embedded model and the file make different pictures");
  dit_model_close(file);
}

int main(void) {
  dit_model *model;
  dit_error error = {0};
  /* One thread, since a pass is too small for more to pay; f32, since int8 has rounding of its own (test_int8). */
  dit_options options = {.struct_size = sizeof options, .threads = 1, .compute = DIT_COMPUTE_F32};
  if (CHECK(dit_sprites_open(&options, &model, &error) == DIT_OK, "%s", error.message)) {
    test_pass(model);
    test_autoencoder(model);
    test_trajectory(model, "ddim20", 20, DIT_SAMPLER_DDIM, DIT_SPACING_DDIM);
    test_trajectory(model, "ddpm50", 50, DIT_SAMPLER_DDPM, DIT_SPACING_EVEN);
    test_trajectory(model, "ddpm250", 250, DIT_SAMPLER_DDPM, DIT_SPACING_EVEN);
    test_embedded(model);
    dit_model_close(model);
  }
  return test_end("test_sprites");
}
