/* q4: codes, files and what they cost.
 *
 * It fails if a code stands for another number than docs/q4.md says, if rows are unpacked wrongly, if a file that does
 * not fit together is taken, if a pass in q4 is further from f32 than MARK_Q4 or the tensors of a DiT-XL/2 take more
 * than 430 MB, or if what is known of inputs makes errors larger instead of smaller. */
#include <math.h>

#include "dit.h"
#include "lib/model/q4.h"
#include "tests/forward.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/write/encode_q4.h"

/* ---- Codes ---- */

static void test_values(void) {
  int wrong = 0;
  for (int bits = 4; bits <= 6; bits++)
    for (int codebook = 0; codebook < DIT__Q4_CODEBOOKS; codebook++)
      for (int code = 0; code < 1 << bits; code++) {
        const double u = (2.0 * code + 1) / (1 << bits) - 1, a = codebook / 4.0;
        const int32_t value = dit__q4_value(bits, codebook, code);
        wrong += fabs(value - 127 * ((1 - a) * u + a * u * u * u)) > 0.5 + 1e-9 || value < -127 || value > 127;
        wrong += value != -dit__q4_value(bits, codebook, (1 << bits) - 1 - code);
      }
  CHECK(wrong == 0, "%d codes stand for other numbers", wrong);
  for (int row_format = -128; row_format < 128; row_format++) {
    const int bits = row_format & 15, codebook = row_format >> 4;
    const int good =
        bits == 8 ? codebook == 0 : bits >= 4 && bits <= 6 && codebook >= 0 && codebook < DIT__Q4_CODEBOOKS;
    CHECK(dit__q4_bits((int8_t)row_format) == (good ? bits : 0), "row format %d", row_format);
  }
}

/* Rows of all formats, bit by bit. */
static void test_rows(void) {
  enum { K = 40, ROWS = 13 };
  static uint16_t decode_table[DIT__Q4_TABLE_SIZE];
  static uint8_t codes[ROWS * K];
  int8_t row_formats[ROWS] = {8}, whole[ROWS * K];
  uint32_t row_offsets[ROWS + 1];
  for (int i = 1; i < ROWS; i++) row_formats[i] = dit__q4_row_format(4 + i % 3, i / 3 % 4);
  for (size_t i = 0; i < sizeof codes; i++) codes[i] = (uint8_t)(i * i * 31 >> 2);
  dit__q4_decode_table(decode_table);
  dit__q4_row_offsets(row_formats, ROWS, K, row_offsets);
  CHECK(dit__q4_sum_bits(row_formats, ROWS) * K / 8 == row_offsets[ROWS], "%d bytes of rows", (int)row_offsets[ROWS]);
  const dit__q4 q4 = {row_formats, row_offsets, decode_table};
  const dit__weights w = {codes, NULL, K, DIT__Q4, ROWS, K, 1, &q4};
  dit__q4_rows(&w, 2, ROWS - 2, whole + 2 * K);
  dit__q4_rows(&w, 0, 2, whole);
  int wrong = 0;
  size_t bit = 0;
  for (int row = 0; row < ROWS; row++)
    for (int i = 0; i < K; i++) {
      const int bits = dit__q4_bits(row_formats[row]);
      int code = 0;
      for (int b = 0; b < bits; b++, bit++) code |= (codes[bit / 8] >> bit % 8 & 1) << b;
      wrong += whole[row * K + i] != (bits == 8 ? (int8_t)code : dit__q4_value(bits, row_formats[row] >> 4, code));
    }
  CHECK(wrong == 0, "%d numbers are unpacked wrongly", wrong);
}

/* ---- Rounding ---- */

static double normal(dit_rng *rng) {
  float x;
  dit_rng_normal(rng, 1, &x);
  return (double)x;
}

