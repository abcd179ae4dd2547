#include "lib/core/numerics.h" /* so that every machine rounds alike */

#include "weights/convert/write/encode_q4.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "lib/model/q4.h"

enum {
  D = Q4_DIRECTIONS,
  TOGETHER = 16,      /* rows that are rounded side by side */
  CODE_SIZES = 3,     /* 4, 5 and 6 bits */
  SMALL_HIDDEN = 256, /* up to which a model gets one bit more */
  RANGES = 8,         /* of a codebook: 16/16 to 9/16 of a row's largest number */
  BINS = 64,          /* of a histogram of absolute values */
  POINTS = 8,         /* of a bin at which errors are evaluated */
  FINE = 4,           /* entries of the table of nearest codes for each integer */
  PLACES = 2 * 127 * FINE + 1
};

struct q4_encoder {
  int8_t value[CODE_SIZES][DIT__Q4_CODEBOOKS][64];
  uint8_t nearest[CODE_SIZES][DIT__Q4_CODEBOOKS][PLACES];      /* code of (place / FINE - 127) */
  float loss[CODE_SIZES][DIT__Q4_CODEBOOKS][RANGES][BINS + 1]; /* mean squared error of a bin; largest number = 1 */
};

/* ---- Bits of a row ---- */

/* Bits of a row in a large model: by what an error in 4 bits costs a pass of DiT-XL/2, which was measured for each part
 * and each quarter of the depth; twice the error is worth one bit. docs/q4.md has the figures. */
static int large_bits(const dit__tensor *matrix, uint64_t row, int depth) {
  if (matrix->block < 0) return 8; /* of the last layer: few rows, and at the end of everything */
  const int quarter = 4 * matrix->block / depth, outer = quarter == 0 || quarter == 3;
  switch (matrix->part) {
    case DIT__PART_PROJ: return 6;
    case DIT__PART_QKV: return quarter < 2 ? 6 : 5;
    case DIT__PART_FC1: return outer || quarter == 1 ? 5 : 4;
    case DIT__PART_FC2: return outer ? 5 : 4;
    case DIT__PART_MODULATION: break;
    default: return 6; /* of cross-attention, which nobody has measured */
  }
  /* Shift, scale and, with six of them, gate; of attention and of the MLP. */
  const uint64_t hidden = matrix->shape[1], chunk = row / hidden, gated = matrix->shape[0] == 6 * hidden;
  return gated && chunk % 3 == 2 ? 6 : quarter < 2 ? 5 : 4;
}

/* A small model gets one bit more, which costs a few hundred KB and shows in its pictures. */
static int row_bits(const dit__tensor *matrix, uint64_t row, int depth) {
  const uint64_t rows = matrix->shape[0], columns = matrix->shape[1];
  const uint64_t hidden = rows < columns ? rows : columns; /* of every matrix of a block */
  const int bits = large_bits(matrix, row, depth);
  return bits < 6 && hidden <= SMALL_HIDDEN ? bits + 1 : bits;
}

uint64_t q4_bytes(const dit__tensor *matrix, int depth) {
  uint64_t bytes = 0;
  for (uint64_t row = 0; row < matrix->shape[0]; row++)
    bytes += matrix->shape[1] / 8 * (uint64_t)row_bits(matrix, row, depth);
  return bytes;
}

/* ---- Tables ---- */

static int nearest_code(const int8_t *value, int codes, float x) {
  int code = 0;
  while (code + 1 < codes && (float)(value[code] + value[code + 1]) < 2 * x) code++;
  return code;
}

static float bin_loss(const q4_encoder *e, int w, int codebook, float range, int bin) {
  float sum = 0;
  for (int i = 0; i < POINTS; i++) {
    const float x = ((float)bin + ((float)i + 0.5f) / POINTS) / BINS, at = x * 127 / range;
    const int8_t *value = e->value[w][codebook];
    const float error = x - (float)value[nearest_code(value, 16 << w, at)] * range / 127;
    sum += error * error / POINTS;
  }
  return sum;
}

dit_status q4_encoder_open(q4_encoder **out, dit_error *error) {
  q4_encoder *e = *out = (q4_encoder *)calloc(1, sizeof *e);
  if (!e) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the tables of q4");
  for (int w = 0; w < CODE_SIZES; w++)
    for (int codebook = 0; codebook < DIT__Q4_CODEBOOKS; codebook++) {
      int8_t *value = e->value[w][codebook];
      for (int code = 0; code < 16 << w; code++) value[code] = (int8_t)dit__q4_value(4 + w, codebook, code);
      for (int place = 0; place < PLACES; place++)
        e->nearest[w][codebook][place] = (uint8_t)nearest_code(value, 16 << w, (float)place / FINE - 127);
      for (int range = 0; range < RANGES; range++)
        for (int bin = 0; bin <= BINS; bin++) /* the last one is for the largest number itself */
          e->loss[w][codebook][range][bin] =
              bin_loss(e, w, codebook, (float)(16 - range) / 16, bin < BINS ? bin : BINS - 1);
    }
  return DIT_OK;
}

void q4_encoder_close(q4_encoder *e) { free(e); }

/* ---- Codebook and scale of a row ---- */

