/* Loads and stores over the vector layer: parts of a vector, rows that end inside one, stored types, prefetching. Part
 * of template.h. */

/* Returns x[0..count-1] with zeros behind; 0 < count <= VL. Nothing else is read. */
static FORCE_INLINE TARGET VF FN(load_count)(const float *x, int32_t count) {
  return count == VL ? V_LOAD(x) : V_LOAD_PART(x, count);
}

/* Stores the first `count` lanes, 0 < count <= VL. */
static FORCE_INLINE TARGET void FN(store_count)(float *x, VF value, int32_t count) {
  if (count == VL)
    V_STORE(x, value);
  else
    V_STORE_PART(x, value, count);
}

/* Returns VL numbers of a row of `width` from number i on, with zeros behind its end; i may lie behind it, too. */
static FORCE_INLINE TARGET VF FN(load_clipped)(const float *x, int32_t i, int32_t width) {
  const int32_t left = width - i;
  return left >= VL ? V_LOAD(x + i) : left > 0 ? V_LOAD_PART(x + i, left) : V_ZERO();
}

/* Stores VL numbers of a row of `width` from number i < width on, but nothing behind the row. */
static FORCE_INLINE TARGET void FN(store_clipped)(float *x, int32_t i, int32_t width, VF value) {
  if (width - i >= VL)
    V_STORE(x + i, value);
  else
    V_STORE_PART(x + i, value, width - i);
}

/* Returns numbers i..i+VL-1 of an array of a stored type (dit__weight_type, not Q4) as f32; int8 times scale. */
static FORCE_INLINE TARGET VF FN(load_typed)(int32_t type, const uint8_t *x, int64_t i, VF scale) {
  switch (type) {
    case DIT__F32: return V_LOAD_BYTES(x + i * 4);
    case DIT__F16: return V_LOAD_F16(x + i * 2);
    case DIT__BF16: return V_LOAD_BF16(x + i * 2);
    default: return V_MUL(V_LOAD_I8(x + i), scale);
  }
}

/* Prefetches the next lines of a range into L2. */
static FORCE_INLINE TARGET void FN(prefetch_step)(dit__prefetch_cursor *cursor) {
  dit__prefetch *left = &cursor->left;
  for (int64_t i = 0; i < cursor->lines_per_step && left->rows > 0; i++) {
    V_PREFETCH_L2(left->row + cursor->offset);
    cursor->offset += 64;
    if (cursor->offset < left->width) continue;
    cursor->offset = 0;
    left->row += left->stride;
    left->rows--;
  }
}
