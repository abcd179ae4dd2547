/* Attention of one head. No include guard: see template.h. */

/* Softmax numerators of a row of logits for one block of keys: p = exp(s - m) in place, zeros up to a multiple of 16.
 * Updates the running maximum and sum; returns what the sums so far are multiplied by. */
static TARGET float LAYER(softmax_block)(float *s, int32_t keys, int32_t first, float *running_max,
                                         float *running_sum) {
  float top = s[0], factor = 0;
  if (keys >= VL) {
    vf tops = v_load(s);
    for (int32_t j = VL; j + VL <= keys; j += VL) tops = v_max(tops, v_load(s + j));
    float lane[VL];
    v_store(lane, tops);
    for (int i = 0; i < VL; i++) top = lane[i] > top ? lane[i] : top;
  }
  for (int32_t j = keys / VL * VL; j < keys; j++) top = s[j] > top ? s[j] : top;
  if (!first && *running_max > top) top = *running_max;
  if (!first) {
    float lane[VL];
    v_store(lane, LAYER(v_exp)(v_set(*running_max - top)));
    factor = lane[0];
  }
  const int32_t padded = (keys + 15) / 16 * 16;
  vf chain[16 / VL];
  for (int v = 0; v < 16 / VL; v++) chain[v] = v_zero();
  for (int32_t j = keys; j < padded; j++) s[j] = top - 200.0f;
  for (int32_t j = 0; j < padded; j += 16)
    for (int v = 0; v < 16 / VL; v++) {
      vf e = LAYER(v_exp)(v_sub(v_load(s + j + v * VL), v_set(top)));
      v_store(s + j + v * VL, e);
      if (j + 16 <= keys) chain[v] = v_add(chain[v], e);
    }
  if (keys < padded) {
    for (int32_t j = keys; j < padded; j++) s[j] = 0;
    for (int v = 0; v < 16 / VL; v++) chain[v] = v_add(chain[v], v_load(s + padded - 16 + v * VL));
  }
  const float sum = LAYER(tree)(chain);
  *running_sum = first ? sum : dit__fmaf(*running_sum, factor, sum);
  *running_max = top;
  return factor;
}

/* Logits of `rows` queries, packed in slivers of MR, against keys k0..k0+keys-1. */
static TARGET void LAYER(logits)(const dit__attention *a, const float *q, int32_t rows, int32_t k0, int32_t keys,
                                 float *s) {
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    for (int32_t n = 0; n < keys; n += NR) {
      const float *panel = a->keys + (size_t)(k0 + n) * (size_t)a->dim;
      for (int32_t d = 0; d < a->dim; d += DIT__KC) LAYER(tiles)
      [count][1](q + (size_t)r * (size_t)a->dim + d * MR, a->dim - d < DIT__KC ? a->dim - d : DIT__KC,
                 panel + (size_t)d * NR, s + r * DIT__KC + n, DIT__KC, d > 0, panel);
    }
  }
}

/* sums = sums * factor + p * values over one block of keys (without the first term for the first block). */
static TARGET void LAYER(mix_values)(const dit__attention *a, const float *p, int32_t rows, int32_t k0, int32_t keys,
                                     const float *factor, float *sums, int32_t width) {
  float packed[MR * DIT__KC + VL];
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    LAYER(pack_stretch)(p + r * DIT__KC, DIT__KC, count, keys, packed);
    for (int32_t n = 0; n < a->dim; n += NR) {
      const float *panel = a->values + (size_t)n * (size_t)a->tokens + (size_t)k0 * NR;
      float tile[MR * NR];
      LAYER(tiles)[count][a->dim - n > VL](packed, keys, panel, tile, NR, 0, panel);
      for (int32_t i = 0; i < count; i++)
        for (int v = 0; v < NR && n + v < a->dim; v += VL) {
          float *to = sums + (r + i) * width + n + v;
          vf value = v_load(tile + i * NR + v);
          v_store(to, k0 ? v_fma(v_load(to), v_set(factor[r + i]), value) : value);
        }
    }
  }
}

/* The queries times the factor of the logits, [k][MR], sliver after sliver. */
static TARGET void LAYER(pack_queries)(const dit__attention *a, int32_t first, int32_t rows, float *q) {
  for (int32_t r = 0; r < rows; r += MR) {
    const int32_t count = rows - r < MR ? rows - r : MR;
    float *to = q + (size_t)r * (size_t)a->dim;
    LAYER(pack_stretch)(a->q + (first + r) * a->q_stride, a->q_stride, count, a->dim, to);
    for (int32_t i = 0; i < a->dim * MR; i += VL) v_store(to + i, v_mul(v_load(to + i), v_set(a->scale)));
  }
}

static TARGET void LAYER(attention)(const dit__attention *a, int32_t first, int32_t count, float *scratch) {
  const int32_t width = (a->dim + DIT__MAX_NR - 1) / DIT__MAX_NR * DIT__MAX_NR;
  float *q = scratch, *s = q + (DIT__QUERIES + 1) * width, *sums = s + DIT__QUERIES * DIT__KC;
  for (int32_t q0 = first; q0 < first + count; q0 += DIT__QUERIES) {
    const int32_t rows = first + count - q0 < DIT__QUERIES ? first + count - q0 : DIT__QUERIES;
    float top[DIT__QUERIES], total[DIT__QUERIES], factor[DIT__QUERIES];
    LAYER(pack_queries)(a, q0, rows, q);
    for (int32_t k0 = 0; k0 < a->tokens; k0 += DIT__KC) {
      const int32_t keys = a->tokens - k0 < DIT__KC ? a->tokens - k0 : DIT__KC;
      LAYER(logits)(a, q, rows, k0, keys, s);
      for (int32_t r = 0; r < rows; r++)
        factor[r] = LAYER(softmax_block)(s + r * DIT__KC, keys, k0 == 0, &top[r], &total[r]);
      LAYER(mix_values)(a, s, rows, k0, keys, factor, sums, width);
    }
    for (int32_t r = 0; r < rows; r++) {
      float *out = a->out + (q0 + r) * a->out_stride;
      for (int32_t d = 0; d < a->dim; d += VL) {
        vf value = v_div(v_load(sums + r * width + d), v_set(total[r]));
        if (a->dim - d >= VL)
          v_store(out + d, value);
        else
          v_store_part(out + d, value, a->dim - d);
      }
    }
  }
}