/* Returns the largest magnitude of a row, or infinity if one of its numbers is not finite. */
static float largest(const float *row, int64_t k) {
  float largest = 0;
  for (int64_t i = 0; i < k; i++) {
    const float magnitude = row[i] < 0 ? -row[i] : row[i];
    if (!(magnitude <= FLT_MAX)) return INFINITY; /* a NaN too: it compares as false */
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/* Chooses the codebook and range with the least squared error on a histogram of the row. */
static void choose_grid(const q4_encoder *e, int bits, const float *row, int64_t k, float most, int8_t *row_format,
                        float *scale) {
  float counts[BINS + 1] = {0}, least = FLT_MAX;
  const float to_bin = BINS / most;
  for (int64_t i = 0; i < k; i++) counts[(int)((row[i] < 0 ? -row[i] : row[i]) * to_bin)]++;
  for (int codebook = 0; codebook < DIT__Q4_CODEBOOKS; codebook++)
    for (int range = 0; range < RANGES; range++) {
      float loss = 0;
      for (int bin = 0; bin <= BINS; bin++) loss += counts[bin] * e->loss[bits - 4][codebook][range][bin];
      if (!(loss < least)) continue;
      least = loss;
      *row_format = dit__q4_row_format(bits, codebook);
      *scale = most > FLT_MAX / 16 ? most / (16 * 127) * (float)(16 - range) : most * (float)(16 - range) / (16 * 127);
    }
}

/* ---- Rounding ---- */

/* Up to TOGETHER rows of the same bits, rounded column by column: each column answers its part of the error so far. */
typedef struct rounding {
  const q4_encoder *e;
  const q4_inputs *in;
  int count, bits; /* of the rows */
  const float *values;
  const int8_t *row_formats;
  const float *scales;
  uint8_t *codes; /* [TOGETHER][k], one in each byte */
} rounding;

static float nearest(const rounding *r, int row, float x, uint8_t *code) {
  const int codebook = r->row_formats[row] >> 4;
  if (r->bits == 8) {
    const int whole = (int)(x < 0 ? x - 0.5f : x + 0.5f);
    *code = (uint8_t)(int8_t)whole;
    return (float)whole;
  }
  *code = r->e->nearest[r->bits - 4][codebook][(int)(x * FINE + (127 * FINE + 0.5f))];
  return (float)r->e->value[r->bits - 4][codebook][*code];
}

static void round_rows(const rounding *r) {
  float error[D][TOGETHER] = {{0}}, wanted[TOGETHER], missed[TOGETHER] = {0};
  const int64_t k = r->in->k;
  for (int64_t i = 0; i < k; i++) {
    const float *p = r->in->p + i * D, *gain = r->in->gain + i * D;
    for (int row = 0; row < TOGETHER; row++) wanted[row] = 0;
    for (int d = 0; d < D; d++)
      for (int row = 0; row < TOGETHER; row++) wanted[row] -= gain[d] * error[d][row];
    for (int row = 0; row < r->count; row++) {
      const float value = r->values[row * k + i], scale = r->scales[row];
      uint8_t *code = &r->codes[row * k + i];
      float x = scale > 0 ? (value + wanted[row]) / scale : 0;
      x = x > 127 ? 127 : x > -127 ? x : -127;
      missed[row] = nearest(r, row, x, code) * scale - value;
    }
    for (int d = 0; d < D; d++)
      for (int row = 0; row < TOGETHER; row++) error[d][row] += missed[row] * p[d];
  }
}

/* Packs eight codes into `bits` bytes, the first into the lowest bits. */
static void pack_codes(const uint8_t *codes, int64_t k, int bits, uint8_t *out) {
  for (int64_t i = 0; i < k; i += 8, out += bits) {
    uint64_t word = 0;
    uint8_t bytes[8];
    for (int j = 7; j >= 0; j--) word = word << bits | codes[i + j];
    copy_le(bytes, &word, sizeof word, 1);
    memcpy(out, bytes, (size_t)bits);
  }
}

/* Chooses scale and format of a row of `bits` bits. */
static dit_status choose_row(const q4_encoder *e, const char *name, int bits, const float *row, int64_t k,
                             int8_t *row_format, float *scale, dit_error *error) {
  const float most = largest(row, k);
  if (!(most <= FLT_MAX))
    return dit__fail(error, DIT_ERROR_FORMAT, "tensor %s: holds a number that is not finite", name);
  *row_format = dit__q4_row_format(bits, 0);
  *scale = most / 127;
  /* A row of numbers below 2e-37 has no histogram, as BINS / most would overflow; it keeps the uniform codebook. */
  if (bits < 8 && most > BINS / FLT_MAX) choose_grid(e, bits, row, k, most, row_format, scale);
  return DIT_OK;
}

dit_status q4_encode(const q4_encoder *e, const dit__tensor *matrix, int depth, const q4_inputs *in,
                     const q4_rows *rows, size_t *size, dit_error *error) {
  const int64_t k = in->k;
  const float *values = rows->values;
  uint8_t *plain = (uint8_t *)malloc((size_t)(TOGETHER * k));
  if (!plain) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for a few rows of q4");
  dit_status status = DIT_OK;
  *size = 0;
  for (uint64_t done = 0; done < rows->count && !status;) {
    rounding r = {.e = e,
                  .in = in,
                  .bits = row_bits(matrix, rows->first + done, depth),
                  .values = values,
                  .row_formats = rows->row_formats + done,
                  .scales = rows->scales + done,
                  .codes = plain};
    for (; r.count < TOGETHER && done < rows->count && row_bits(matrix, rows->first + done, depth) == r.bits && !status;
         done++, r.count++)
      status = choose_row(e, matrix->name, r.bits, values + r.count * k, k, &rows->row_formats[done],
                          &rows->scales[done], error);
    if (!status) round_rows(&r);
    for (int row = 0; row < r.count && !status; row++, *size += (size_t)(k / 8 * r.bits))
      pack_codes(plain + row * k, k, r.bits, rows->codes + *size);
    values += r.count * k;
  }
  free(plain);
  return status;
}
