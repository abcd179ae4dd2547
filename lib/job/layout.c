/* How a job is laid out: the plans of its passes, what they need, and where its parts lie in its block of memory. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/job/job.h"
#include "lib/nets/autoencoder.h"
#include "lib/job/params.h"
#include "lib/sampling/rng.h"
#include "lib/sampling/schedule.h"
#include "lib/sampling/solvers.h"

enum { JOB_BATCH_TOKENS = 2048 };             /* tokens in a pass of a batch, about: enough to keep the kernels busy */
enum { JOB_WINDOW_BYTES = 32 * 1024 * 1024 }; /* modulation of a window, at most, unless one step takes more */

void *dit__job_at(dit_job *job, dit__job_part part) { return (uint8_t *)job + job->layout.at[part]; }
float *dit__job_floats(dit_job *job, dit__job_part part) { return (float *)dit__job_at(job, part); }

/* The sigmas of flow matching are compared with a margin: 0.7 is inside of an interval that begins at float(0.3). */
int32_t dit__job_in_guidance(const dit_model *model, const dit_params *p, int32_t row) {
  const dit__process process = dit__params_process(model, p);
  const double at = dit__schedule_position(&process, p->steps, p->sampler, row);
  const double margin = process.path == DIT__PATH_DIFFUSION ? 0 : 1e-6;
  return at >= (double)p->guidance_start - margin && at <= (double)p->guidance_end + margin;
}

/* ---- Plans ---- */

void dit__job_plan_modulation(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                              const dit__modulation_request *request, const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_modulation(plan, &model->dit, request, b->modulation);
}

void dit__job_plan_pass(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                        const dit__job_layout *layout, int32_t count, int32_t guided, dit__block_cache cache,
                        const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  const dit__pass_request pass = {.batch = count * (1 + guided),
                                  .latents = count,
                                  .height = layout->height,
                                  .width = layout->width,
                                  .latent = b->latents,
                                  .modulation = b->modulation,
                                  .modulation_index = b->modulation_index,
                                  .cache = cache,
                                  .block_cache = b->block_cache,
                                  .out = b->output};
  dit__plan_pass(plan, &model->dit, &pass);
}

void dit__job_plan_decode(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                          const dit__job_layout *layout, const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_decode(plan, &model->vae, layout->height, layout->width, b->latents, 1.0 / model->vae.scaling,
                   layout->decode_budget, b->image);
}

void dit__job_plan_encode(dit__plan *plan, const dit__engine *engine, const dit_model *model, const dit_params *p,
                          const dit__job_buffers *b) {
  const dit__elementwise_op copy = {.function = DIT__COPY,
                                    .count = (int64_t)model->vae.image_channels * p->height * p->width,
                                    .x = b->image,
                                    .out = b->init_latent};
  dit__plan_open(plan, engine, b->ops, b->workspace);
  if (model->dit.pixels)
    dit__plan_add(plan, &(dit__op){.kind = DIT__OP_ELEMENTWISE, .elementwise = copy});
  else
    dit__plan_encode(plan, &model->vae, p->height, p->width, b->image, b->init_latent, NULL);
}

/* ---- Memory ---- */

static dit__job_buffers job_nowhere(void) {
  float *const nowhere = (float *)(void *)dit__nowhere;
  const dit__job_buffers buffers = {.latents = nowhere,
                                    .output = nowhere,
                                    .image = nowhere,
                                    .modulation = nowhere,
                                    .init_latent = nowhere,
                                    .block_cache = nowhere,
                                    .modulation_index = (const int32_t *)nowhere,
                                    .workspace = dit__nowhere};
  return buffers;
}

static void job_needs_add(dit__job_needs *needs, const dit__plan *plan) {
  if (plan->count > needs->ops) needs->ops = plan->count;
  if (plan->workspace.peak > needs->workspace) needs->workspace = plan->workspace.peak;
  needs->overflow |= plan->workspace.overflow;
}