/* The root mean square of w . x - w' . x over inputs x = mean + noise, with and without knowledge of the mean. */
static void test_rounding(void) {
  enum { K = 256, ROWS = 20, INPUTS = 200 };
  static float values[ROWS * K], scales[ROWS];
  static uint8_t codes[ROWS * K];
  static int8_t row_formats[ROWS], whole[K];
  static uint16_t decode_table[DIT__Q4_TABLE_SIZE];
  static double mean[K], x[K];
  const dit__tensor matrix = {
      .name = "blocks.0.mlp.fc1.weight", .rank = 2, .shape = {ROWS, K, 1, 1}, .part = DIT__PART_FC1};
  const q4_rows rows = {0, ROWS, values, codes, row_formats, scales};
  double error[2] = {0, 0};
  dit_rng *rng;
  q4_encoder *encoder = NULL;
  dit_rng_open(0, 3, &rng, NULL);
  dit__q4_decode_table(decode_table);
  CHECK(q4_encoder_open(&encoder, NULL) == DIT_OK, "q4_encoder_open");
  for (int i = 0; i < ROWS * K; i++) values[i] = (float)normal(rng);
  for (int i = 0; i < K; i++) mean[i] = normal(rng);
  for (int known = 0; known < 2; known++) {
    uint32_t row_offsets[ROWS + 1];
    size_t size = 0;
    q4_inputs in = {K, (float *)calloc(K * Q4_DIRECTIONS, sizeof(float)),
                    (float *)calloc(K * Q4_DIRECTIONS, sizeof(float))};
    double after = 0;
    for (int i = K - 1; i >= 0 && known; i--) { /* one direction, noise of variance 1: see docs/q4.md */
      after += mean[i] * mean[i];
      in.p[i * Q4_DIRECTIONS] = (float)mean[i];
      in.gain[i * Q4_DIRECTIONS] = (float)(mean[i] / (1 + after));
    }
    CHECK(q4_encode(encoder, &matrix, 4, &in, &rows, &size, NULL) == DIT_OK && size == q4_bytes(&matrix, 4),
          "q4_encode: %d bytes", (int)size);
    dit__q4_row_offsets(row_formats, ROWS, K, row_offsets);
    const dit__q4 q4 = {row_formats, row_offsets, decode_table};
    const dit__weights w = {codes, NULL, K, DIT__Q4, ROWS, K, 1, &q4};
    for (int row = 0; row < ROWS; row++) {
      dit__q4_rows(&w, row, 1, whole);
      for (int n = 0; n < INPUTS; n++) {
        double off = 0;
        for (int i = 0; i < K; i++) x[i] = mean[i] + normal(rng);
        for (int i = 0; i < K; i++) off += (values[row * K + i] - (double)whole[i] * (double)scales[row]) * x[i];
        error[known] += off * off;
      }
    }
    q4_inputs_free(&in);
  }
  printf("  the mean of inputs known: %.3f of the error\n", sqrt(error[1] / error[0]));
  CHECK(error[1] < 0.62 * error[0], "errors are answered badly: %.3f of their square", error[1] / error[0]);
  CHECK(error[1] > 0, "no error at all");
  q4_encoder_close(encoder);
  dit_rng_close(rng);
}

/* Rows of numbers that are as small, as large or as odd as they can be. */
static void test_odd_rows(void) {
  enum { K = 64 };
  static const float odd[] = {0,      1e-45f, 1e-39f, 1.18e-38f, 1e-38f, 1e-37f, 1.8e-37f, 1.9e-37f,
                              1e-36f, 1e-20f, 1,      1e20f,     3e38f,  NAN,    INFINITY};
  static float values[K], scales[1];
  static uint8_t codes[K];
  int8_t row_format;
  const dit__tensor matrix = {
      .name = "blocks.0.mlp.fc1.weight", .rank = 2, .shape = {1, K, 1, 1}, .part = DIT__PART_FC1};
  const q4_rows rows = {0, 1, values, codes, &row_format, scales};
  q4_encoder *encoder = NULL;
  CHECK(q4_encoder_open(&encoder, NULL) == DIT_OK, "q4_encoder_open");
  for (size_t n = 0; n < sizeof odd / sizeof *odd; n++)
    for (int at = 0; at < K; at += 21) { /* the first, in between, the last */
      size_t size = 0;
      dit_error error = {0};
      q4_inputs in = {K, (float *)calloc(K * Q4_DIRECTIONS, sizeof(float)),
                      (float *)calloc(K * Q4_DIRECTIONS, sizeof(float))};
      for (int i = 0; i < K; i++) values[i] = isfinite(odd[n]) ? odd[n] * ((float)(i - at) / K) : (float)i;
      values[at] = odd[n];
      const dit_status status = q4_encode(encoder, &matrix, 4, &in, &rows, &size, &error);
      if (isfinite(odd[n]))
        CHECK(status == DIT_OK && size == q4_bytes(&matrix, 4) && scales[0] >= 0 && isfinite(scales[0]),
              "%g: status %d, scale %g: %s", (double)odd[n], (int)status, (double)scales[0], error.message);
      else
        CHECK(status == DIT_ERROR_FORMAT && strstr(error.message, "fc1"), "%g at %d: status %d, '%s'", (double)odd[n],
              at, (int)status, error.message);
      q4_inputs_free(&in);
    }
  q4_encoder_close(encoder);
}

