/* VA-VAE, the autoencoder with attention after each resnet of its lowest level: from checkpoint to latents and pictures,
 * against the golden vectors (the published program in float64); and latents that are brought to mean 0 and deviation 1.
 *
 * It fails if attention is left out or comes at another level, if what training left in the checkpoint gets in the way, or
 * if statistics are applied to one side of the latent alone. */
#include <math.h>

#include "tests/family.h"
#include "tests/marks.h"
#include "weights/convert/read/open.h"

enum { MAX_LATENT = 8 };

/* Statistics unlike each other, and unlike 0 and 1. */
static void make_statistics(int32_t channels, float *mean, float *std) {
  for (int32_t c = 0; c < channels; c++) {
    mean[c] = 0.3f * (float)c - 1;
    std[c] = 0.5f + 0.25f * (float)c;
  }
}

static int write_statistics(const char *path, int32_t channels, const float *mean, const float *std) {
  char header[256];
  const int length = snprintf(header, sizeof header,
                              "{\"mean\":{\"dtype\":\"F32\",\"shape\":[1,%d,1,1],\"data_offsets\":[0,%d]},"
                              "\"std\":{\"dtype\":\"F32\",\"shape\":[1,%d,1,1],\"data_offsets\":[%d,%d]}}",
                              channels, 4 * channels, channels, 4 * channels, 8 * channels);
  const uint64_t size = (uint64_t)length;
  FILE *to = fopen(path, "wb");
  if (!to) return 0;
  fwrite(&size, sizeof size, 1, to); /* as the format has it on little-endian machines */
  fwrite(header, 1, (size_t)length, to);
  fwrite(mean, sizeof(float), (size_t)channels, to);
  fwrite(std, sizeof(float), (size_t)channels, to);
  return fclose(to) == 0;
}

/* How far x is from truth: in relative L2, or (logarithms) at most. */
static double distance(const float *x, const double *truth, int64_t count, int logarithms) {
  double error = 0, size = 0, most = 0;
  for (int64_t i = 0; i < count; i++) {
    const double off = x[i] - truth[i];
    error += off * off;
    size += truth[i] * truth[i];
    if (!(fabs(off) <= most)) most = fabs(off);
  }
  return logarithms ? most : sqrt(error / size);
}

/* An array of a case. A latent [count][channels][pixels] is brought to (x - mean) / std if there are statistics, the
 * logarithm of its variance by the same. */
static double *latent_array(const char *name, const char *part, int normalised, npy_shape *shape) {
  float mean[MAX_LATENT], std[MAX_LATENT];
  double *x = family_array("vavae", name, part, shape);
  if (!x || !normalised) return x;
  const int64_t channels = shape->size[1], pixels = shape->size[2] * shape->size[3];
  make_statistics((int32_t)channels, mean, std);
  for (int64_t i = 0; i < shape->count; i++) {
    const int64_t c = i / pixels % channels;
    x[i] = strcmp(part, "logvar") ? (x[i] - mean[c]) / std[c] : x[i] - 2 * log(std[c]);
  }
  return x;
}

static float *to_floats(double *from, const npy_shape *shape) {
  float *to = (float *)calloc((size_t)shape->count + 1, sizeof(float));
  for (int64_t i = 0; from && i < shape->count; i++) to[i] = (float)from[i];
  free(from);
  return to;
}

static void run_decode(const dit_model *model, const char *name, int normalised) {
  npy_shape from = {0}, to = {0};
  dit_error error = {0};
  float *z = to_floats(latent_array(name, "z", normalised, &from), &from);
  double *truth = family_array("vavae", name, "decoded", &to);
  float *image = (float *)calloc((size_t)to.count + 1, sizeof(float));
  const dit_status status =
      dit_vae_decode(model, (int32_t)from.size[0], (int32_t)from.size[2], (int32_t)from.size[3], z, image, &error);
  const double off = truth ? distance(image, truth, to.count, 0) : 1;
  printf("  %-10s decoded %.2e%s\n", name, off, normalised ? ", from mean 0 and deviation 1" : "");
  CHECK(status == DIT_OK && off <= MARK_AUTOENCODER, "%s: relative L2 error %.3e %s", name, off, error.message);
  free(z);
  free(truth);
  free(image);
}

