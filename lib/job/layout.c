/* How a job is laid out: the plans of its passes, what they need, and where its parts lie in its one block. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/job/job.h"
#include "lib/nets/autoencoder.h"
#include "lib/sampling/rng.h"

enum { JOB_ROWS = 2048 };       /* tokens of a group's pass, about */
enum { JOB_WINDOW = 32 << 20 }; /* bytes of modulation of a window */

void *dit__job_at(dit_job *job, size_t place) { return (uint8_t *)job + place; }
float *dit__job_floats(dit_job *job, size_t place) { return (float *)dit__job_at(job, place); }

int32_t dit__job_guided_at(const dit_params *p, int32_t step) {
  const double at = (step + 0.5) / p->steps;
  return at >= (double)p->guidance_start && at <= (double)p->guidance_end;
}

/* ---- Plans ---- */

void dit__job_plan_modulation(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                              const dit__modulation_request *wanted, const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_modulation(plan, &model->dit, wanted, b->modulation);
  dit__plan_close(plan);
}

void dit__job_plan_pass(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                        const dit__job_layout *shape, int32_t count, int32_t guided, dit__block_cache reuse,
                        const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_pass(plan, &model->dit, count * (1 + guided), count, shape->height, shape->width, b->latents, b->modulation,
                 b->rows, reuse, b->kept, b->output);
  dit__plan_close(plan);
}

void dit__job_plan_decode(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                          const dit__job_layout *shape, const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_decode(plan, &model->vae, shape->height, shape->width, b->latents, 1.0 / model->vae.scaling,
                   shape->decode_budget, b->image);
  dit__plan_close(plan);
}

void dit__job_plan_encode(dit__plan *plan, const dit__engine *engine, const dit_model *model, const dit_params *p,
                          const dit__job_buffers *b) {
  dit__plan_open(plan, engine, b->ops, b->workspace);
  dit__plan_encode(plan, &model->vae, p->height, p->width, b->image, b->init, NULL);
  dit__plan_close(plan);
}

/* ---- Memory ---- */

static dit__job_buffers job_nowhere(void) {
  float *const nowhere = (float *)(void *)dit__nowhere;
  const dit__job_buffers buffers = {nowhere, nowhere,     nowhere, nowhere, nowhere, nowhere, (const int32_t *)nowhere,
                                    NULL,    dit__nowhere};
  return buffers;
}

static void job_needs_add(dit__job_needs *needs, const dit__plan *plan) {
  if (plan->count > needs->ops) needs->ops = plan->count;
  if (plan->arena.peak > needs->workspace) needs->workspace = plan->arena.peak;
  needs->overflow |= plan->arena.overflow;
}

/* What decoding within a budget needs. */
static void job_measure_decode(const dit_model *model, const dit_params *p, size_t budget, dit__job_layout *shape) {
  const dit__job_buffers buffers = job_nowhere();
  const dit__job_needs none = {0, 0, 0};
  dit__engine engine;
  dit__plan plan;
  shape->decode_budget = budget;
  shape->decode = none;
  if (!model->vae.decoder) return;
  dit__engine_open(&engine, model, p->threads);
  dit__job_plan_decode(&plan, &engine, model, shape, &buffers);
  job_needs_add(&shape->decode, &plan);
}

/* What the plans of a shape need at most: one by one, nothing is kept. Smaller groups and windows, which may come last,
 * are measured too, for they are cut in other ways; fewer conditions than the most need no more. */