/* ---- Files ---- */

/* What opening a changed copy says; NULL: it opens. */
static const char *refused(const uint8_t *bytes, size_t size) {
  static dit_error error;
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  dit_model *model = NULL;
  const dit_status status = dit_model_open_memory(bytes, size, &options, &model, &error);
  dit_model_close(model);
  CHECK(!status || status == DIT_ERROR_FORMAT, "status %d", status);
  return status ? error.message : NULL;
}

static uint8_t *find(uint8_t *bytes, size_t size, const char *text) {
  const size_t length = strlen(text);
  for (size_t i = 0; i + length <= size; i++)
    if (!memcmp(bytes + i, text, length)) return bytes + i;
  return NULL;
}

/* A changed byte of the file, and what is said of it. */
static void attack(uint8_t *bytes, size_t size, uint8_t *at, uint8_t to, const char *said) {
  if (!CHECK(at != NULL, "%s: nothing to change", said)) return;
  const uint8_t was = *at;
  *at = to;
  const char *message = refused(bytes, size);
  CHECK(message && strstr(message, said), "%s: %s", said, message ? message : "is taken");
  *at = was;
}

static void test_files(void) {
  char path[512];
  size_t size = 0;
  dit_error error = {0};
  dit__gguf *file = NULL;
  if (!CHECK(synthetic_file(synthetic_path(path, sizeof path, "q4"),
                            "dit:hidden=48,depth=2,heads=2,patch=2,latent=8,in=4,classes=6", NULL, DIT_TYPE_Q4),
             "no file"))
    return;
  uint8_t *bytes = npy_load(path, &size);
  remove(path);
  CHECK(refused(bytes, size) == NULL, "%s", refused(bytes, size));
  if (!CHECK(dit__gguf_open(bytes, size, NULL, &file, &error) == DIT_OK, "%s", error.message)) return;
  const char *name = "blocks.1.attn.proj.weight";
  const dit__gguf_tensor *form = dit__gguf_find(file, "blocks.1.attn.proj.weight.form");
  uint8_t *row_formats = bytes + (form->data - bytes);
  attack(bytes, size, row_formats + 5, 7, "known row formats");
  attack(bytes, size, row_formats + 5, 0x48, "known row formats");
  attack(bytes, size, row_formats + 47, 0x85, "known row formats");
  attack(bytes, size, row_formats, 8, "need");                                   /* longer rows */
  attack(bytes, size, row_formats, 4, "need");                                   /* shorter ones */
  attack(bytes, size, find(bytes, size, "proj.weight.form") + 12, 'F', ".form"); /* its name: missing */
  attack(bytes, size, find(bytes, size, "proj.weight.scale") + 12, 'S', ".scale");
  uint8_t *entry = find(bytes, size, name) + strlen(name); /* rank 4, extent 8, type 4 bytes */
  attack(bytes, size, entry + 12, DIT__GGUF_F32, "");
  attack(bytes, size, entry + 4, (uint8_t)(entry[4] - 8), "");
  dit__gguf_close(file, NULL);
  free(bytes);
}

/* ---- Quality and size ---- */

static dit_model *open_with(const char *path, int32_t compute) {
  const dit_options options = {.struct_size = sizeof options, .compute = compute};
  dit_error error = {0};
  dit_model *model = NULL;
  CHECK(dit_model_open(path, &options, &model, &error) == DIT_OK, "%s", error.message);
  return model;
}

