/* How much int8 loses: one pass with q8 weights in int8 against the same weights in f32, for the sprite model, DiT-S/2
 * and, with --full, DiT-XL/2 (synthetic weights), and the sprite model's pictures.
 *
 * It fails if quantising activations or weights, or the finishing formula of int8 products, loses more than MARK_INT8,
 * and if int8 gave just what f32 gives (then it was not int8). That all instruction sets agree is in test_kernels and
 * test_bits. */
#include <math.h>

#include "dit.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/encode.h"
#include "weights/gguf_write.h"
#include "weights/sprites/dit_sprites.h"

/* ---- The sprite model in q8 ---- */

static int is_q8_matrix(const char *name) {
  static const char *const ends[] = {"attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight",
                                     "adaLN_modulation.1.weight"};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    const size_t length = strlen(ends[i]), all = strlen(name);
    if (all >= length && !strcmp(name + all - length, ends[i])) return 1;
  }
  return 0;
}

/* A matrix of f16 as q8: values, then scales. */
static dit_status write_q8(gguf_writer *w, const dit__gguf_tensor *t, dit_error *error) {
  const size_t rows = t->shape[0], columns = t->shape[1];
  float *values = (float *)malloc((size_t)t->count * sizeof(float)), *scales = (float *)malloc(rows * sizeof(float));
  int8_t *q = (int8_t *)malloc((size_t)t->count);
  for (size_t i = 0; i < t->count; i++) {
    const uint16_t half = (uint16_t)(t->data[2 * i] | t->data[2 * i + 1] << 8);
    const double fraction = (half & 1023) / 1024.0;
    const int exponent = half >> 10 & 31;
    const double size = exponent ? ldexp(1 + fraction, exponent - 15) : ldexp(fraction, -14);
    values[i] = (float)(half >> 15 ? -size : size);
  }
  dit_status status = encode_q8(t->name, values, rows, columns, q, scales, error);
  if (!status) status = gguf_writer_data(w, q, (size_t)t->count, error);
  if (!status) status = gguf_writer_data(w, scales, rows * sizeof(float), error);
  free(values);
  free(scales);
  free(q);
  return status;
}

/* Writes sprites.gguf again with the transformer's matrices in q8. */
static dit_status sprites_q8(const char *path, const char *from, dit_error *error) {
  size_t size;
  unsigned char *bytes = npy_load(from, &size);
  dit__gguf *file = NULL;
  gguf_writer *w = NULL;
  dit_status status = bytes ? dit__gguf_open(bytes, size, NULL, &file, error) : DIT_ERROR_IO;
  if (!status) status = gguf_writer_open(path, &w, error);
  if (status) return status;
  const uint8_t *record;
  const char *name;
  size_t length, name_length;
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &name_length, &length)) != NULL; i++)
    if (name_length != 17 || memcmp(name, "general.alignment", 17)) gguf_writer_copy(w, record, length);
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    char scale[80];
    const uint64_t rows[1] = {t->shape[0]};
    snprintf(scale, sizeof scale, "%s.scale", t->name);
    gguf_writer_tensor(w, t->name, is_q8_matrix(t->name) ? DIT__GGUF_I8 : t->type, t->rank, t->shape);
    if (is_q8_matrix(t->name)) gguf_writer_tensor(w, scale, DIT__GGUF_F32, 1, rows);
  }
  status = gguf_writer_begin(w, NULL, error);
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file) && !status; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    if (is_q8_matrix(t->name))
      status = write_q8(w, t, error);
    else
      status = gguf_writer_data(w, t->data, (size_t)t->count * dit__gguf_type_size(t->type), error);
  }
  if (status)
    gguf_writer_abandon(w);
  else
    status = gguf_writer_finish(w, error);
  dit__gguf_close(file, NULL);
  free(bytes);
  return status;
}

/* ---- Comparing ---- */

static dit_model *open_with(const char *path, int32_t compute) {
  const dit_options options = {.struct_size = sizeof options, .compute = compute};
  dit_error error = {0};
  dit_model *model = NULL;
  const dit_status status =
      path ? dit_model_open(path, &options, &model, &error) : dit_sprites_open(&options, &model, &error);
  CHECK(status == DIT_OK, "%s", error.message);
  return model;
}

/* The relative L2 difference of a pass over two samples. */
static double pass_difference(const dit_model *a, const dit_model *b) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(a, &info);
  const int32_t side = info.latent_size;
  const size_t in = 2 * (size_t)info.latent_channels * (size_t)side * (size_t)side, out = in * 2;
  float *x = (float *)malloc(in * sizeof(float)), *y[2];
  const float t[2] = {700, 120};
  const int32_t classes[2] = {1, -1};
  double error = 0, size = 0;
  dit_rng *rng;
  dit_rng_open(0, 5, &rng, NULL);
  dit_rng_normal(rng, (int64_t)in, x);
  dit_rng_close(rng);
  for (int i = 0; i < 2; i++) {
    y[i] = (float *)malloc(out * sizeof(float));
    CHECK(dit_denoise(i ? b : a, 2, side, side, x, t, classes, y[i], NULL) == DIT_OK, "a pass failed");
  }
  for (size_t i = 0; i < out; i++) {
    error += ((double)y[1][i] - y[0][i]) * ((double)y[1][i] - y[0][i]);
    size += (double)y[0][i] * y[0][i];
  }
  free(x);
  free(y[0]);
  free(y[1]);
  return sqrt(error / size);
}

static void compare(const char *name, const char *f32_path, const char *q8_path) {
  dit_model *f32 = open_with(f32_path, 0), *weights = open_with(q8_path, DIT_COMPUTE_F32),
            *int8 = open_with(q8_path, 0);
  if (f32 && weights && int8) {
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(int8, &info);
    CHECK(info.compute == DIT_COMPUTE_INT8, "%s: q8 weights are computed as %d by default", name, info.compute);
    const double rounded = pass_difference(f32, weights), all = pass_difference(f32, int8);
    printf("  %-12s a pass in int8 is %.4f from f32 (%.4f of it from the weights)\n", name, all, rounded);
    CHECK(all <= MARK_INT8, "%s: int8 is %.4f from f32, at most %.2f", name, all, MARK_INT8);
    CHECK(rounded > 0 && all > rounded, "%s: int8 does not differ from f32 as it should", name);
  }
  dit_model_close(f32);
  dit_model_close(weights);
  dit_model_close(int8);
}

static void compare_synthetic(const char *name) {
  char path[2][512];
  const int made = synthetic_file(synthetic_path(path[0], sizeof path[0], "f32"), name, NULL, DIT_TYPE_F32) &&
                   synthetic_file(synthetic_path(path[1], sizeof path[1], "q8"), name, NULL, DIT_TYPE_Q8);
  if (CHECK(made, "%s cannot be written", name)) compare(name, path[0], path[1]);
  remove(path[0]);
  remove(path[1]);
}

int main(int count, char **arguments) {
  char path[512];
  dit_error error = {0};
  const dit_status status =
      sprites_q8(synthetic_path(path, sizeof path, "sprites"), "weights/sprites/sprites.gguf", &error);
  if (CHECK(status == DIT_OK, "sprites in q8: %s", error.message)) compare("sprites", NULL, path);
  remove(path);
  compare_synthetic("S/2:256");
  if (count > 1 && !strcmp(arguments[1], "--full")) compare_synthetic("XL/2:256");
  return test_end("test_int8");
}