static dit__job_needs job_measure(const dit_model *model, const dit_params *p, const dit__job_layout *shape) {
  const dit__job_buffers buffers = job_nowhere();
  const int32_t groups[2] = {shape->group, p->count % shape->group};
  const int32_t windows[2] = {shape->window, (p->steps - shape->first_step) % shape->window};
  dit__job_needs needs = shape->decode;
  dit__engine engine;
  dit__plan plan;
  dit__engine_open(&engine, model, p->threads);
  for (int i = 0; i < 2; i++) {
    const dit__modulation_request wanted = {windows[i], shape->conditions, 0, 0, NULL, NULL};
    if (!windows[i]) continue;
    dit__job_plan_modulation(&plan, &engine, model, &wanted, &buffers);
    job_needs_add(&needs, &plan);
  }
  for (int i = 0; i < 2; i++)
    for (int32_t guided = 0; groups[i] && guided <= shape->guided; guided++) {
      dit__job_plan_pass(&plan, &engine, model, shape, groups[i], guided,
                         p->cache_interval > 1 ? DIT__CACHE_STORE : DIT__CACHE_OFF, &buffers);
      job_needs_add(&needs, &plan);
    }
  if (p->init_image) {
    dit__job_plan_encode(&plan, &engine, model, p, &buffers);
    job_needs_add(&needs, &plan);
  }
  return needs;
}

/* Lays a job out with groups of `group` pictures and windows of `window` steps. */
static void job_lay_out(const dit_model *model, const dit_params *p, dit__job_layout *shape) {
  const uint64_t count = (uint64_t)p->count, latent = (uint64_t)shape->latent, group = (uint64_t)shape->group;
  const uint64_t passes = 1 + (uint64_t)shape->guided,
                 out = latent / (uint64_t)model->dit.channels * (uint64_t)model->dit.out_channels;
  const uint64_t rows = (uint64_t)shape->window * (uint64_t)shape->conditions;
  const uint64_t picture = (uint64_t)shape->picture, area = (uint64_t)p->width * (uint64_t)p->height;
  const int decodes = model->vae.decoder != NULL;
  const dit__job_needs needs = job_measure(model, p, shape);
  dit__layout l;
  dit__layout_open(&l);
  dit__layout_add(&l, 1, sizeof(dit_job));
  shape->classes = dit__layout_add(&l, p->classes ? count : 0, sizeof(int32_t));
  shape->classes_b = dit__layout_add(&l, p->classes_b ? count : 0, sizeof(int32_t));
  shape->seeds = dit__layout_add(&l, p->seeds ? count : 0, sizeof(uint64_t));
  shape->noise = dit__layout_add(&l, p->noise ? count * latent : 0, sizeof(float));
  shape->step_noise = dit__layout_add(&l, p->step_noise ? (uint64_t)p->steps * count * latent : 0, sizeof(float));
  shape->init_image = dit__layout_add(&l, p->init_image ? count * picture : 0, 1);
  shape->mask = dit__layout_add(&l, p->mask ? count * area : 0, 1);
  shape->init = dit__layout_add(&l, p->init_image ? count * latent : 0, sizeof(float));
  shape->weights = dit__layout_add(&l, p->mask ? count * (uint64_t)(shape->height * shape->width) : 0, sizeof(float));
  shape->depth = dit__layout_add(&l, p->mask ? area : 0, 1);
  shape->streams = dit__layout_add(&l, p->generator != DIT_GENERATOR_DIT ? group : 0, sizeof(dit_rng));
  shape->schedule = dit__layout_add(&l, DIT__MAX_STEPS, sizeof(dit_schedule_row)); /* the same for any steps */
  shape->latents = dit__layout_add(&l, count * latent, sizeof(float));
  shape->clean = dit__layout_add(&l, count * latent, sizeof(float));
  shape->fresh = dit__layout_add(&l, latent, sizeof(float));
  shape->output = dit__layout_add(&l, group * passes * out, sizeof(float));
  shape->kept = dit__layout_add(&l, p->cache_interval > 1 ? group * passes * (uint64_t)shape->tokens : 0,
                                (size_t)model->dit.hidden * sizeof(float));
  shape->image = dit__layout_add(&l, decodes || p->init_image ? picture : 0, sizeof(float));
  shape->pixels = dit__layout_add(&l, decodes ? count * picture : 0, 1);
  shape->times = dit__layout_add(&l, (uint64_t)shape->window, sizeof(double));
  shape->condition = dit__layout_add(&l, (uint64_t)shape->conditions, sizeof(dit__condition));
  shape->rows = dit__layout_add(&l, group * passes, 2 * sizeof(int32_t));
  shape->modulation = dit__layout_add(&l, rows * (uint64_t)dit__modulation_size(&model->dit), sizeof(float));
  shape->ops = dit__layout_add(&l, (uint64_t)needs.ops, sizeof(dit__op));
  shape->workspace = dit__layout_add(&l, needs.workspace, 1);
  shape->size = l.size;
  shape->overflow = l.overflow || needs.overflow;
}