/* A pass over two samples. */
static float *pass(dit_model *model) {
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  const int32_t side = info.latent_size;
  const size_t in = 2 * (size_t)info.latent_channels * (size_t)side * (size_t)side;
  const float t[2] = {700, 120};
  const int32_t classes[2] = {info.class_count > 1, -1};
  float *x = (float *)malloc(in * sizeof *x), *y = (float *)malloc(2 * in * sizeof *y);
  dit_rng *rng;
  dit_rng_open(0, 5, &rng, NULL);
  dit_rng_normal(rng, (int64_t)in, x);
  dit_rng_close(rng);
  CHECK(forward(model, 2, side, side, x, t, classes, y, NULL) == DIT_OK, "a pass failed");
  free(x);
  dit_model_close(model);
  return y;
}

static double distance(const float *a, const float *b, size_t count) {
  double error = 0, all = 0;
  for (size_t i = 0; i < count; i++) {
    error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    all += (double)a[i] * (double)a[i];
  }
  return sqrt(error / all);
}

static uint64_t tensor_bytes(const char *path) {
  size_t size = 0;
  uint64_t sum = 0;
  dit__gguf *file = NULL;
  uint8_t *bytes = npy_load(path, &size);
  if (CHECK(bytes && dit__gguf_open(bytes, size, NULL, &file, NULL) == DIT_OK, "%s cannot be read", path))
    for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
      const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
      sum += t->count * dit__gguf_type_size(t->type);
    }
  dit__gguf_close(file, NULL);
  free(bytes);
  return sum;
}

static void compare(const char *spec, size_t numbers, uint64_t most_bytes) {
  char path[2][512];
  if (!CHECK(synthetic_file(synthetic_path(path[0], sizeof path[0], "f16"), spec, NULL, DIT_TYPE_F16) &&
                 synthetic_file(synthetic_path(path[1], sizeof path[1], "q4"), spec, NULL, DIT_TYPE_Q4),
             "%s cannot be written", spec))
    return;
  dit_model *whole = open_with(path[0], 0), *q4 = open_with(path[1], 0), *slow = open_with(path[1], DIT_COMPUTE_F32);
  dit_info info[2] = {{.struct_size = sizeof info[0]}, {.struct_size = sizeof info[1]}};
  dit_model_info(whole, &info[0]);
  dit_model_info(q4, &info[1]);
  CHECK(info[1].weight_type == DIT_TYPE_Q4 && info[1].compute == DIT_COMPUTE_INT8 &&
            info[1].parameters == info[0].parameters,
        "%s: type %d, computed as %d", spec, info[1].weight_type, info[1].compute);
  float *truth = pass(whole), *narrow = pass(q4), *wide = pass(slow);
  const double as_int8 = distance(truth, narrow, numbers), as_f32 = distance(truth, wide, numbers);
  const uint64_t size = tensor_bytes(path[1]);
  printf("  %-9s a pass in q4 is %.4f from f32, computed in f32 %.4f; tensors of %.2f MB\n", spec, as_int8, as_f32,
         (double)size / 1e6);
  CHECK(as_int8 <= MARK_Q4 && as_f32 <= MARK_Q4 && as_f32 > 0, "%s: %.4f and %.4f from f32", spec, as_int8, as_f32);
  CHECK(size <= most_bytes, "%s: %.2f MB", spec, (double)size / 1e6);
  free(truth);
  free(narrow);
  free(wide);
  remove(path[0]);
  remove(path[1]);
}

int main(int count, char **arguments) {
  test_values();
  test_rows();
  test_rounding();
  test_odd_rows();
  test_files();
  compare("S/2:256", 2 * 8 * 32 * 32, 23000000);
  /* One class: then the sampled conditions are all that there are, and errors must not be pushed into others. */
  compare("dit:hidden=192,depth=2,heads=3,patch=2,latent=8,in=4,classes=1", 2 * 8 * 8 * 8, 2000000);
  if (count > 1 && !strcmp(arguments[1], "--full")) compare("XL/2:256", 2 * 8 * 32 * 32, 430000000);
  return test_end("test_q4");
}