/* What decoding needs within a budget. */
static void job_measure_decode(const dit_model *model, const dit_params *p, size_t budget, dit__job_layout *layout) {
  const dit__job_buffers buffers = job_nowhere();
  const dit__job_needs none = {0, 0, 0};
  dit__engine engine;
  dit__plan plan;
  layout->decode_budget = budget;
  layout->decode = none;
  if (!model->vae.decoder) return;
  dit__engine_open(&engine, model, p->threads);
  dit__job_plan_decode(&plan, &engine, model, layout, &buffers);
  job_needs_add(&layout->decode, &plan);
}

/* What the plans of a job need at most; they run one after the other, and no buffer outlives its plan. The last batch
 * and the last window may be smaller than the others, and are measured too, for their operations may be tiled in
 * another way that needs more. Fewer conditions than layout->conditions never need more. */
static dit__job_needs job_measure(const dit_model *model, const dit_params *p, const dit__job_layout *layout) {
  const dit__job_buffers buffers = job_nowhere();
  const int32_t batches[2] = {layout->batch, p->count % layout->batch};
  const int32_t windows[2] = {layout->modulation_window,
                              (layout->rows - layout->first_step) % layout->modulation_window};
  const dit__block_cache cache = p->cache_interval > 1 ? DIT__CACHE_STORE : DIT__CACHE_OFF;
  dit__job_needs needs = layout->decode;
  dit__engine engine;
  dit__plan plan;
  dit__engine_open(&engine, model, p->threads);
  for (int i = 0; i < 2; i++) {
    const dit__modulation_request request = {.steps = windows[i], .conditions = layout->conditions};
    if (!windows[i]) continue;
    dit__job_plan_modulation(&plan, &engine, model, &request, &buffers);
    job_needs_add(&needs, &plan);
  }
  for (int i = 0; i < 2; i++)
    for (int32_t guided = 0; batches[i] && guided <= layout->guided; guided++) {
      dit__job_plan_pass(&plan, &engine, model, layout, batches[i], guided, cache, &buffers);
      job_needs_add(&needs, &plan);
    }
  if (p->init_image) {
    dit__job_plan_encode(&plan, &engine, model, p, &buffers);
    job_needs_add(&needs, &plan);
  }
  return needs;
}

static void job_add(dit__job_layout *layout, dit__layout *block, dit__job_part part, uint64_t count, size_t size) {
  layout->at[part] = dit__layout_add(block, count, size);
}

/* Copies of the caller's arrays. */
static void job_add_copies(const dit_params *p, dit__job_layout *layout, dit__layout *block) {
  const uint64_t count = (uint64_t)p->count, latent = (uint64_t)layout->latent, steps = (uint64_t)p->steps;
  const uint64_t picture = (uint64_t)layout->picture, area = (uint64_t)p->width * (uint64_t)p->height;
  job_add(layout, block, DIT__JOB_CLASSES, p->classes ? count : 0, sizeof(int32_t));
  job_add(layout, block, DIT__JOB_CLASSES_B, p->classes_b ? count : 0, sizeof(int32_t));
  job_add(layout, block, DIT__JOB_SEEDS, p->seeds ? count : 0, sizeof(uint64_t));
  job_add(layout, block, DIT__JOB_NOISE, p->noise ? count * latent : 0, sizeof(float));
  job_add(layout, block, DIT__JOB_STEP_NOISE, p->step_noise ? steps * count * latent : 0, sizeof(float));
  job_add(layout, block, DIT__JOB_INIT_IMAGE, p->init_image ? count * picture : 0, 1);
  job_add(layout, block, DIT__JOB_MASK, p->mask ? count * area : 0, 1);
}

