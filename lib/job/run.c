/* Jobs: resumable state machines that sample pictures (Ho et al. 2020; Song et al. 2020; Ho & Salimans 2022).
 *
 * Pictures go in batches that share their passes. A batch takes all its steps and is then decoded, picture by picture;
 * modulation is computed for a window of steps at a time. Every phase is a plan of units, or one small unit of its own:
 *
 *   for each batch
 *     for each picture to start from   LOAD, ENCODE (a plan)
 *     once                             BEGIN
 *     for each step                    MODULATION (a plan; at the first step of a window), PASS (a plan), UPDATE
 *     for each picture                 DECODE (a plan), PIXELS
 *   DONE */
#include "lib/core/numerics.h"
#include "lib/core/atomic.h"

#include <string.h>

#include "lib/core/error.h"
#include "lib/job/job.h"
#include "lib/job/params.h"
#include "lib/sampling/schedule.h"

typedef enum job_phase {
  JOB_LOAD,
  JOB_ENCODE,
  JOB_BEGIN,
  JOB_MODULATION,
  JOB_PASS,
  JOB_UPDATE,
  JOB_DECODE,
  JOB_PIXELS,
  JOB_DONE
} job_phase;

/* ---- Conditions ---- */

/* Of one picture: its class, or a mix of its two classes. */
static dit__condition job_condition(const dit_model *model, const dit_params *p, int32_t picture) {
  const int32_t null_class = model->dit.null_class;
  dit__condition condition = {null_class, -1};
  if (p->classes && p->classes[picture] != DIT_NO_CLASS) condition.a = p->classes[picture];
  if (p->classes_b && p->class_mix != 0)
    condition.b = p->classes_b[picture] != DIT_NO_CLASS ? p->classes_b[picture] : null_class;
  if (condition.b == condition.a) condition.b = -1;
  return condition;
}

/* Writes the different conditions of pictures first..first+count-1, and for each picture the index of its own. Returns
 * how many there are, at most `count`. */
static int32_t job_conditions(const dit_model *model, const dit_params *p, int32_t first, int32_t count,
                              dit__condition *conditions, int32_t *index) {
  int32_t known = 0;
  for (int32_t i = 0; i < count; i++) {
    const dit__condition condition = job_condition(model, p, first + i);
    int32_t at = 0;
    while (at < known && (conditions[at].a != condition.a || conditions[at].b != condition.b)) at++;
    if (at == known) conditions[known++] = condition;
    index[i] = at;
  }
  return known;
}

/* ---- Plans of the batch under way ---- */

/* ops: where a plan is made, or NULL if it is only measured. */
static dit__job_buffers job_buffers_of(dit_job *job, dit__op *ops) {
  const int64_t latent = job->layout.latent, init = job->params.init_image ? job->picture * latent : 0;
  const dit__job_buffers b = {.latents = dit__job_floats(job, DIT__JOB_LATENTS) + job->batch_first * latent,
                              .output = dit__job_floats(job, DIT__JOB_OUTPUT),
                              .image = dit__job_floats(job, DIT__JOB_IMAGE),
                              .modulation = dit__job_floats(job, DIT__JOB_MODULATION),
                              .init_latent = dit__job_floats(job, DIT__JOB_INIT_LATENTS) + init,
                              .block_cache = dit__job_floats(job, DIT__JOB_BLOCK_CACHE),
                              .modulation_index = (int32_t *)dit__job_at(job, DIT__JOB_MODULATION_INDEX),
                              .ops = ops,
                              .workspace = (uint8_t *)dit__job_at(job, DIT__JOB_WORKSPACE)};
  return b;
}

static void job_open_modulation(dit_job *job, dit__op *ops) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  const int32_t left = job->layout.rows - job->window_first, window = job->layout.modulation_window;
  job->modulation_request.steps = left < window ? left : window;
  job->modulation_request.conditions = job->conditions;
  dit__job_plan_modulation(&job->plan, &job->engine, job->model, &job->modulation_request, &b);
}

static void job_open_pass(dit_job *job, dit__op *ops, int32_t guided, dit__block_cache cache) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  dit__job_plan_pass(&job->plan, &job->engine, job->model, &job->layout, job->batch_count, guided, cache, &b);
}

static void job_open_decode(dit_job *job, dit__op *ops) {
  dit__job_buffers b = job_buffers_of(job, ops);
  b.latents += (job->picture - job->batch_first) * job->layout.latent;
  dit__job_plan_decode(&job->plan, &job->engine, job->model, &job->layout, &b);
}

