/* Modulation: what depends on timestep and class alone (Peebles & Xie 2022, section 3.2; formulas as in
 * docs/numerics.md). */
#include "lib/core/numerics.h"

#include "lib/nets/conditioning.h"
#include "lib/sampling/timestep_embedding.h"

int64_t dit__modulation_chunk(const dit__transformer *dit, int32_t index) {
  return dit__block_types[dit->block_kind].block_chunks * (int64_t)index;
}

int64_t dit__modulation_size(const dit__transformer *dit) {
  const int32_t last = dit__block_types[dit->block_kind].last_chunks + (dit->context > 0);
  return (dit__modulation_chunk(dit, dit->depth) + last) * dit->hidden;
}

int64_t dit__context_chunk(const dit__transformer *dit) {
  const int64_t behind = dit__modulation_chunk(dit, dit->depth);
  return dit->context ? behind + dit__block_types[dit->block_kind].last_chunks : behind;
}

/* out [rows][..] = x [rows][..] * matrix, in f32. */
static void plan_linear(dit__plan *plan, const dit__matrix *matrix, int32_t rows, const float *x, ptrdiff_t x_stride,
                        float *out, ptrdiff_t out_stride) {
  dit__plan_add(plan, &(dit__op){.kind = DIT__OP_GEMM,
                                 .gemm = {.matrix = matrix,
                                          .rows = rows,
                                          .epilogue = DIT__EPILOGUE_STORE,
                                          .x = x,
                                          .x_stride = x_stride,
                                          .out = out,
                                          .out_stride = out_stride,
                                          .gate = {.rows_per_sample = rows}}});
}

/* embedded [steps][hidden] = mlp(sinusoidal embedding of each timestep). */
static void plan_timesteps(dit__plan *plan, const dit__transformer *dit, const dit__matrix *mlp0,
                           const dit__matrix *mlp2, int32_t steps, const double *timesteps, float *embedded) {
  const uint64_t size = (uint64_t)steps * (uint64_t)dit->hidden;
  float *sinusoids = (float *)dit__plan_alloc(plan, (uint64_t)steps * DIT__TIMESTEP_CHANNELS, sizeof(float));
  float *inner = (float *)dit__plan_alloc(plan, size, sizeof(float));
  dit__plan_add(
      plan,
      &(dit__op){.kind = DIT__OP_TIMESTEPS,
                 .timesteps = {
                     .count = steps, .divisor = dit->diffusers ? 127 : 128, .timesteps = timesteps, .out = sinusoids}});
  plan_linear(plan, mlp0, steps, sinusoids, DIT__TIMESTEP_CHANNELS, inner, dit->hidden);
  dit__plan_add(plan, &(dit__op){.kind = DIT__OP_ELEMENTWISE,
                                 .elementwise = {.function = DIT__SILU, .count = (int64_t)size, .out = inner}});
  plan_linear(plan, mlp2, steps, inner, dit->hidden, embedded, dit->hidden);
  dit__plan_free(plan, sinusoids);
  dit__plan_free(plan, inner);
}

/* time += the embedding of the second time. */
static void plan_second_embedder(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *request,
                                 float *time) {
  const int64_t size = (int64_t)request->steps * dit->hidden;
  float *second = (float *)dit__plan_alloc(plan, (uint64_t)size, sizeof(float));
  plan_timesteps(plan, dit, &dit->s_mlp0, &dit->s_mlp2, request->steps, request->second_timesteps, second);
  dit__plan_add(plan, &(dit__op){.kind = DIT__OP_ELEMENTWISE,
                                 .elementwise = {.function = DIT__ADD, .count = size, .x = second, .out = time}});
  dit__plan_free(plan, second);
}

