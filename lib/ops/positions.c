/* Position embeddings: the model's table on its own grid, else the 2D sine and cosine embedding that it was made of. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/elementary.h"
#include "lib/ops/op.h"

/* The first unit computes the embeddings of the first sample, each further unit copies them to another sample. */
void dit__positions_tile(const dit__engine *engine, dit__op *op) {
  const dit__positions_op *p = &op->positions;
  (void)engine;
  op->units = p->samples;
  op->unit_flops = 16.0 * p->rows * p->columns * p->dit->hidden;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

/* One half of a row of the table: sin(position * omega_j), then cos, with omega_j = 10000^(-j / quarter). */
static void position_half(float *to, double position, int64_t quarter) {
  for (int64_t j = 0; j < quarter; j++) {
    double sine, cosine;
    dit__sincos(position * dit__exp(-9.210340371976184 * (double)j / (double)quarter), &sine, &cosine);
    to[j] = (float)sine;
    to[quarter + j] = (float)cosine;
  }
}

/* The coordinate of patch `index` of `count`. diffusers squeezes other grids onto the model's own. */
static double position_of(const dit__transformer *dit, int64_t index, int64_t count) {
  const int64_t own = dit->latent_size / dit->patch;
  return dit->diffusers ? (double)index / ((double)count / (double)own) : (double)index;
}

/* Columns come first in a token's embedding. */
static void positions_compute(const dit__positions_op *p) {
  const dit__transformer *dit = p->dit;
  const int64_t rows = p->rows, columns = p->columns, half = dit->hidden / 2;
  for (int64_t column = 0; column < columns; column++)
    position_half(p->out + column * dit->hidden, position_of(dit, column, columns), half / 2);
  for (int64_t row = 0; row < rows; row++) {
    float *line = p->out + row * columns * dit->hidden;
    position_half(line + half, position_of(dit, row, rows), half / 2);
    for (int64_t column = 0; column < columns; column++) {
      float *token = line + column * dit->hidden;
      if (row) memcpy(token, p->out + column * dit->hidden, (size_t)half * sizeof(float));
      if (column) memcpy(token + half, line + half, (size_t)half * sizeof(float));
    }
  }
}

void dit__positions_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__positions_op *p = &op->positions;
  const dit__transformer *dit = p->dit;
  const int64_t own = dit->latent_size / dit->patch, count = (int64_t)p->rows * p->columns * dit->hidden;
  if (unit)
    memcpy(p->out + unit * count, p->out, (size_t)count * sizeof(float));
  else if (p->rows == own && p->columns == own)
    engine->kernels->convert(dit->positions.type, dit->positions.data, count, 0, p->out);
  else
    positions_compute(p);
}