static void job_open_encode(dit_job *job, dit__op *ops) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  dit__job_plan_encode(&job->plan, &job->engine, job->model, &job->params, &b);
}

/* ---- Starting ---- */

static const void *job_copy_array(dit_job *job, dit__job_part part, const void *from, size_t size) {
  return from ? memcpy(dit__job_at(job, part), from, size) : NULL;
}

/* Copies the caller's arrays into the job, and points its parameters there. */
static void job_copy(dit_job *job) {
  dit_params *p = &job->params;
  const size_t count = (size_t)p->count, latent = (size_t)job->layout.latent * sizeof(float);
  const size_t steps = (size_t)p->steps, picture = (size_t)job->layout.picture;
  const size_t area = (size_t)p->width * (size_t)p->height;
  p->classes = (const int32_t *)job_copy_array(job, DIT__JOB_CLASSES, p->classes, count * sizeof(int32_t));
  p->classes_b = (const int32_t *)job_copy_array(job, DIT__JOB_CLASSES_B, p->classes_b, count * sizeof(int32_t));
  p->seeds = (const uint64_t *)job_copy_array(job, DIT__JOB_SEEDS, p->seeds, count * sizeof(uint64_t));
  p->noise = (const float *)job_copy_array(job, DIT__JOB_NOISE, p->noise, count * latent);
  p->step_noise = (const float *)job_copy_array(job, DIT__JOB_STEP_NOISE, p->step_noise, steps * count * latent);
  p->init_image = (const uint8_t *)job_copy_array(job, DIT__JOB_INIT_IMAGE, p->init_image, count * picture);
  p->mask = (const uint8_t *)job_copy_array(job, DIT__JOB_MASK, p->mask, count * area);
}

/* Begins the batch whose first picture is `first`: its conditions, and for each sample of a pass the index of one. */
static void job_begin_batch(dit_job *job, int32_t first) {
  const dit_params *p = &job->params;
  dit__condition *conditions = (dit__condition *)dit__job_at(job, DIT__JOB_CONDITIONS);
  int32_t *index = (int32_t *)dit__job_at(job, DIT__JOB_CONDITION_INDEX);
  job->batch_first = job->picture = first;
  job->batch_count = p->count - first < job->layout.batch ? p->count - first : job->layout.batch;
  job->conditions = job_conditions(job->model, p, first, job->batch_count, conditions, index);
  if (job->layout.guided) {
    conditions[job->conditions].a = job->model->dit.null_class;
    conditions[job->conditions].b = -1;
    for (int32_t i = 0; i < job->batch_count; i++) index[job->batch_count + i] = job->conditions;
    job->conditions++;
  }
}

/* How many units the batch under way takes, from its beginning to its last pixels. */
static int64_t job_batch_units(dit_job *job) {
  const dit__job_layout *layout = &job->layout;
  int64_t units = 1, pass[2][3]; /* by guided and dit__block_cache */
  if (job->params.init_image) {
    job_open_encode(job, NULL);
    units += (job->plan.units + 1) * job->batch_count;
  }
  for (job->window_first = layout->first_step; job->window_first < layout->rows;
       job->window_first += layout->modulation_window) {
    job_open_modulation(job, NULL);
    units += job->plan.units;
  }
  for (int32_t guided = 0; guided <= layout->guided; guided++)
    for (int32_t cache = DIT__CACHE_OFF; cache <= DIT__CACHE_USE; cache++) {
      job_open_pass(job, NULL, guided, (dit__block_cache)cache);
      pass[guided][cache] = job->plan.units;
    }
  for (int32_t step = layout->first_step; step < layout->rows; step++)
    units += pass[dit__job_step_guided(job, step)][dit__job_step_cache(job, step)] + 1;
  if (job->model->vae.decoder) {
    job_open_decode(job, NULL);
    units += job->plan.units * job->batch_count;
  }
  if (dit__model_draws(job->model)) units += job->batch_count;
  return units;
}

static int64_t job_all_units(dit_job *job) {
  int64_t units = 0, last = 0;
  int32_t count = 0, conditions = 0;
  for (int32_t first = 0; first < job->params.count; first += job->layout.batch) {
    job_begin_batch(job, first);
    /* A batch of as many pictures and conditions as the one before it takes as many units. */
    if (job->batch_count != count || job->conditions != conditions) last = job_batch_units(job);
    count = job->batch_count;
    conditions = job->conditions;
    units += last;
  }
  return units;
}