/* out = the conditions with the times embedded in `time`: see dit__conditions_op; and the chunk of class tokens. */
static void plan_conditions(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *request,
                            const float *time, float *out, float *modulation) {
  float *labels = (float *)dit__plan_alloc(plan, 2 * (uint64_t)dit->hidden, sizeof(float));
  dit__plan_add(
      plan,
      &(dit__op){.kind = DIT__OP_CONDITIONS,
                 .conditions = {.dit = dit,
                                .apart = !dit__block_types[dit->block_kind].modulated,
                                .request = request,
                                .time = time,
                                .labels = labels,
                                .out = out,
                                .label_out = dit->context ? modulation + dit__context_chunk(dit) * dit->hidden : NULL,
                                .label_stride = (ptrdiff_t)dit__modulation_size(dit)}});
  dit__plan_free(plan, labels);
}

/* Shift, scale and gate of blocks first..end-1, and, if they are the last, shift and scale of the final norm, from
 * silu(timestep + class). */
static void plan_chunks(dit__plan *plan, const dit__transformer *dit, int32_t first, int32_t end, int32_t rows,
                        const float *condition, float *modulation) {
  const int64_t hidden = dit->hidden, size = dit__modulation_size(dit);
  for (int32_t i = first; i < end; i++)
    plan_linear(plan, &dit->blocks[i].modulation, rows, condition, hidden,
                modulation + hidden * dit__modulation_chunk(dit, i), size);
  if (end == dit->depth)
    plan_linear(plan, &dit->final_modulation, rows, condition, hidden,
                modulation + hidden * dit__modulation_chunk(dit, dit->depth), size);
}

/* Keys and values of each block, from the tokens [rows][DIT__CONDITION_TOKENS]. */
static void plan_keys_values(dit__plan *plan, const dit__transformer *dit, int32_t rows, const float *tokens,
                             float *modulation) {
  const int64_t hidden = dit->hidden, size = dit__modulation_size(dit);
  for (int32_t i = 0; i < dit->depth; i++)
    for (int32_t token = 0; token < DIT__CONDITION_TOKENS; token++)
      plan_linear(plan, &dit->blocks[i].cross_kv, rows, tokens + token * hidden, DIT__CONDITION_TOKENS * hidden,
                  modulation + hidden * (dit__modulation_chunk(dit, i) + 2 * token), size);
}

void dit__plan_modulation(dit__plan *plan, const dit__transformer *dit, const dit__modulation_request *request,
                          float *modulation) {
  const dit__block_traits *traits = &dit__block_types[dit->block_kind];
  const int32_t rows = request->paired ? request->steps : request->steps * request->conditions;
  const int32_t switches = dit->process.second_time == DIT__SECOND_TIME_END;
  const int32_t switch_block = switches ? dit->second_block : dit->depth;
  const int64_t hidden = dit->hidden, condition_size = hidden * (traits->modulated ? 1 : DIT__CONDITION_TOKENS);
  float *time = (float *)dit__plan_alloc(plan, (uint64_t)(request->steps * hidden), sizeof(float));
  float *condition = (float *)dit__plan_alloc(plan, (uint64_t)(rows * condition_size), sizeof(float));
  plan_timesteps(plan, dit, &dit->t_mlp0, &dit->t_mlp2, request->steps, request->timesteps, time);
  if (dit->process.second_time == DIT__SECOND_TIME_DIFFERENCE) plan_second_embedder(plan, dit, request, time);
  plan_conditions(plan, dit, request, time, traits->context_tokens ? modulation : condition, modulation);
  if (traits->modulated) plan_chunks(plan, dit, 0, switch_block, rows, condition, modulation);
  if (traits->cross) plan_keys_values(plan, dit, rows, condition, modulation);
  if (switches) {
    plan_timesteps(plan, dit, &dit->t_mlp0, &dit->t_mlp2, request->steps, request->second_timesteps, time);
    plan_conditions(plan, dit, request, time, condition, modulation);
    plan_chunks(plan, dit, switch_block, dit->depth, rows, condition, modulation);
  }
  dit__plan_free(plan, condition);
  dit__plan_free(plan, time);
}
