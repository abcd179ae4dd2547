/* Single passes: a plan is measured, and then made and run in one block of memory. */
#include "lib/core/numerics.h"

#include "lib/core/error.h"
#include "lib/job/call.h"
#include "lib/nets/autoencoder.h"
#include "lib/nets/conditioning.h"
#include "lib/nets/transformer.h"

/* ---- The transformer ---- */

typedef struct forward_run {
  const dit_model *model;
  const dit_forward_params *params;
  float *out;
  dit__modulation_request modulation;
  int32_t *modulation_index;
} forward_run;

/* The modulation of all samples, and then the pass, in one plan. */
static void forward_plan(dit__plan *plan, const forward_run *run) {
  const dit_forward_params *p = run->params;
  const dit__transformer *dit = &run->model->dit;
  const uint64_t size = (uint64_t)dit__modulation_size(dit);
  float *modulation = (float *)dit__plan_alloc(plan, size * (uint64_t)p->count, sizeof(float));
  dit__plan_modulation(plan, dit, &run->modulation, modulation);
  const dit__pass_request pass = {.batch = p->count,
                                  .latents = p->count,
                                  .height = p->height,
                                  .width = p->width,
                                  .latent = p->latent,
                                  .modulation = modulation,
                                  .modulation_index = run->modulation_index,
                                  .cache = DIT__CACHE_OFF,
                                  .out = run->out};
  dit__plan_pass(plan, dit, &pass);
}

/* Sample i has timestep i, condition i and row i of modulation. */
static void forward_fill(const forward_run *run, double *timesteps, double *second, dit__condition *condition) {
  const dit_forward_params *p = run->params;
  for (int32_t i = 0; i < p->count; i++) {
    timesteps[i] = (double)p->timesteps[i];
    second[i] = p->second_timesteps ? (double)p->second_timesteps[i] : 0;
    condition[i].a = p->classes && p->classes[i] != DIT_NO_CLASS ? p->classes[i] : run->model->dit.null_class;
    condition[i].b = -1;
    run->modulation_index[i] = i;
  }
}

dit_status dit__forward_call_run(const dit_model *model, const dit_forward_params *params, float *out,
                                 dit_error *error) {
  const int32_t samples = params->count;
  forward_run run = {.model = model,
                     .params = params,
                     .out = out,
                     .modulation = {.steps = samples, .conditions = samples, .paired = 1}};
  dit__engine engine;
  dit__plan plan;
  dit__engine_open(&engine, model, 0);
  dit__plan_open(&plan, &engine, NULL, dit__nowhere);
  forward_plan(&plan, &run);

  const uint64_t count = (uint64_t)samples;
  dit__layout layout;
  dit__layout_open(&layout);
  const size_t ops = dit__layout_add(&layout, (uint64_t)plan.count, sizeof(dit__op));
  const size_t times = dit__layout_add(&layout, count, sizeof(double));
  const size_t second_times = dit__layout_add(&layout, count, sizeof(double));
  const size_t conditions = dit__layout_add(&layout, count, sizeof(dit__condition));
  const size_t index = dit__layout_add(&layout, count, sizeof(int32_t));
  const size_t workspace = dit__layout_add(&layout, plan.workspace.peak, 1);
  uint8_t *block =
      layout.overflow || plan.workspace.overflow ? NULL : (uint8_t *)dit__allocate(&model->options, layout.size, 64);
  if (!block)
    return dit__fail(error, DIT_ERROR_MEMORY, "dit_forward: no memory for %zu bytes of workspace", layout.size);
  double *timesteps = (double *)(void *)(block + times), *second = (double *)(void *)(block + second_times);
  dit__condition *condition = (dit__condition *)(void *)(block + conditions);
  run.modulation.timesteps = timesteps;
  run.modulation.second_timesteps = second;
  run.modulation.condition = condition;
  run.modulation_index = (int32_t *)(void *)(block + index);
  forward_fill(&run, timesteps, second, condition);
  dit__plan_open(&plan, &engine, (dit__op *)(void *)(block + ops), block + workspace);
  forward_plan(&plan, &run);
  while (dit__plan_step(&plan)) continue;
  dit__release(&model->options, block, layout.size);
  return DIT_OK;
}