dit_status dit__job_start(const dit_model *model, const dit_params *params, dit_job **out, dit_error *error) {
  dit_params p;
  dit__job_layout layout;
  dit_status status = dit__params_resolve(model, params, &p, error);
  if (!status) status = dit__job_layout_choose(model, &p, &layout, error);
  if (status) return status;
  dit_job *job = (dit_job *)dit__allocate(&model->options, layout.size, 64);
  if (!job) return dit__fail(error, DIT_ERROR_MEMORY, "dit_job_start: no memory for %zu bytes", layout.size);
  memset(job, 0, sizeof *job);
  job->model = model;
  job->params = p;
  job->layout = layout;
  job->status = DIT_MORE;
  dit__engine_open(&job->engine, model, p.threads);
  job->engine.packing_clock = &job->packing;
  job_copy(job);
  const dit__process process = dit__params_process(model, &p);
  dit__schedule(&process, p.steps, p.timestep_spacing, p.sampler, p.eta, DIT__MAX_STEPS,
                (dit_schedule_row *)dit__job_at(job, DIT__JOB_SCHEDULE), NULL);
  job->modulation_request.mix = p.class_mix;
  job->modulation_request.timesteps = (double *)dit__job_at(job, DIT__JOB_TIMESTEPS);
  job->modulation_request.second_timesteps = (double *)dit__job_at(job, DIT__JOB_SECOND_TIMESTEPS);
  job->modulation_request.condition = (dit__condition *)dit__job_at(job, DIT__JOB_CONDITIONS);
  job->units_total = job_all_units(job);
  job_begin_batch(job, 0);
  job->step = layout.first_step;
  job->phase = p.init_image ? JOB_LOAD : JOB_BEGIN;
  dit__model_hold(model);
  *out = job;
  return DIT_OK;
}

/* ---- Working ---- */

/* Begins a window of modulation at the step under way: its timesteps. */
static void job_begin_window(dit_job *job) {
  const dit_schedule_row *rows = (const dit_schedule_row *)dit__job_at(job, DIT__JOB_SCHEDULE);
  double *timesteps = (double *)dit__job_at(job, DIT__JOB_TIMESTEPS);
  double *second = (double *)dit__job_at(job, DIT__JOB_SECOND_TIMESTEPS);
  job->window_first = job->step;
  for (int32_t s = 0; s < job->layout.modulation_window && job->step + s < job->layout.rows; s++) {
    timesteps[s] = rows[job->step + s].timestep;
    if (job->model->info.second_timestep) second[s] = rows[job->step + s].second_timestep;
  }
}

/* The row of modulation of each sample at the step under way. */
static void job_index_modulation(dit_job *job, int32_t guided) {
  int32_t *row = (int32_t *)dit__job_at(job, DIT__JOB_MODULATION_INDEX);
  const int32_t *condition = (const int32_t *)dit__job_at(job, DIT__JOB_CONDITION_INDEX);
  for (int32_t i = 0; i < job->batch_count * (1 + guided); i++)
    row[i] = (job->step - job->window_first) * job->conditions + condition[i];
}

/* Enters a phase, and makes its plan if it has one. */
static void job_enter(dit_job *job, job_phase phase) {
  dit__op *ops = (dit__op *)dit__job_at(job, DIT__JOB_OPS);
  const int32_t guided = dit__job_step_guided(job, job->step);
  job->phase = phase;
  switch (phase) {
    case JOB_ENCODE: job_open_encode(job, ops); break;
    case JOB_MODULATION:
      job_begin_window(job);
      job_open_modulation(job, ops);
      break;
    case JOB_PASS:
      job_index_modulation(job, guided);
      job_open_pass(job, ops, guided, dit__job_step_cache(job, job->step));
      break;
    case JOB_DECODE: job_open_decode(job, ops); break;
    default: break;
  }
}

/* The next batch, or the end. */
static void job_next_batch(dit_job *job) {
  const int32_t next = job->batch_first + job->batch_count;
  if (next >= job->params.count) {
    job->phase = JOB_DONE;
    return;
  }
  job_begin_batch(job, next);
  job->step = job->layout.first_step;
  job_enter(job, job->params.init_image ? JOB_LOAD : JOB_BEGIN);
}

