/* The transformer: a pass as operations (Peebles & Xie 2022, section 3; formulas as in docs/numerics.md). */
#include "lib/core/numerics.h"

#include "lib/nets/block.h"
#include "lib/nets/conditioning.h"
#include "lib/nets/transformer.h"

static void pass_elementwise(const dit__pass *pass, dit__elementwise function, const float *x, float *out) {
  dit__plan_add(
      pass->plan,
      &(dit__op){
          .kind = DIT__OP_ELEMENTWISE,
          .elementwise = {.function = function, .count = (int64_t)pass->rows * pass->dit->hidden, .x = x, .out = out}});
}

/* x = patches * embed + positions. */
static void pass_embed(const dit__pass *pass, const dit__pass_request *request) {
  const dit__transformer *dit = pass->dit;
  const float *from = pass->wide;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_POSITIONS,
                                       .positions = {.dit = dit,
                                                     .samples = pass->batch,
                                                     .rows = request->height / dit->patch,
                                                     .columns = request->width / dit->patch,
                                                     .out = pass->x}});
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_PATCHIFY,
                                       .patch = {.samples = pass->batch,
                                                 .height = request->height,
                                                 .width = request->width,
                                                 .channels = dit->channels,
                                                 .patch = dit->patch,
                                                 .latents = request->latents,
                                                 .from = request->latent,
                                                 .to = pass->wide}});
  if (dit->bottleneck) {
    dit__pass_linear(pass, &dit->squeeze, pass->wide, pass->h, DIT__EPILOGUE_STORE, 0);
    from = pass->h;
  }
  dit__pass_linear(pass, &dit->embed, from, pass->x, DIT__EPILOGUE_RESIDUAL, 0);
}

/* The tokens of the condition join those of the image: x and h change places. */
static void pass_append(dit__pass *pass) {
  const dit__transformer *dit = pass->dit;
  const int32_t context = dit__context_tokens(dit);
  float *const with_context = pass->h;
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_APPEND,
                                       .append = {.samples = pass->batch,
                                                  .tokens = pass->image_tokens,
                                                  .context = context,
                                                  .width = dit->hidden,
                                                  .vector_count = dit->context ? 1 : context,
                                                  .from = pass->x,
                                                  .vectors = dit__pass_modulation(pass, dit__context_chunk(dit)),
                                                  .positions = dit->context ? &dit->context_positions : NULL,
                                                  .out = with_context}});
  pass->h = pass->x;
  pass->x = with_context;
  pass->tokens = pass->image_tokens + context;
  pass->rows = pass->batch * pass->tokens;
  pass->modulation.rows_per_sample = pass->tokens;
}

/* All blocks, or what they added at an earlier step. */
static void pass_blocks(dit__pass *pass, dit__block_cache cache, float *block_cache) {
  const int32_t context = dit__context_tokens(pass->dit), join = pass->dit->context_block;
  if (context && !join) pass_append(pass);
  if (cache == DIT__CACHE_USE) {
    pass_elementwise(pass, DIT__ADD, block_cache, pass->x);
    return;
  }
  if (cache == DIT__CACHE_STORE) pass_elementwise(pass, DIT__COPY, pass->x, block_cache);
  for (int32_t i = 0; i < pass->dit->depth; i++) {
    if (context && join && i == join) pass_append(pass);
    dit__plan_block(pass, i);
  }
  if (cache == DIT__CACHE_STORE) pass_elementwise(pass, DIT__RSUB, pass->x, block_cache);
}

/* out = unpatchify(linear(norm(x))). */
static void pass_final(const dit__pass *pass, const dit__pass_request *request) {
  const dit__transformer *dit = pass->dit;
  dit__pass image = *pass;
  image.rows = pass->batch * pass->image_tokens;
  dit__pass_final_norm(pass, &dit->final_norm, dit__modulation_chunk(dit, dit->depth), 1e-6f);
  dit__pass_linear(&image, &dit->final_linear, pass->h, pass->wide, DIT__EPILOGUE_STORE, 0);
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_UNPATCHIFY,
                                       .patch = {.samples = pass->batch,
                                                 .height = request->height,
                                                 .width = request->width,
                                                 .channels = dit->out_channels,
                                                 .patch = dit->patch,
                                                 .from = pass->wide,
                                                 .to = request->out}});
}

