/* Embeddings of timesteps and labels. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/op.h"
#include "lib/sampling/timestep_embedding.h"

/* ---- Timesteps ---- */

void dit__timesteps_tile(const dit__engine *engine, dit__op *op) {
  (void)engine;
  op->units = 1;
  op->unit_flops = 100.0 * op->timesteps.count * DIT__TIMESTEP_CHANNELS;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

void dit__timesteps_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__timesteps_op *t = &op->timesteps;
  (void)engine;
  (void)unit;
  for (int32_t s = 0; s < t->count; s++) {
    double embedding[DIT__TIMESTEP_CHANNELS];
    dit__timestep_embedding(t->timesteps[s], t->divisor, embedding);
    for (int j = 0; j < DIT__TIMESTEP_CHANNELS; j++) t->out[s * DIT__TIMESTEP_CHANNELS + j] = (float)embedding[j];
  }
}

/* ---- Conditions ---- */

static int64_t condition_rows(const dit__modulation_request *request) {
  return request->paired ? request->steps : (int64_t)request->steps * request->conditions;
}

void dit__conditions_tile(const dit__engine *engine, dit__op *op) {
  const dit__conditions_op *c = &op->conditions;
  (void)engine;
  op->units = 1;
  op->unit_flops = 64.0 * (double)condition_rows(c->request) * c->dit->hidden;
  op->useful_flops = 0;
  op->scratch_bytes = 0;
}

static void embed_label(const dit__kernels *kernels, const dit__transformer *dit, int32_t row, float *out) {
  const dit__weights *labels = &dit->labels;
  const size_t row_bytes = (size_t)dit->hidden * dit__type_size(labels->type);
  kernels->convert(labels->type, labels->data + (size_t)row * row_bytes, dit->hidden,
                   labels->scale ? labels->scale[row] : 0, out);
}

void dit__conditions_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__conditions_op *c = &op->conditions;
  const dit__modulation_request *request = c->request;
  const int32_t hidden = c->dit->hidden;
  float *label = c->labels, *other = c->labels + hidden;
  (void)unit;
  for (int32_t i = 0; i < request->conditions; i++) {
    const dit__condition *condition = &request->condition[i];
    embed_label(engine->kernels, c->dit, condition->a, label);
    if (condition->b >= 0) {
      embed_label(engine->kernels, c->dit, condition->b, other);
      for (int32_t d = 0; d < hidden; d++) label[d] = (1.0f - request->mix) * label[d] + request->mix * other[d];
    }
    for (int32_t s = request->paired ? i : 0; s < (request->paired ? i + 1 : request->steps); s++) {
      const float *time = c->time + (ptrdiff_t)s * hidden;
      float *to = c->out + (ptrdiff_t)(request->paired ? i : s * request->conditions + i) * hidden * (1 + c->apart);
      for (int32_t d = 0; d < hidden; d++) to[d] = c->apart ? time[d] : time[d] + label[d];
      if (c->apart) memcpy(to + hidden, label, (size_t)hidden * sizeof(float));
      if (c->label_out)
        memcpy(c->label_out + (request->paired ? i : s * request->conditions + i) * c->label_stride, label,
               (size_t)hidden * sizeof(float));
    }
  }
  if (!c->apart) engine->kernels->silu(c->out, condition_rows(request) * hidden, c->out);
}