/* Steps that are taken of a schedule when a start picture is noised to `strength` of it: at least one. */
static int32_t job_strength_steps(const dit_params *p) {
  const int32_t steps = (int32_t)((double)p->strength * p->steps + 0.5);
  return steps < 1 ? 1 : steps;
}

/* Lays a job out with as large groups and windows as are of use and fit `limit`; 0 if the smallest do not. */
static int32_t job_fit(const dit_model *model, const dit_params *p, uint64_t limit, dit__job_layout *shape) {
  const int64_t tokens = shape->tokens * (1 + shape->guided), fit = JOB_ROWS / tokens;
  const int64_t row = dit__modulation_size(&model->dit) * (int64_t)sizeof(float);
  const int32_t steps = p->steps - shape->first_step;
  if (limit < UINT64_MAX) {
    shape->group = shape->window = 1;
    shape->conditions = 1 + shape->guided;
    job_lay_out(model, p, shape);
    if (shape->size > limit || shape->overflow) return 0;
  }
  shape->group = fit < 1 ? 1 : fit < p->count ? (int32_t)fit : p->count;
  for (;; shape->group = (shape->group + 1) / 2) {
    shape->conditions = shape->group + shape->guided;
    const int64_t window = JOB_WINDOW / (row * shape->conditions);
    shape->window = window < 1 ? 1 : window < steps ? (int32_t)window : steps;
    for (;; shape->window = (shape->window + 1) / 2) {
      job_lay_out(model, p, shape);
      if (shape->size <= limit || shape->overflow) return 1;
      if (shape->window == 1) break;
    }
  }
}

dit_status dit__job_layout_choose(const dit_model *model, const dit_params *p, dit__job_layout *shape,
                                  dit_error *error) {
  const dit__transformer *dit = &model->dit;
  const int32_t factor = model->vae.levels ? model->vae.scale_factor : 1;
  memset(shape, 0, sizeof *shape);
  shape->height = p->height / factor;
  shape->width = p->width / factor;
  shape->latent = (int64_t)dit->channels * shape->height * shape->width;
  shape->picture = (int64_t)model->vae.image_channels * p->height * p->width;
  if (p->init_image) shape->first_step = p->steps - job_strength_steps(p);
  for (int32_t i = 0; p->guidance_scale != 1 && p->classes && i < p->count;
       i++) /* without a class both passes are the same */
    if (p->classes[i] != -1 || p->classes_b) shape->guided = 1;
  shape->first_guided = shape->first_step;
  for (int32_t i = shape->first_step; p->guidance_scale != 1 && i < p->steps && !dit__job_guided_at(p, i); i++)
    shape->first_guided = i + 1 < p->steps ? i + 1 : shape->first_step; /* whatever the classes: of every batch */
  shape->tokens = (int64_t)(shape->height / dit->patch) * (shape->width / dit->patch);
  const uint64_t limit = model->options.memory_limit ? model->options.memory_limit : UINT64_MAX;
  size_t least = SIZE_MAX;
  for (size_t budget = SIZE_MAX;; budget = shape->decode.workspace - 1) {
    job_measure_decode(model, p, budget, shape);
    const int32_t fits = job_fit(model, p, limit, shape);
    if (shape->overflow)
      return dit__fail(error, DIT_ERROR_MEMORY, "dit_params: a job of this size does not fit the address space");
    if (fits) return DIT_OK;
    if (shape->size < least) least = shape->size;
    if (!model->vae.decoder || shape->decode.workspace > budget) break;
  }
  return dit__fail(error, DIT_ERROR_MEMORY, "dit_options: memory_limit is %llu bytes; this job needs at least %llu",
                   (unsigned long long)limit, (unsigned long long)least);
}
