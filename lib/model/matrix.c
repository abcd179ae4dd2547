/* Matrices of weights, packed into panels. */
#include "lib/core/numerics.h"

#include "lib/core/integers.h"
#include "lib/model/matrix.h"
#include "lib/model/q4.h"

size_t dit__panel_bytes(const dit__matrix *matrix, const dit__kernels *kernels) {
  const size_t k = (size_t)matrix->weights.k;
  if (matrix->winograd) return (size_t)dit__winograd_panel(matrix->weights.k / 9, kernels->nr) * sizeof(float);
  if (!matrix->qgemm) return k * (size_t)kernels->nr * sizeof(float);
  const size_t group = (size_t)matrix->qgemm->group, groups = (k + group - 1) / group;
  return (groups + 1) * (size_t)matrix->qgemm->nr * 4;
}

int32_t dit__panel_columns(const dit__matrix *matrix, const dit__kernels *kernels) {
  return matrix->qgemm ? matrix->qgemm->nr : kernels->nr;
}

size_t dit__rows_bytes(const dit__matrix *matrix, const dit__kernels *kernels) {
  if (matrix->weights.type != DIT__Q4) return 0;
  return align64((size_t)dit__panel_columns(matrix, kernels) * (size_t)matrix->weights.k);
}

static void pack_panels(const dit__kernels *kernels, const dit__matrix *matrix, const dit__weights *weights,
                        int32_t first, int32_t count, uint8_t *panels) {
  if (matrix->qgemm)
    matrix->qgemm->pack(weights, first, count, panels);
  else
    (matrix->winograd ? kernels->winograd_filter : kernels->pack)(weights, first, count, (float *)(void *)panels);
}

void dit__pack(const dit__kernels *kernels, const dit__matrix *matrix, int32_t first, int32_t count, int8_t *rows,
               uint8_t *panels) {
  const dit__weights *w = &matrix->weights;
  if (w->type != DIT__Q4) {
    pack_panels(kernels, matrix, w, first, count, panels);
    return;
  }
  const int32_t nr = dit__panel_columns(matrix, kernels), end = first + count;
  for (; first < end; first += nr, panels += dit__panel_bytes(matrix, kernels)) {
    const int32_t part = (int32_t)min64(nr, end - first);
    const dit__weights whole = {(const uint8_t *)rows, w->scale + first, w->k, DIT__I8, part, w->k, 1, NULL};
    dit__q4_rows(w, first, part, rows);
    pack_panels(kernels, matrix, &whole, 0, part, panels);
  }
}