/* ---- The autoencoder ---- */

static void vae_plan(dit__plan *plan, const dit__vae_call *call) {
  const dit__vae *vae = &call->model->vae;
  if (call->decode)
    dit__plan_decode(plan, vae, call->height, call->width, call->from, 1, call->budget, call->image);
  else
    dit__plan_encode(plan, vae, call->height, call->width, call->from, call->mean, call->logvar);
}

typedef struct vae_needs {
  dit__layout layout;
  size_t ops, workspace; /* offsets in the block */
  size_t peak;           /* bytes of the workspace */
} vae_needs;

static void vae_measure(const dit__engine *engine, const dit__vae_call *call, vae_needs *needs) {
  dit__plan plan;
  dit__plan_open(&plan, engine, NULL, dit__nowhere);
  vae_plan(&plan, call);
  needs->peak = plan.workspace.peak;
  dit__layout_open(&needs->layout);
  needs->ops = dit__layout_add(&needs->layout, (uint64_t)plan.count, sizeof(dit__op));
  needs->workspace = dit__layout_add(&needs->layout, plan.workspace.peak, 1);
  needs->layout.overflow |= plan.workspace.overflow;
}

double dit__vae_call_flops(const dit__vae_call *arguments) {
  dit__vae_call call = *arguments;
  dit__engine engine;
  dit__plan plan;
  call.budget = SIZE_MAX;
  call.from = call.image = (float *)(void *)dit__nowhere;
  dit__engine_open(&engine, call.model, 0);
  dit__plan_open(&plan, &engine, NULL, dit__nowhere);
  vae_plan(&plan, &call);
  return plan.flops * call.count;
}

/* Chooses the fastest way to decode within memory_limit. There is only one way to encode. */
static dit_status vae_choose(const dit__engine *engine, dit__vae_call *call, vae_needs *needs, dit_error *error) {
  const uint64_t limit = call->decode ? call->model->options.memory_limit : 0;
  size_t least = SIZE_MAX;
  for (call->budget = SIZE_MAX;; call->budget = needs->peak - 1) {
    vae_measure(engine, call, needs);
    if (!limit || needs->layout.size <= limit) return DIT_OK;
    if (needs->layout.size < least) least = needs->layout.size;
    if (needs->peak > call->budget) break;
  }
  return dit__fail(error, DIT_ERROR_MEMORY,
                   "dit_options: memory_limit is %llu bytes; this dit_vae_decode needs at least %zu",
                   (unsigned long long)limit, least);
}

/* The pictures follow each other in one workspace. */
dit_status dit__vae_call_run(const dit__vae_call *arguments, dit_error *error) {
  dit__vae_call call = *arguments;
  const dit__vae *vae = &call.model->vae;
  vae_needs needs;
  dit__engine engine;
  dit__plan plan;
  dit__engine_open(&engine, call.model, 0);
  const dit_status status = vae_choose(&engine, &call, &needs, error);
  if (status) return status;
  const size_t size = needs.layout.size;
  uint8_t *block = needs.layout.overflow ? NULL : (uint8_t *)dit__allocate(&call.model->options, size, 64);
  if (!block)
    return dit__fail(error, DIT_ERROR_MEMORY, "dit_vae_%scode: no memory for %zu bytes of workspace",
                     call.decode ? "de" : "en", size);
  const ptrdiff_t in = (ptrdiff_t)call.height * call.width * (call.decode ? vae->channels : vae->image_channels);
  const ptrdiff_t image =
      (ptrdiff_t)call.height * call.width * vae->scale_factor * vae->scale_factor * vae->image_channels;
  const ptrdiff_t latent =
      (ptrdiff_t)(call.height / vae->scale_factor) * (call.width / vae->scale_factor) * vae->channels;
  for (; call.count > 0; call.count--) {
    dit__plan_open(&plan, &engine, (dit__op *)(void *)(block + needs.ops), block + needs.workspace);
    vae_plan(&plan, &call);
    while (dit__plan_step(&plan)) continue;
    call.from += in;
    if (call.image) call.image += image;
    if (call.mean) call.mean += latent;
    if (call.logvar) call.logvar += latent;
  }
  dit__release(&call.model->options, block, size);
  return DIT_OK;
}