/* Decodes the picture under way, if the batch has one left, or goes on to the next batch. */
static void job_next_picture(dit_job *job, int32_t picture) {
  const int32_t end = job->batch_first + job->batch_count;
  job->picture = dit__model_draws(job->model) ? picture : end;
  dit__atomic_store(&job->ready, job->picture);
  if (job->picture < end)
    job_enter(job, job->model->vae.decoder ? JOB_DECODE : JOB_PIXELS);
  else
    job_next_batch(job);
}

static void job_next_step(dit_job *job) {
  job->step++;
  dit__atomic_add(&job->steps_done, 1);
  if (job->step == job->layout.rows)
    job_next_picture(job, job->batch_first);
  else
    job_enter(job, job->step == job->window_first + job->layout.modulation_window ? JOB_MODULATION : JOB_PASS);
}

/* Runs one unit of work. */
static void job_run_unit(dit_job *job) {
  switch (job->phase) {
    case JOB_LOAD:
      dit__job_load(job);
      job_enter(job, JOB_ENCODE);
      break;
    case JOB_ENCODE:
      if (dit__plan_step(&job->plan)) break;
      job->picture++;
      job_enter(job, job->picture < job->batch_first + job->batch_count ? JOB_LOAD : JOB_BEGIN);
      break;
    case JOB_BEGIN:
      dit__job_begin(job);
      job_enter(job, JOB_MODULATION);
      break;
    case JOB_MODULATION:
      if (!dit__plan_step(&job->plan)) job_enter(job, JOB_PASS);
      break;
    case JOB_PASS:
      if (!dit__plan_step(&job->plan)) job->phase = JOB_UPDATE;
      break;
    case JOB_UPDATE:
      dit__job_update(job);
      job_next_step(job);
      break;
    case JOB_DECODE:
      if (!dit__plan_step(&job->plan)) job->phase = JOB_PIXELS;
      break;
    case JOB_PIXELS:
      dit__job_pixels(job);
      job_next_picture(job, job->picture + 1);
      break;
    default: break;
  }
  dit__atomic_add(&job->units, 1);
}

/* What the next unit is, and about how many flops it takes; the job's own units have kind DIT__UNIT_SAMPLING. */
static dit__unit job_next_unit(const dit_job *job) {
  dit__unit unit = {DIT__UNIT_SAMPLING, (double)job->layout.latent * job->batch_count * 400, 0};
  switch (job->phase) {
    case JOB_MODULATION:
    case JOB_PASS:
    case JOB_DECODE:
    case JOB_ENCODE: return dit__plan_next(&job->plan);
    case JOB_LOAD:
    case JOB_PIXELS: unit.flops = (double)job->layout.picture * 16; break;
    default: break;
  }
  return unit;
}

/* Estimated microseconds per flop of a kind of unit. A kind that was not run yet is taken to be as slow as the slowest
 * that was. */
static double job_pace(const dit_job *job, int32_t kind) {
  double pace = job->pace[kind];
  for (int32_t i = 0; i < DIT__UNIT_KINDS && job->pace[kind] == 0; i++)
    pace = job->pace[i] > pace ? job->pace[i] : pace;
  return pace;
}

/* Runs units until the time is up: at least one, and none that is expected to end too late. */
void dit__job_work(dit_job *job, int64_t microseconds) {
  const int64_t start = dit__clock();
  int64_t now = start;
  for (int32_t first = 1; job->phase != JOB_DONE && !dit__atomic_load(&job->cancelled); first = 0) {
    const dit__unit unit = job_next_unit(job);
    const double expected = unit.flops * job_pace(job, unit.kind);
    if (microseconds >= 0 && !first && (double)(now - start) + expected >= (double)microseconds) break;
    job_run_unit(job);
    const int64_t end = dit__clock();
    dit_profile_row *row = &job->profile[unit.kind];
    double *pace = &job->pace[unit.kind], new_pace = (double)(end - now) / unit.flops;
    *pace = new_pace > *pace ? new_pace : 0.75 * *pace + 0.25 * new_pace;
    row->seconds += 1e-6 * (double)(end - now - job->packing);
    job->profile[DIT__UNIT_PACKING].seconds += 1e-6 * (double)job->packing;
    job->packing = 0;
    row->gflop += 1e-9 * unit.useful;
    row->units++;
    now = end;
  }
  job->worked += now - start;
  dit__atomic_store(&job->milliseconds, (intptr_t)(job->worked / 1000));
}

int32_t dit__job_done(const dit_job *job) { return job->phase == JOB_DONE; }
