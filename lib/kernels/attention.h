/* Attention of one head, with a running softmax over blocks of keys (Milakov & Gimelshein 2018). Part of
 * template_f32.h. */

/* Turns the logits s of one query and one block of keys into the numerators of the softmax, p = exp(s - max), in place,
 * with zeros up to a multiple of 16. Updates the running maximum and sum; returns what the sums of earlier blocks must
 * be multiplied by. */
static TARGET float FN(softmax_block)(float *s, int32_t keys, int32_t first, float *running_max, float *running_sum) {
  float top = s[0], factor = 0;
  if (keys >= VL) {
    VF tops = V_LOAD(s);
    for (int32_t j = VL; j + VL <= keys; j += VL) tops = V_MAX(tops, V_LOAD(s + j));
    float lane[VL];
    V_STORE(lane, tops);
    for (int i = 0; i < VL; i++) top = lane[i] > top ? lane[i] : top;
  }
  for (int32_t j = keys / VL * VL; j < keys; j++) top = s[j] > top ? s[j] : top;
  if (!first && *running_max > top) top = *running_max;
  if (!first) {
    float lane[VL];
    V_STORE(lane, FN(v_exp)(V_SET(*running_max - top)));
    factor = lane[0];
  }
  const int32_t padded = (keys + 15) / 16 * 16;
  VF partial[16 / VL];
  for (int v = 0; v < 16 / VL; v++) partial[v] = V_ZERO();
  for (int32_t j = keys; j < padded; j++) s[j] = top - 200.0f;
  for (int32_t j = 0; j < padded; j += 16)
    for (int v = 0; v < 16 / VL; v++) {
      const VF e = FN(v_exp)(V_SUB(V_LOAD(s + j + v * VL), V_SET(top)));
      V_STORE(s + j + v * VL, e);
      if (j + 16 <= keys) partial[v] = V_ADD(partial[v], e);
    }
  if (keys < padded) {
    for (int32_t j = keys; j < padded; j++) s[j] = 0;
    for (int v = 0; v < 16 / VL; v++) partial[v] = V_ADD(partial[v], V_LOAD(s + padded - 16 + v * VL));
  }
  const float sum = FN(tree_sum)(partial);
  *running_sum = first ? sum : f32_fma(*running_sum, factor, sum);
  *running_max = top;
  return factor;
}

/* Packs queries, times the factor of the logits, into row panels [dim][MR]. */
static TARGET void FN(pack_queries)(const dit__attention *a, int32_t first, int32_t rows, float *q) {
  for (int32_t r = 0; r < rows; r += MR) {
    float *to = q + (size_t)r * (size_t)a->dim;
    FN(transpose_rows)(a->q + (first + r) * a->q_stride, a->q_stride, min32(rows - r, MR), a->dim, to);
    for (int32_t i = 0; i < a->dim * MR; i += VL) V_STORE(to + i, V_MUL(V_LOAD(to + i), V_SET(a->scale)));
  }
}

/* Computes the logits s[row][DIT__KC] of `rows` packed queries and of keys k0..k0+keys-1. */
static TARGET void FN(attention_logits)(const dit__attention *a, const float *q, int32_t rows, int32_t k0, int32_t keys,
                                        float *s) {
  for (int32_t r = 0; r < rows; r += MR) {
    const float *row_panel = q + (size_t)r * (size_t)a->dim;
    const dit__ukernel ukernel = FN(ukernels)[min32(rows - r, MR)][1];
    for (int32_t n = 0; n < keys; n += NR) {
      const float *panel = a->keys + (size_t)(k0 + n) * (size_t)a->dim;
      for (int32_t d = 0; d < a->dim; d += DIT__KC) {
        const int32_t length = min32(a->dim - d, DIT__KC);
        const float *b = panel + (size_t)d * NR;
        ukernel(row_panel + d * MR, length, b, s + r * DIT__KC + n, DIT__KC, d > 0, panel);
      }
    }
  }
}

/* Adds the values of one block of keys: sums = sums * factor + p * values; for the first block, sums = p * values. */
static TARGET void FN(attention_values)(const dit__attention *a, const float *p, int32_t rows, int32_t k0, int32_t keys,
                                        const float *factor, float *sums, int32_t width) {
  float packed[MR * DIT__KC + VL];
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = min32(rows - r, MR);
    FN(transpose_rows)(p + r * DIT__KC, DIT__KC, count, keys, packed);
    for (int32_t n = 0; n < a->dim; n += NR) {
      const float *panel = a->values + (size_t)n * (size_t)a->tokens + (size_t)k0 * NR;
      float tile[MR * NR];
      FN(ukernels)[count][a->dim - n > VL](packed, keys, panel, tile, NR, 0, panel);
      for (int32_t i = 0; i < count; i++)
        for (int v = 0; v < NR && n + v < a->dim; v += VL) {
          float *to = sums + (r + i) * width + n + v;
          const VF value = V_LOAD(tile + i * NR + v);
          V_STORE(to, k0 ? V_FMA(V_LOAD(to), V_SET(factor[r + i]), value) : value);
        }
    }
  }
}

/* Implements dit__kernels.attention. Scratch: packed queries, logits, and sums [row][width]. */
static TARGET void FN(attention)(const dit__attention *a, int32_t first, int32_t count, float *scratch) {
  const int32_t width = (a->dim + DIT__MAX_NR - 1) / DIT__MAX_NR * DIT__MAX_NR;
  float *q = scratch, *s = q + (DIT__QUERIES + 1) * width, *sums = s + DIT__QUERIES * DIT__KC;
  for (int32_t q0 = first; q0 < first + count; q0 += DIT__QUERIES) {
    const int32_t rows = min32(first + count - q0, DIT__QUERIES);
    float top[DIT__QUERIES], total[DIT__QUERIES] = {0}, factor[DIT__QUERIES];
    FN(pack_queries)(a, q0, rows, q);
    for (int32_t k0 = 0; k0 < a->tokens; k0 += DIT__KC) {
      const int32_t keys = min32(a->tokens - k0, DIT__KC);
      FN(attention_logits)(a, q, rows, k0, keys, s);
      for (int32_t r = 0; r < rows; r++)
        factor[r] = FN(softmax_block)(s + r * DIT__KC, keys, k0 == 0, &top[r], &total[r]);
      FN(attention_values)(a, s, rows, k0, keys, factor, sums, width);
    }
    for (int32_t r = 0; r < rows; r++) {
      float *out = a->out + (q0 + r) * a->out_stride;
      const VF divisor = V_SET(total[r]);
      for (int32_t d = 0; d < a->dim; d += VL)
        FN(store_clipped)(out, d, a->dim, V_DIV(V_LOAD(sums + r * width + d), divisor));
    }
  }
}
