/* Attention from the tokens of one sequence to those of another, with a length for each sample and keys that samples
 * share, against attention in double; and its bits for every instruction set, number of threads and size of units.
 *
 * It fails if a key behind a sample's length counts, if a sample takes another's keys, or if a tiling changes a bit. */
#include <math.h>

#include "lib/ops/op.h"
#include "lib/ops/plan.h"
#include "tests/host.h"
#include "tests/test.h"

enum { HEADS = 3, MOST = 120 }; /* MOST: of keys */

typedef struct shape {
  int32_t samples, queries, keys, dim;
} shape;

static double worst;

static float random_number(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) * 0x1p-23f - 1;
}

static float *random_floats(int64_t count) {
  float *x = (float *)malloc((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count; i++) x[i] = random_number();
  return x;
}

/* One query of one head: out[dim]. kv: keys, and `width` numbers further values, rows 2 * width apart. */
static void attend(const dit__attention_op *op, const float *q, const float *kv, int32_t keys, double *out) {
  const ptrdiff_t width = op->heads * op->dim;
  double logit[MOST], sum = 0;
  for (int32_t k = 0; k < keys; k++) {
    logit[k] = 0;
    for (int32_t d = 0; d < op->dim; d++) logit[k] += (double)q[d] * kv[k * 2 * width + d];
    sum += logit[k] = exp(op->scale * logit[k]);
  }
  for (int32_t d = 0; d < op->dim; d++) {
    out[d] = 0;
    for (int32_t k = 0; k < keys; k++) out[d] += logit[k] / sum * kv[k * 2 * width + width + d];
  }
}

static void check_numbers(const dit__attention_op *op) {
  double truth[128];
  for (int32_t s = 0; s < op->samples; s++)
    for (int32_t i = 0; i < op->queries; i++)
      for (int32_t h = 0; h < op->heads; h++) {
        const ptrdiff_t at = ((ptrdiff_t)s * op->queries + i) * op->q_stride + h * op->dim;
        const int32_t from = op->kv_index ? op->kv_index[s] : s;
        attend(op, op->q + at, op->k + from * op->kv_sample_stride + h * op->dim,
               op->lengths ? op->lengths[s] : op->keys, truth);
        for (int32_t d = 0; d < op->dim; d++) worst = fmax(worst, fabs(op->out[at + d] - truth[d]));
      }
}

static void run(dit__attention_op attention, const dit__kernels *kernels, int32_t threads, double unit_flops,
                const dit_options *hooks) {
  const dit__engine engine = {.kernels = kernels, .hooks = hooks, .threads = threads, .unit_flops = unit_flops};
  dit__plan plan;
  dit__op op;
  dit__plan_open(&plan, &engine, NULL, dit__nowhere);
  dit__plan_add(&plan, &(dit__op){.kind = DIT__OP_ATTENTION, .attention = attention});
  uint8_t *workspace = (uint8_t *)aligned_alloc(64, (plan.workspace.peak + 127) / 64 * 64);
  dit__plan_open(&plan, &engine, &op, workspace);
  dit__plan_add(&plan, &(dit__op){.kind = DIT__OP_ATTENTION, .attention = attention});
  while (dit__plan_step(&plan)) continue;
  free(workspace);
}

static void test_shape(const shape *s) {
  static const double units[] = {1e9, 1e5, 1e3};
  static host h;
  const dit_options hooks = {.struct_size = sizeof hooks, .parallel_for = host_reversed, .user = &h};
  const ptrdiff_t width = HEADS * s->dim;
  const int64_t count = (int64_t)s->samples * s->queries * width;
  int32_t index[8], lengths[8];
  float *q = random_floats(count), *kv = random_floats((int64_t)s->samples * s->keys * 2 * width);
  float *out = random_floats(count), *first = random_floats(count);
  for (int32_t i = 0; i < s->samples; i++) {
    index[i] = (i * 5 + 1) % s->samples;
    lengths[i] = 1 + (int32_t)((random_number() + 1) / 2 * (float)(s->keys - 1));
  }
  dit__attention_op op = {.samples = s->samples,
                          .heads = HEADS,
                          .queries = s->queries,
                          .keys = s->keys,
                          .dim = s->dim,
                          .scale = 2.5f / sqrtf((float)s->dim),
                          .q = q,
                          .k = kv,
                          .v = kv + width,
                          .q_stride = width,
                          .kv_stride = 2 * width,
                          .kv_sample_stride = s->keys * 2 * width,
                          .out = out,
                          .out_stride = width};
  for (int variant = 0; variant < 3; variant++) {
    op.kv_index = variant > 0 ? index : NULL;
    op.lengths = variant > 1 ? lengths : NULL;
    for (int32_t isa = DIT_ISA_SCALAR, any = 0; isa <= DIT_ISA_NEON_DOT; isa++) {
      dit__kernels kernels;
      if (!dit__kernels_get(isa, &kernels)) continue;
      for (int unit = 0; unit < 3; unit++) {
        memset(out, 0, (size_t)count * sizeof(float));
        run(op, &kernels, 1 + unit, units[unit], &hooks);
        if (!any++) {
          check_numbers(&op);
          memcpy(first, out, (size_t)count * sizeof(float));
        }
        CHECK(!memcmp(first, out, (size_t)count * sizeof(float)),
              "%d keys, variant %d: other bits with %s, units of %g", (int)s->keys, variant, dit_isa_name(isa),
              units[unit]);
      }
    }
  }
  free(q);
  free(kv);
  free(out);
  free(first);
}

int main(void) {
  static const shape shapes[] = {{3, 25, 2, 24}, {2, 16, 1, 20}, {4, 70, 20, 64}, {2, 33, 120, 72}, {8, 5, 17, 28}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) test_shape(&shapes[i]);
  printf("  largest error %.2e\n", worst);
  CHECK(worst < 2e-6, "largest error %.2e", worst);
  return test_end("test_attention");
}