static int32_t widest_layer(const dit__transformer *dit) {
  const int32_t patch = dit->bottleneck ? dit->squeeze.weights.k : dit->embed.weights.k;
  const int32_t widths[] = {3 * dit->hidden, dit->mlp, patch, dit->final_linear.weights.rows};
  int32_t widest = 0;
  for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) widest = widths[i] > widest ? widths[i] : widest;
  return widest;
}

/* The angles of the pass's rotary positions. */
static void plan_angles(dit__pass *pass, const dit__pass_request *request) {
  const dit__transformer *dit = pass->dit;
  const int32_t dim = dit->hidden / dit->heads;
  const uint64_t count = (uint64_t)dit__pass_tokens(dit, request->height, request->width) * (uint64_t)(dim / 2);
  pass->cosine = (float *)dit__plan_alloc(pass->plan, count, sizeof(float));
  pass->sine = (float *)dit__plan_alloc(pass->plan, count, sizeof(float));
  dit__plan_add(pass->plan, &(dit__op){.kind = DIT__OP_ANGLES,
                                       .angles = {.rows = request->height / dit->patch,
                                                  .columns = request->width / dit->patch,
                                                  .context = dit__context_tokens(dit),
                                                  .dim = dim,
                                                  .two_dimensions = dit->rope == DIT__ROPE_2D,
                                                  .cosine = pass->cosine,
                                                  .sine = pass->sine}});
}

int64_t dit__pass_tokens(const dit__transformer *dit, int32_t height, int32_t width) {
  return (int64_t)(height / dit->patch) * (width / dit->patch) + dit__context_tokens(dit);
}

void dit__plan_pass(dit__plan *plan, const dit__transformer *dit, const dit__pass_request *request) {
  const int32_t tokens = request->height / dit->patch * (request->width / dit->patch);
  dit__pass pass = {.plan = plan,
                    .dit = dit,
                    .batch = request->batch,
                    .image_tokens = tokens,
                    .tokens = tokens,
                    .rows = request->batch * tokens,
                    .modulation = {.vectors = request->modulation,
                                   .index = request->modulation_index,
                                   .stride = (ptrdiff_t)dit__modulation_size(dit),
                                   .rows_per_sample = tokens}};
  const uint64_t all = (uint64_t)dit__pass_tokens(dit, request->height, request->width);
  const uint64_t rows = (uint64_t)request->batch * all, widest = (uint64_t)widest_layer(dit);
  const dit__qgemm_kernel *qgemm = dit->blocks[0].qkv.qgemm;
  const uint64_t group = qgemm ? (uint64_t)qgemm->group : 1, groups = (widest + group - 1) / group;
  pass.x = (float *)dit__plan_alloc(plan, rows * (uint64_t)dit->hidden, sizeof(float));
  pass.h = (float *)dit__plan_alloc(plan, rows * (uint64_t)dit->hidden, sizeof(float));
  pass.wide = (float *)dit__plan_alloc(plan, rows * widest, sizeof(float));
  pass.quantized.q = (uint8_t *)dit__plan_alloc(plan, qgemm ? rows * groups : 0, 4);
  pass.quantized.scale = (float *)dit__plan_alloc(plan, qgemm ? rows : 0, sizeof(float));
  pass.quantized.low = (float *)dit__plan_alloc(plan, qgemm ? rows : 0, sizeof(float));

  if (dit->rope) plan_angles(&pass, request);
  pass_embed(&pass, request);
  pass_blocks(&pass, request->cache, request->block_cache);
  pass_final(&pass, request);

  if (dit->rope) {
    dit__plan_free(plan, pass.sine);
    dit__plan_free(plan, pass.cosine);
  }
  dit__plan_free(plan, pass.quantized.low);
  dit__plan_free(plan, pass.quantized.scale);
  dit__plan_free(plan, pass.quantized.q);
  dit__plan_free(plan, pass.wide);
  dit__plan_free(plan, pass.h);
  dit__plan_free(plan, pass.x);
}
