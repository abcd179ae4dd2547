/* What the converter reads (weights/convert/read), against files that PyTorch wrote (tests/golden/torch, with the
 * values as numpy has them) and against safetensors files written by hand.
 * Fails if a tensor is missing, surplus, or has another name, type, shape or bit; if the wrong dict of a training
 * checkpoint is taken; if a view, a shared storage or an unaligned file is read wrong; if a half-precision number is
 * not widened exactly or rounded to nearest even; or if a file or folder of another kind is not refused with a
 * sentence that says what it is. Run from the root of the repository. */
#define _DEFAULT_SOURCE /* mkdtemp */

#include "tests/test.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/core/fp16.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/fp16.h"
#include "weights/convert/read/open.h"
#include "weights/convert/read/safetensors.h"
#include "weights/convert/read/torch.h"

#define GOLDEN "tests/golden/torch/"

/* A whole file, to be freed. `shift` bytes are left free in front of it. */
static uint8_t *read_file(const char *path, size_t shift, size_t *size) {
  FILE *f = fopen(path, "rb");
  *size = 0;
  if (!CHECK(f != NULL, "%s cannot be opened", path)) return NULL;
  fseek(f, 0, SEEK_END);
  long length = ftell(f);
  fseek(f, 0, SEEK_SET);
  uint8_t *bytes = (uint8_t *)malloc(shift + (size_t)length + 1);
  *size = fread(bytes + shift, 1, (size_t)length, f);
  fclose(f);
  return bytes;
}

static uint64_t elements(const checkpoint_tensor *t) {
  uint64_t count = 1;
  for (int i = 0; i < t->rank; i++) count *= t->shape[i];
  return count;
}

/* ---- Files that PyTorch wrote ---- */

/* Compares name, type and shape with a line of NAME.txt. */
static void check_line(const char *file, const checkpoint_tensor *t, const char *line) {
  static const char *const types[] = {"?", "f32", "f16", "bf16", "f64", "?", "?", "e4m3", "e5m2"};
  char expected[300];
  int used = snprintf(expected, sizeof expected, "%s %s", t->name, types[t->type]);
  for (int i = 0; i < t->rank; i++) {
    used += snprintf(expected + used, sizeof expected - (size_t)used, " %llu", (unsigned long long)t->shape[i]);
  }
  CHECK(strcmp(expected, line) == 0, "%s: got '%s', PyTorch has '%s'", file, expected, line);
}

/* All at once, and in pieces of 1, 2, 3 ... elements. */
static void check_values(const char *file, const checkpoint_tensor *t, const uint8_t *little_endian) {
  uint64_t count = elements(t);
  float *values = (float *)malloc((size_t)count * 4 + 4), *expected = (float *)malloc((size_t)count * 4);
  copy_le(expected, little_endian, sizeof(float), (size_t)count);
  checkpoint_read(t, 0, count, values);
  CHECK(memcmp(values, expected, (size_t)count * 4) == 0, "%s: values of %s differ", file, t->name);
  memset(values, 0x55, (size_t)count * 4 + 4);
  for (uint64_t first = 0, part = 1; first < count; first += part++) {
    if (part > count - first) part = count - first;
    checkpoint_read(t, first, part, values + first);
  }
  CHECK(memcmp(values, expected, (size_t)count * 4) == 0, "%s: values of %s differ in pieces", file, t->name);
  uint32_t guard;
  memcpy(&guard, values + count, 4);
  CHECK(guard == 0x55555555, "%s: %s is written beyond its end", file, t->name);
  free(values);
  free(expected);
}