static void run_encode(const dit_model *model, const char *name, int normalised) {
  npy_shape from = {0}, to = {0};
  dit_error error = {0};
  float *x = to_floats(family_array("vavae", name, "x", &from), &from);
  double *mean_truth = latent_array(name, "mean", normalised, &to),
         *logvar_truth = latent_array(name, "logvar", normalised, &to);
  float *mean = (float *)calloc((size_t)to.count + 1, sizeof(float)),
        *logvar = (float *)calloc((size_t)to.count + 1, sizeof(float));
  const dit_status status = dit_vae_encode(model, (int32_t)from.size[0], (int32_t)from.size[2], (int32_t)from.size[3],
                                           x, mean, logvar, &error);
  const double mean_off = mean_truth ? distance(mean, mean_truth, to.count, 0) : 1,
               logvar_off = logvar_truth ? distance(logvar, logvar_truth, to.count, 1) : 1;
  printf("  %-10s encoded %.2e, logarithms %.2e\n", name, mean_off, logvar_off);
  CHECK(status == DIT_OK && mean_off <= MARK_AUTOENCODER, "%s: mean: relative L2 error %.3e %s", name, mean_off,
        error.message);
  CHECK(logvar_off <= MARK_LOGVAR, "%s: logvar: error %.3e", name, logvar_off);
  free(x);
  free(mean);
  free(logvar);
  free(mean_truth);
  free(logvar_truth);
}

/* Converts the checkpoint of a case; with statistics if normalised. */
static void run_case(const char *name, const char *file, int32_t channels, int normalised) {
  char checkpoint_path[512], golden[96], path[512];
  float mean[MAX_LATENT], std[MAX_LATENT];
  checkpoint *statistics = NULL;
  dit_error error = {0};
  convert_options options;
  memset(&options, 0, sizeof options);
  options.type = DIT_TYPE_F32;
  options.guidance = -1;
  if (normalised) {
    make_statistics(channels, mean, std);
    const int made = write_statistics(synthetic_path(path, sizeof path, "statistics"), channels, mean, std);
    const dit_status status = made ? checkpoint_open(path, NULL, &statistics, &error) : DIT_ERROR_IO;
    if (!CHECK(status == DIT_OK, "%s: %s", path, error.message)) return;
    options.hints.statistics = statistics;
  }
  snprintf(golden, sizeof golden, "family/vavae/%s", file);
  dit_model *model = family_open(npy_golden(checkpoint_path, sizeof checkpoint_path, golden), &options);
  if (model) {
    run_decode(model, name, normalised);
    run_encode(model, name, normalised);
  }
  dit_model_close(model);
  checkpoint_close(statistics);
  if (normalised) remove(path);
}

/* ---- What is no statistics of these latents ---- */

static void refuse(const char *what, int32_t channels, float std, const char *says) {
  char path[512], golden[512], note[256], report[64];
  float mean[MAX_LATENT + 1] = {0}, deviations[MAX_LATENT + 1];
  inputs in;
  model_content content;
  infer_hints hints;
  const input *found = NULL;
  dit_error error = {0};
  memset(&in, 0, sizeof in);
  memset(&content, 0, sizeof content);
  memset(&hints, 0, sizeof hints);
  for (int32_t c = 0; c < channels; c++) deviations[c] = c == 2 ? std : 1;
  write_statistics(synthetic_path(path, sizeof path, "statistics"), channels, mean, deviations);
  dit_status status = inputs_add(&in, path, 0, NULL, &error);
  CHECK(status == DIT_OK && in.list[0].kind == INPUT_STATISTICS, "%s", error.message);
  CHECK(inputs_statistics(&in, &found, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "give its file, too"),
        "without an autoencoder: %s", error.message);
  status = inputs_add(&in, npy_golden(golden, sizeof golden, "family/vavae/vavae_a.pt"), 0, NULL, &error);
  if (!status) status = inputs_statistics(&in, &found, &error);
  CHECK(status == DIT_OK && found == &in.list[0], "%s", error.message);
  if (found) hints.statistics = found->s;
  if (!status)
    status = content_add_checkpoint(&content, in.list[1].s, NETWORK_AUTOENCODER, &hints, note, sizeof note, report,
                                    sizeof report, &error);
  CHECK(status == DIT_ERROR_FORMAT && strstr(error.message, says), "%s: '%s'", what, error.message);
  status = inputs_add(&in, path, 0, NULL, &error);
  CHECK(!status && inputs_statistics(&in, &found, &error) == DIT_ERROR_ARGUMENT && strstr(error.message, "a second"),
        "two of them: %s", error.message);
  content_free(&content);
  inputs_free(&in);
  remove(path);
}

static void refusals(void) {
  refuse("another number of channels", 6, 1, "tensor mean: has 6 numbers, but the autoencoder's latents 8 channels");
  refuse("no deviation", 8, 0, "tensor std: number 2 is 0");
  refuse("a negative deviation", 8, -1, "tensor std: number 2 is -1");
  refuse("no number", 8, NAN, "tensor std: number 2 is");
}

int main(void) {
  refusals();
  for (int normalised = 0; normalised < 2; normalised++) {
    run_case("vae_a_4x4", "vavae_a.pt", 8, normalised);
    run_case("vae_a_5x6", "vavae_a.pt", 8, normalised);
    run_case("vae_b_4x3", "vavae_b.pt", 6, normalised);
  }
  return test_end("test_vavae");
}