/* Starting from pictures, and sampling. */
static void job_add_sampling(const dit_model *model, const dit_params *p, dit__job_layout *layout, dit__layout *block) {
  const dit__transformer *dit = &model->dit;
  const uint64_t count = (uint64_t)p->count, latent = (uint64_t)layout->latent, picture = (uint64_t)layout->picture;
  const uint64_t batch = (uint64_t)layout->batch, samples = batch * (1 + (uint64_t)layout->guided);
  const uint64_t latent_area = latent / (uint64_t)dit->channels, area = (uint64_t)p->width * (uint64_t)p->height;
  const int decodes = dit__model_draws(model);
  job_add(layout, block, DIT__JOB_INIT_LATENTS, p->init_image ? count * latent : 0, sizeof(float));
  job_add(layout, block, DIT__JOB_MASK_WEIGHTS, p->mask ? count * latent_area : 0, sizeof(float));
  job_add(layout, block, DIT__JOB_MASK_DEPTHS, p->mask ? area : 0, 1);
  job_add(layout, block, DIT__JOB_STREAMS, p->generator != DIT_GENERATOR_DIT ? batch : 0, sizeof(dit_rng));
  /* Room for the longest schedule, so that the bytes of a job hardly depend on its steps. */
  job_add(layout, block, DIT__JOB_SCHEDULE, DIT__MAX_STEPS, sizeof(dit_schedule_row));
  job_add(layout, block, DIT__JOB_LATENTS, count * latent, sizeof(float));
  job_add(layout, block, DIT__JOB_PRED_X0, count * latent, sizeof(float));
  job_add(layout, block, DIT__JOB_SOLVER_MEMORY, dit__solver_get(p->sampler)->remembers ? count * latent : 0,
          sizeof(float));
  job_add(layout, block, DIT__JOB_NOISE_SCRATCH, latent, sizeof(float));
  job_add(layout, block, DIT__JOB_OUTPUT, samples * latent_area * (uint64_t)dit->out_channels, sizeof(float));
  job_add(layout, block, DIT__JOB_BLOCK_CACHE, p->cache_interval > 1 ? samples * (uint64_t)layout->tokens : 0,
          (size_t)dit->hidden * sizeof(float));
  job_add(layout, block, DIT__JOB_IMAGE, decodes || p->init_image ? picture : 0, sizeof(float));
  job_add(layout, block, DIT__JOB_PIXELS, decodes ? count * picture : 0, 1);
}

/* Modulation, and the plan under way. */
static void job_add_plans(const dit_model *model, const dit__job_needs *needs, dit__job_layout *layout,
                          dit__layout *block) {
  const uint64_t window = (uint64_t)layout->modulation_window, conditions = (uint64_t)layout->conditions;
  const uint64_t samples = (uint64_t)layout->batch * (1 + (uint64_t)layout->guided);
  const uint64_t modulation = (uint64_t)dit__modulation_size(&model->dit);
  job_add(layout, block, DIT__JOB_TIMESTEPS, window, sizeof(double));
  job_add(layout, block, DIT__JOB_SECOND_TIMESTEPS, model->info.second_timestep ? window : 0, sizeof(double));
  job_add(layout, block, DIT__JOB_CONDITIONS, conditions, sizeof(dit__condition));
  job_add(layout, block, DIT__JOB_MODULATION_INDEX, samples, sizeof(int32_t));
  job_add(layout, block, DIT__JOB_CONDITION_INDEX, samples, sizeof(int32_t));
  job_add(layout, block, DIT__JOB_MODULATION, window * conditions * modulation, sizeof(float));
  job_add(layout, block, DIT__JOB_OPS, (uint64_t)needs->ops, sizeof(dit__op));
  job_add(layout, block, DIT__JOB_WORKSPACE, needs->workspace, 1);
}

/* Lays out a job whose batch, conditions and modulation_window are chosen. */
static void job_lay_out(const dit_model *model, const dit_params *p, dit__job_layout *layout) {
  const dit__job_needs needs = job_measure(model, p, layout);
  dit__layout block;
  dit__layout_open(&block);
  job_add(layout, &block, DIT__JOB_ITSELF, 1, sizeof(dit_job));
  job_add_copies(p, layout, &block);
  job_add_sampling(model, p, layout, &block);
  job_add_plans(model, &needs, layout, &block);
  layout->size = block.size;
  layout->overflow = block.overflow || needs.overflow;
}

/* ---- Choosing ---- */

/* The row with which a picture that is noised to `strength` of the schedule begins; at least one step is taken. */
static int32_t job_strength_row(const dit__job_layout *layout, const dit_params *p) {
  const int32_t steps = (int32_t)((double)p->strength * p->steps + 0.5);
  const int32_t rows_per_step = (layout->rows + p->steps - 1) / p->steps;
  return (p->steps - (steps < 1 ? 1 : steps)) * rows_per_step;
}