static void check_tensors(const char *name, const checkpoint *s) {
  char path[100], line[300];
  size_t size, at = 0, index = 0;
  snprintf(path, sizeof path, GOLDEN "%s.f32", name);
  uint8_t *values = read_file(path, 0, &size);
  snprintf(path, sizeof path, GOLDEN "%s.txt", name);
  FILE *list = fopen(path, "r");
  while (list && values && fgets(line, sizeof line, list)) {
    line[strcspn(line, "\r\n")] = 0;
    if (!CHECK(index < s->count, "%s: %s is missing", name, line)) break;
    const checkpoint_tensor *t = &s->tensors[index++];
    check_line(name, t, line);
    if (!CHECK(at + elements(t) * 4 <= size, "%s: %s is too large", name, line)) break;
    check_values(name, t, values + at);
    at += (size_t)elements(t) * 4;
  }
  CHECK(list && at == size && index == s->count, "%s: %zu tensors, PyTorch has %zu", name, s->count, index);
  if (list) fclose(list);
  free(values);
}

static void test_torch(void) {
  static const char *const cases[][2] = {
      {"protocol2", "PyTorch zip checkpoint"},
      {"protocol3", "PyTorch zip checkpoint"},
      {"protocol4", "PyTorch zip checkpoint"},
      {"protocol5", "PyTorch zip checkpoint"},
      {"train2", "PyTorch zip checkpoint (ema)"},
      {"train3", "PyTorch zip checkpoint (ema)"},
      {"train4", "PyTorch zip checkpoint (ema)"},
      {"train5", "PyTorch zip checkpoint (ema)"},
      {"kinds", "PyTorch zip checkpoint"},
      {"views", "PyTorch zip checkpoint"},
      {"newer", "PyTorch zip checkpoint"},
      {"smallest", "PyTorch zip checkpoint"},
      {"state_dict", "PyTorch zip checkpoint (state_dict)"},
      {"model", "PyTorch zip checkpoint (model)"},
      {"legacy", "PyTorch checkpoint of before 1.6"},
      {"legacy_views", "PyTorch checkpoint of before 1.6"},
      {"legacy_train2", "PyTorch checkpoint of before 1.6 (ema)"},
      {"legacy_train4", "PyTorch checkpoint of before 1.6 (ema)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[100];
    dit_error error = {0, ""};
    checkpoint *s;
    snprintf(path, sizeof path, GOLDEN "%s.pt", cases[i][0]);
    dit_status status = checkpoint_open(path, NULL, &s, &error);
    if (!CHECK(status == DIT_OK, "%s: %s", path, error.message)) continue;
    CHECK(strcmp(s->kind, cases[i][1]) == 0 && !s->config, "%s: kind is '%s'", path, s->kind);
    check_tensors(cases[i][0], s);
    checkpoint_close(s);
  }
  checkpoint_close(NULL);
}

/* The mapping puts a file where it likes. */
static void test_alignment(void) {
  for (size_t shift = 1; shift < 8; shift++) {
    size_t size;
    uint8_t *bytes = read_file(GOLDEN "kinds.pt", shift, &size);
    checkpoint s;
    memset(&s, 0, sizeof s);
    dit_error error = {0, ""};
    if (CHECK(bytes && torch_list(bytes + shift, size, "kinds", &s, &error) == DIT_OK, "%s", error.message)) {
      check_tensors("kinds", &s);
    }
    for (size_t i = 0; i < s.count; i++) free(s.tensors[i].name);
    free(s.tensors);
    free(bytes);
  }
}

/* ---- Half precision ---- */

/* The value of a 16-bit pattern by its definition. */
static double half_value(unsigned bits, int mantissa_bits, int bias) {
  int exponent = (int)(bits & 0x7fff) >> mantissa_bits, mantissa = (int)bits & ((1 << mantissa_bits) - 1);
  double value = exponent ? ldexp(1.0 + ldexp(mantissa, -mantissa_bits), exponent - bias)
                          : ldexp(mantissa, 1 - bias - mantissa_bits);
  return bits & 0x8000 ? -value : value;
}

/* All patterns, the middle between neighbours (which goes to the even one), and the floats around each middle. */
static void test_half(void) {
  int wrong_half = 0, wrong_bfloat = 0;
  for (unsigned bits = 0; bits < 0x7c00; bits++) {
    float low = (float)half_value(bits, 10, 15), high = (float)half_value(bits + 1, 10, 15), middle = (low + high) / 2;
    unsigned even = bits & 1 ? bits + 1 : bits;
    wrong_half +=
        dit__float_from_half((uint16_t)bits) != low || dit__float_from_half((uint16_t)(bits | 0x8000)) != -low;
    wrong_half += half_from_float(low) != bits || half_from_float(-low) != (bits | 0x8000);
    wrong_half += half_from_float(middle) != even || half_from_float(-middle) != (even | 0x8000);
    wrong_half +=
        half_from_float(nextafterf(middle, 0)) != bits || half_from_float(nextafterf(middle, 1e9f)) != bits + 1;
  }
  for (unsigned bits = 0; bits < 0x7f80; bits++) {
    double low = half_value(bits, 7, 127), high = half_value(bits + 1, 7, 127);
    float middle = (float)(low / 2 + high / 2);
    unsigned even = bits & 1 ? bits + 1 : bits;
    wrong_bfloat += dit__float_from_bfloat((uint16_t)bits) != (float)low;
    wrong_bfloat += bfloat_from_float((float)low) != bits || bfloat_from_float((float)-low) != (bits | 0x8000);
    wrong_bfloat += bfloat_from_float(middle) != even || bfloat_from_float(-middle) != (even | 0x8000);
    wrong_bfloat += bfloat_from_float(nextafterf(middle, 0)) != bits;
    wrong_bfloat += bfloat_from_float(nextafterf(middle, INFINITY)) != bits + 1;
  }
  CHECK(wrong_half == 0, "%d binary16 conversions are wrong", wrong_half);
  CHECK(wrong_bfloat == 0, "%d bfloat16 conversions are wrong", wrong_bfloat);
  CHECK(
      isinf(dit__float_from_half(0x7c00)) && dit__float_from_half(0xfc00) < 0 && isinf(dit__float_from_bfloat(0xff80)),
      "infinities");
  CHECK(half_from_float(INFINITY) == 0x7c00 && half_from_float(-3.4e38f) == 0xfc00, "beyond the largest half");
  CHECK(bfloat_from_float(INFINITY) == 0x7f80 && bfloat_from_float(-3.4e38f) == 0xff80, "beyond the largest bfloat");
  CHECK(isnan(dit__float_from_half(0x7c01)) && isnan(dit__float_from_half(half_from_float(NAN))), "NaN as a half");
  CHECK(isnan(dit__float_from_bfloat(0x7f81)) && isnan(dit__float_from_bfloat(bfloat_from_float(NAN))),
        "NaN as a bfloat");
}

/* Conversions in blocks give what single ones give, for every half and the floats around its rounding. */
static void test_half_blocks(void) {
  int wrong = 0;
  for (unsigned first = 0; first < 0x10000; first += HALF_BLOCK) {
    uint16_t bits[HALF_BLOCK], back[HALF_BLOCK];
    float values[HALF_BLOCK], moved[HALF_BLOCK];
    for (unsigned i = 0; i < HALF_BLOCK; i++) bits[i] = (uint16_t)(first + i);
    half_block_to_float(bits, values);
    for (int i = 0; i < HALF_BLOCK; i++) {
      float one = dit__float_from_half(bits[i]);
      wrong += memcmp(&one, &values[i], 4) != 0;
    }
    if ((first & 0x7c00) == 0x7c00) continue; /* infinities and NaN do not go back */
    for (int step = -2; step <= 2; step++) {
      for (int i = 0; i < HALF_BLOCK; i++) {
        float low = dit__float_from_half(bits[i]), high = dit__float_from_half((uint16_t)(bits[i] + 1));
        float middle = isfinite(high) ? (low + high) / 2 : low < 0 ? -65520.0f : 65520.0f;
        moved[i] = step == -2 ? low : step == 2 ? low * 1.5f : step ? nextafterf(middle, step * 1e9f) : middle;
      }
      half_block_from_float(moved, back);
      for (int i = 0; i < HALF_BLOCK; i++) wrong += back[i] != half_from_float(moved[i]);
      bfloat_block_from_float(moved, back);
      for (int i = 0; i < HALF_BLOCK; i++) wrong += back[i] != bfloat_from_float(moved[i]);
      float most = 0;
      for (int i = 0; i < HALF_BLOCK; i++) most = fmaxf(most, fabsf(moved[i]));
      wrong += half_block_max(moved) != most;
    }
  }
  CHECK(wrong == 0, "%d conversions in blocks are wrong", wrong);
}

/* ---- safetensors ---- */

/* A file of exactly its size on the heap: header length, header, `data_size` bytes 0, 1, 2 ... */
static uint8_t *make_safetensors(const char *header, size_t data_size, size_t *size) {
  size_t length = strlen(header);
  *size = 8 + length + data_size;
  uint8_t *bytes = (uint8_t *)malloc(*size);
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
  memcpy(bytes + 8, header, length);
  for (size_t i = 0; i < data_size; i++) bytes[8 + length + i] = (uint8_t)i;
  return bytes;
}

/* Lists the bytes; their tensors are read whole. 1 if that went well. */
static int list_safetensors(const uint8_t *bytes, size_t size, dit_error *error, size_t *count) {
  checkpoint s;
  memset(&s, 0, sizeof s);
  memset(error, 0, sizeof *error);
  dit_status status = safetensors_list(bytes, size, "file", &s, error);
  for (size_t i = 0; i < s.count; i++) {
    uint64_t n = status ? 0 : elements(&s.tensors[i]);
    float *values = n < 1000 ? (float *)malloc((size_t)n * 4 + 4) : NULL;
    if (!status && CHECK(values != NULL, "%s of %llu elements", s.tensors[i].name, (unsigned long long)n)) {
      checkpoint_read(&s.tensors[i], 0, n, values);
    }
    free(values);
    free(s.tensors[i].name);
  }
  free(s.tensors);
  *count = s.count;
  CHECK(status == error->status && (status == DIT_OK) == (error->message[0] == 0), "status %d, message '%s'", status,
        error->message);
  return status == DIT_OK;
}

static void test_safetensors_values(void) {
  size_t size;
  uint8_t *bytes = make_safetensors(
      "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[14,22]},\"__metadata__\":{\"format\":\"pt\"},"
      "\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},\"e\":{\"dtype\":\"F16\",\"shape\":[0,9],"
      "\"data_offsets\":[8,8]},\"h\":{\"data_offsets\":[8,10],\"shape\":[1],\"dtype\":\"F16\"},"
      "\"bf\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[10,14]},"
      "\"n\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[22,30]},"
      "\"e4\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[30,32]},"
      "\"e5\":{\"dtype\":\"F8_E5M2\",\"shape\":[1],\"data_offsets\":[32,33]}}   ",
      33, &size);
  checkpoint s;
  memset(&s, 0, sizeof s);
  dit_error error = {0, ""};
  float v[2];
  if (CHECK(safetensors_list(bytes, size, "file", &s, &error) == DIT_OK && s.count == 7, "%s", error.message)) {
    const checkpoint_tensor *t = s.tensors;
    CHECK(strcmp(t[0].name, "b") == 0 && t[0].type == CHECKPOINT_F32 && t[0].rank == 2 && t[0].shape[0] == 2, "b");
    checkpoint_read(&t[0], 0, 2, v);
    CHECK(v[0] == 0x1.201e1cp-93f && v[1] == 0x1.282624p-85f, "b is %a %a", v[0],
          v[1]); /* bytes 0e 0f 10 11, 12 .. 15 */
    CHECK(t[1].type == CHECKPOINT_F64 && t[1].rank == 0, "a");
    checkpoint_read(&t[1], 0, 1, v);
    CHECK(v[0] == 0, "a is %a", v[0]); /* 7.95e-275 is less than any float */
    CHECK(t[2].type == CHECKPOINT_F16 && elements(&t[2]) == 0, "e");
    checkpoint_read(&t[3], 0, 1, v);
    CHECK(v[0] == 0x1.42p-13f, "h is %a", v[0]); /* 0908 */
    checkpoint_read(&t[4], 0, 2, v);
    CHECK(t[4].type == CHECKPOINT_BF16 && v[0] == 0x1.14p-105f && v[1] == 0x1.18p-101f, "bf is %a %a", v[0],
          v[1]); /* 0b0a, 0d0c */
    checkpoint_read(&t[5], 0, 2, v);
    CHECK(t[5].type == CHECKPOINT_E4M3 && v[0] == 0x1.cp-4f && v[1] == 0x1.ep-4f, "e4 is %a %a", v[0],
          v[1]); /* 1e 1f */
    checkpoint_read(&t[6], 0, 1, v);
    CHECK(t[6].type == CHECKPOINT_E5M2 && v[0] == 0x1p-7f, "e5 is %a", v[0]); /* 20 */
  }
  for (size_t i = 0; i < s.count; i++) free(s.tensors[i].name);
  free(s.tensors);
  free(bytes);
}

#define F32(name, shape, offsets) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_safetensors_refused(void) {
  static const struct {
    const char *header;
    size_t data;
    const char *fragment;
  } cases[] = {
      {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[2,6]") "}", 6, "'b' overlaps"},
      {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[0,4]") "}", 4, "overlaps"},
      {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[5,9]") "}", 9, "'b' follows a hole"},
      {"{" F32("a", "[1]", "[4,8]") "}", 8, "'a' follows a hole"},
      {"{" F32("a", "[1]", "[0,4]") "}", 7, "3 bytes at its end"},
      {"{" F32("a", "[1]", "[0,4]") "}", 3, "'a' ends outside"},
      {"{" F32("a", "[1]", "[0,4]") "," F32("a", "[1]", "[4,8]") "}", 8, "twice"},
      {"{" F32("a", "[2]", "[0,4]") "}", 4, "do not fit its shape"},
      {"{" F32("a", "[1]", "[4,0]") "}", 4, "malformed data_offsets"},
      {"{" F32("a", "[1]", "[-4,0]") "}", 4, "malformed data_offsets"},
      {"{" F32("a", "[1]", "[0,4,8]") "}", 4, "malformed data_offsets"},
      {"{" F32("a", "[1]", "[0.5,4]") "}", 4, "malformed data_offsets"},
      {"{" F32("a", "[1]", "[18446744073709551612,0]") "}", 4, "malformed data_offsets"},
      {"{" F32("a", "[1]", "[0,9223372036854775807]") "}", 4, "ends outside"},
      {"{" F32("a", "[4294967296,4294967296]", "[0,0]") "}", 0, "impossible shape"},
      {"{" F32("a", "[4611686018427387905]", "[0,4]") "}", 4, "impossible shape"},
      {"{" F32("a", "[4294967296,4294967296,0]", "[0,0]") "}", 0, "impossible shape"},
      {"{" F32("a", "[-1]", "[0,4]") "}", 4, "impossible shape"},
      {"{" F32("a", "[1.5]", "[0,4]") "}", 4, "impossible shape"},
      {"{" F32("a", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "impossible shape"},
      {"{" F32("a", "1", "[0,4]") "}", 4, "impossible shape"},
      {"{\"a\":{\"dtype\":\"F8_E8M0\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "'a' has dtype F8_E8M0"},
      {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype nothing"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype nothing"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape"},
      {"{\"a\":[]}", 0, "not described by an object"},
      {"{" F32("", "[1]", "[0,4]") "}", 4, "no printable name"},
      {"{" F32("a\\u001b[2J", "[1]", "[0,4]") "}", 4, "'a?[2J' has no printable name"},
      {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "no floating-point tensor"},
      {"{}", 0, "no floating-point tensor"},
      {"{" F32("a", "[1]", "[0,4]") ",}", 4, "header: not valid JSON"},
      {"[1,2]", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size, count;
    dit_error error;
    uint8_t *bytes = make_safetensors(cases[i].header, cases[i].data, &size);
    CHECK(!list_safetensors(bytes, size, &error, &count), "accepted: %s", cases[i].header);
    CHECK(strncmp(error.message, "file: ", 6) == 0 && strstr(error.message, cases[i].fragment),
          "%s: message '%s', expected '%s'", cases[i].header, error.message, cases[i].fragment);
    free(bytes);
  }
}

/* Cut at every byte, every byte changed, and impossible header lengths. */
static void test_safetensors_damage(void) {
  size_t size, count;
  dit_error error;
  uint8_t *bytes = make_safetensors("{" F32("a", "[2,1]", "[0,8]") "," F32("b", "[]", "[8,12]") "}", 12, &size);
  CHECK(list_safetensors(bytes, size, &error, &count) && count == 2, "%s", error.message);
  for (size_t length = 0; length < size; length++) {
    uint8_t *cut = (uint8_t *)malloc(length + !length);
    memcpy(cut, bytes, length);
    CHECK(!list_safetensors(cut, length, &error, &count), "the first %zu bytes are accepted", length);
    free(cut);
  }
  for (size_t i = 0; i < size; i++) {
    uint8_t kept = bytes[i];
    for (int c = 0; c < 256; c++) {
      bytes[i] = (uint8_t)c;
      list_safetensors(bytes, size, &error, &count);
    }
    bytes[i] = kept;
  }
  static const uint64_t lengths[] = {0, 1, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    for (int k = 0; k < 8; k++) bytes[k] = (uint8_t)(lengths[i] >> 8 * k);
    CHECK(!list_safetensors(bytes, size, &error, &count) && strstr(error.message, "header of"), "length %llu: %s",
          (unsigned long long)lengths[i], error.message);
  }
  free(bytes);
}

/* ---- Folders and other files ---- */

static char folder[] = "/tmp/dit-test-checkpoints-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[200];
  snprintf(path, sizeof path, "%s%s%s", folder, name[0] ? "/" : "", name);
  return path;
}

static void write_file(const char *name, const void *bytes, size_t size) {
  FILE *f = fopen(in_folder(name), "wb");
  if (!CHECK(f && fwrite(bytes, 1, size, f) == size, "%s cannot be written", in_folder(name)) || fclose(f)) return;
}

static void refuse_path(const char *path, const char *fragment) {
  checkpoint *s = (checkpoint *)1;
  dit_error error = {0, ""};
  dit_status status = checkpoint_open(path, NULL, &s, &error);
  CHECK(status < 0 && s == NULL && status == error.status, "%s: status %d", path, status);
  CHECK(strncmp(error.message, path, strlen(path)) == 0 && strstr(error.message, fragment),
        "%s: message '%s', expected '%s'", path, error.message, fragment);
  if (!status) checkpoint_close(s);
  CHECK(checkpoint_open(path, NULL, &s, NULL) == status && s == NULL, "%s: without an error to fill", path);
}

static void test_other_files(void) {
  static const struct {
    const char *bytes;
    size_t size;
    const char *fragment;
  } cases[] = {
      {"", 0, "empty"},
      {"x", 1, "a file of unknown format"},
      {"GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "cut short"},
      {"\37\213\10\0\0\0\0\0\0\3", 10, "gunzip"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56, "git lfs pull"},
      {"<!DOCTYPE html><html></html>", 28, "web page"},
      {"\n\n  <html><body></body></html>", 30, "web page"},
      {"{\"a\": 1}", 8, "JSON"},
      {"{       { }     }", 17, "JSON"},
      {"[1]", 3, "JSON"},
      {"\200\2}q\0.", 6, "bare pickle"},
      {"PK\3\4", 4, "not complete"},
      {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, "a file of unknown format"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_file("file", cases[i].bytes, cases[i].size);
    refuse_path(in_folder("file"), cases[i].fragment);
  }
  char archive[512] = "data";
  memcpy(archive + 257, "ustar", 5);
  write_file("file", archive, sizeof archive);
  refuse_path(in_folder("file"), "a tar archive");
  unlink(in_folder("file"));
  refuse_path(in_folder("file"), "No such file");
  refuse_path(GOLDEN "script.pt", "TorchScript");
  refuse_path(GOLDEN "module.pt", "wants to call torch.nn.modules.linear.Linear");
  refuse_path(GOLDEN "plain.pt", "no state dict");
  refuse_path(GOLDEN "negated.pt", "tensor 'negated' is stored as a view that changes its numbers");
}

static void copy_file(const char *from, const char *name) {
  size_t size;
  uint8_t *bytes = read_file(from, 0, &size);
  if (bytes) write_file(name, bytes, size);
  free(bytes);
}

#define VAE "tests/golden/checkpoints/vae_f16"

static void test_folder(void) {
  checkpoint *s;
  dit_error error = {0, ""};
  static const char *const paths[] = {VAE, VAE "/"};
  for (int i = 0; i < 2; i++) {
    if (!CHECK(checkpoint_open(paths[i], NULL, &s, &error) == DIT_OK, "%s", error.message)) continue;
    const json_value *width = json_member(s->config, "norm_num_groups");
    CHECK(width && width->number == 4, "config.json");
    CHECK(s->count > 50 && strcmp(s->kind, "diffusers folder (safetensors)") == 0, "%zu, %s", s->count, s->kind);
    checkpoint_close(s);
  }

  static const char config[] = "{\"_class_name\":\"AutoencoderKL\"}",
                    transformer[] = "{\"_class_name\":\"DiT\\u001bT\"}";
  refuse_path(in_folder(""), "without config.json");
  write_file("config.json", config, strlen(config));
  refuse_path(in_folder(""), "without diffusion_pytorch_model.safetensors");

  copy_file(GOLDEN "views.pt", "diffusion_pytorch_model.bin");
  if (CHECK(checkpoint_open(in_folder(""), NULL, &s, &error) == DIT_OK, "%s", error.message)) {
    CHECK(strcmp(s->kind, "diffusers folder (PyTorch zip checkpoint)") == 0 && s->config, "%s", s->kind);
    check_tensors("views", s);
    checkpoint_close(s);
  }
  write_file("config.json", "{\"a\":1,}", 8);
  refuse_path(in_folder(""), "config.json: not valid JSON");
  write_file("config.json", "[]", 2);
  refuse_path(in_folder(""), "not an object");
  write_file("config.json", transformer, strlen(transformer));
  refuse_path(in_folder(""), "of class DiT?T");
  refuse_path(in_folder("config.json"), "a JSON text");
  write_file("model_index.json", "{}", 2);
  refuse_path(in_folder(""), "a whole diffusers pipeline");
  unlink(in_folder("model_index.json"));
  unlink(in_folder("config.json"));
  unlink(in_folder("diffusion_pytorch_model.bin"));
}

int main(void) {
  if (!CHECK(mkdtemp(folder) != NULL, "no temporary folder")) return test_end("checkpoints");
  test_torch();
  test_alignment();
  test_half();
  test_half_blocks();
  test_safetensors_values();
  test_safetensors_refused();
  test_safetensors_damage();
  test_other_files();
  test_folder();
  CHECK(rmdir(folder) == 0, "files are left in %s", folder);
  return test_end("checkpoints");
}
