/* What a GEMM does to its sums before it stores them (dit__epilogue). Part of template.h. */

/* Returns what becomes of `count` sums, 0 < count <= VL, of row m, columns n..n+count-1. `epilogue` is p->epilogue;
 * where whole tiles are stored it is a constant, so that nothing is decided in the loop. */
static FORCE_INLINE TARGET VF FN(epilogue)(const dit__gemm *p, const int epilogue, int32_t m, int32_t n, int32_t count,
                                           VF value) {
  value = V_ADD(value, FN(load_count)(p->bias + n, count));
  if (epilogue == DIT__EPILOGUE_GELU) return FN(v_gelu)(value);
  if (epilogue == DIT__EPILOGUE_SILU) return FN(v_silu)(value);
  if (epilogue == DIT__EPILOGUE_STORE) return value;
  const VF x = FN(load_count)(p->residual + m * p->residual_stride + n, count);
  if (epilogue == DIT__EPILOGUE_RESIDUAL) return V_ADD(x, value);
  if (epilogue == DIT__EPILOGUE_PRODUCT) return V_MUL(x, value);
  const int32_t sample = (p->first_row + m) / p->rows_per_sample;
  const float *gate = p->gate + p->gate_rows[sample] * p->gate_stride + n;
  return V_FMA(FN(load_count)(gate, count), value, x);
}