/* The sizes that do not depend on memory_limit. */
static void job_sizes(const dit_model *model, const dit_params *p, dit__job_layout *layout) {
  const dit__transformer *dit = &model->dit;
  const int32_t factor = model->vae.levels ? model->vae.scale_factor : 1;
  memset(layout, 0, sizeof *layout);
  layout->height = p->height / factor;
  layout->width = p->width / factor;
  layout->tokens = dit__pass_tokens(dit, layout->height, layout->width);
  layout->latent = (int64_t)dit->channels * layout->height * layout->width;
  layout->picture = (int64_t)model->vae.image_channels * p->height * p->width;
  const dit__process process = dit__params_process(model, p);
  layout->rows = dit__schedule(&process, p->steps, p->timestep_spacing, p->sampler, p->eta, 0, NULL, NULL);
  if (p->init_image) layout->first_step = job_strength_row(layout, p);
  layout->first_guided = layout->first_step;
  if (p->guidance_scale == 1) return;
  for (int32_t i = 0; p->classes && i < p->count; i++) /* without a class both passes would be the same */
    if (p->classes[i] != DIT_NO_CLASS || p->classes_b) layout->guided = 1;
  /* first_guided is the same for all pictures, whatever their classes, so that none depends on its batch. */
  for (int32_t i = layout->first_step; i < layout->rows && !dit__job_in_guidance(model, p, i); i++)
    layout->first_guided = i + 1 < layout->rows ? i + 1 : layout->first_step;
}

/* Lays out a job with the largest useful batch and modulation window that fit `limit`; returns 0 if the smallest do
 * not. */
static int32_t job_fit(const dit_model *model, const dit_params *p, uint64_t limit, dit__job_layout *layout) {
  const int64_t tokens = layout->tokens * (1 + layout->guided), useful = JOB_BATCH_TOKENS / tokens;
  const int64_t row = dit__modulation_size(&model->dit) * (int64_t)sizeof(float);
  const int32_t steps = layout->rows - layout->first_step;
  if (limit < UINT64_MAX) {
    layout->batch = layout->modulation_window = 1;
    layout->conditions = 1 + layout->guided;
    job_lay_out(model, p, layout);
    if (layout->size > limit || layout->overflow) return 0;
  }
  layout->batch = useful < 1 ? 1 : useful < p->count ? (int32_t)useful : p->count;
  for (;; layout->batch = (layout->batch + 1) / 2) {
    layout->conditions = layout->batch + layout->guided;
    const int64_t window = JOB_WINDOW_BYTES / (row * layout->conditions);
    layout->modulation_window = window < 1 ? 1 : window < steps ? (int32_t)window : steps;
    for (;; layout->modulation_window = (layout->modulation_window + 1) / 2) {
      job_lay_out(model, p, layout);
      if (layout->size <= limit || layout->overflow) return 1;
      if (layout->modulation_window == 1) break;
    }
  }
}

dit_status dit__job_layout_choose(const dit_model *model, const dit_params *p, dit__job_layout *layout,
                                  dit_error *error) {
  const uint64_t limit = model->options.memory_limit ? model->options.memory_limit : UINT64_MAX;
  size_t least = SIZE_MAX;
  job_sizes(model, p, layout);
  for (size_t budget = SIZE_MAX;; budget = layout->decode.workspace - 1) {
    job_measure_decode(model, p, budget, layout);
    const int32_t fits = job_fit(model, p, limit, layout);
    if (layout->overflow)
      return dit__fail(error, DIT_ERROR_MEMORY, "dit_params: a job of this size does not fit the address space");
    if (fits) return DIT_OK;
    if (layout->size < least) least = layout->size;
    if (!model->vae.decoder || layout->decode.workspace > budget) break;
  }
  return dit__fail(error, DIT_ERROR_MEMORY, "dit_options: memory_limit is %llu bytes; this job needs at least %llu",
                   (unsigned long long)limit, (unsigned long long)least);
}
