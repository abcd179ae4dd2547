/* Jobs: resumable state machines that sample pictures (Ho et al. 2020; Song et al. 2020; Ho & Salimans 2022).
 *
 * Pictures go in groups that share their passes. A group takes all its steps, a window of modulation at a time, and is
 * then decoded. Every phase is a plan of units, or one small unit of its own:
 *
 *   [LOAD -> ENCODE each start picture] -> BEGIN -> [MODULATION once a window] -> PASS -> UPDATE -> ... -> DECODE ->
 *   PIXELS -> ... next group -> DONE */
#include "lib/core/numerics.h"

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

static dit__condition job_condition(const dit_model *model, const dit_params *p, const int32_t *classes,
                                    const int32_t *classes_b, int32_t picture) {
  dit__condition condition = {model->dit.null_class, -1};
  if (classes && classes[picture] >= 0) condition.a = classes[picture];
  if (classes_b && p->class_mix != 0)
    condition.b = classes_b[picture] >= 0 ? classes_b[picture] : model->dit.null_class;
  if (condition.b == condition.a) condition.b = -1;
  return condition;
}

/* The different conditions of pictures first..first+count-1 into `found` (room for `most`), and of each picture its
 * place there (`place` may be NULL); their number, or most + 1 if there are more. */
static int32_t job_conditions(const dit_model *model, const dit_params *p, int32_t first, int32_t count,
                              dit__condition *found, int32_t most, int32_t *place) {
  int32_t known = 0;
  for (int32_t i = 0; i < count; i++) {
    const dit__condition condition = job_condition(model, p, p->classes, p->classes_b, first + i);
    int32_t at = 0;
    while (at < known && (found[at].a != condition.a || found[at].b != condition.b)) at++;
    if (at == most) return most + 1;
    if (at == known) found[known++] = condition;
    if (place) place[i] = at;
  }
  return known;
}

/* ---- Starting ---- */

/* ops: where a plan is made; NULL: it is only measured. */
static dit__job_buffers job_buffers_of(dit_job *job, dit__op *ops) {
  const dit__job_layout *shape = &job->shape;
  const dit__job_buffers b = {
      dit__job_floats(job, shape->latents) + job->first * shape->latent,
      dit__job_floats(job, shape->output),
      dit__job_floats(job, shape->image),
      dit__job_floats(job, shape->modulation),
      dit__job_floats(job, shape->init) + (job->params.init_image ? job->picture * shape->latent : 0),
      dit__job_floats(job, shape->kept),
      (int32_t *)dit__job_at(job, shape->rows),
      ops,
      (uint8_t *)dit__job_at(job, shape->workspace)};
  return b;
}

/* Copies the caller's arrays into the job, and points its parameters there. */
static void job_copy(dit_job *job) {
  dit_params *p = &job->params;
  const dit__job_layout *shape = &job->shape;
  const size_t count = (size_t)p->count, latent = (size_t)shape->latent * sizeof(float);
  if (p->classes)
    p->classes = (const int32_t *)memcpy(dit__job_at(job, shape->classes), p->classes, count * sizeof(int32_t));
  if (p->classes_b)
    p->classes_b = (const int32_t *)memcpy(dit__job_at(job, shape->classes_b), p->classes_b, count * sizeof(int32_t));
  if (p->seeds) p->seeds = (const uint64_t *)memcpy(dit__job_at(job, shape->seeds), p->seeds, count * sizeof(uint64_t));
  if (p->noise) p->noise = (const float *)memcpy(dit__job_at(job, shape->noise), p->noise, count * latent);
  if (p->step_noise)
    p->step_noise =
        (const float *)memcpy(dit__job_at(job, shape->step_noise), p->step_noise, (size_t)p->steps * count * latent);
  if (p->init_image)
    p->init_image =
        (const uint8_t *)memcpy(dit__job_at(job, shape->init_image), p->init_image, count * (size_t)shape->picture);
  if (p->mask)
    p->mask =
        (const uint8_t *)memcpy(dit__job_at(job, shape->mask), p->mask, count * (size_t)p->width * (size_t)p->height);
}

/* The group that begins at picture `first`: its conditions, and for each pass the place of its condition. */
static void job_group(dit_job *job, int32_t first) {
  const dit_params *p = &job->params;
  const dit__job_layout *shape = &job->shape;
  dit__condition *condition = (dit__condition *)dit__job_at(job, shape->condition);
  int32_t *place = (int32_t *)dit__job_at(job, shape->rows) + shape->group * (1 + shape->guided);
  job->first = first;
  job->count = p->count - first < shape->group ? p->count - first : shape->group;
  job->conditions = job_conditions(job->model, p, first, job->count, condition, job->count, place);
  if (shape->guided) {
    condition[job->conditions].a = job->model->dit.null_class;
    condition[job->conditions].b = -1;
    for (int32_t i = 0; i < job->count; i++) place[job->count + i] = job->conditions;
    job->conditions++;
  }
}

/* Plans of the group under way. */
static void job_open_modulation(dit_job *job, dit__op *ops) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  const int32_t left = job->params.steps - job->window_step;
  job->wanted.steps = left < job->shape.window ? left : job->shape.window;
  job->wanted.conditions = job->conditions;
  dit__job_plan_modulation(&job->plan, &job->engine, job->model, &job->wanted, &b);
}

static void job_open_pass(dit_job *job, dit__op *ops, int32_t guided, dit__block_cache reuse) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  dit__job_plan_pass(&job->plan, &job->engine, job->model, &job->shape, job->count, guided, reuse, &b);
}

static void job_open_decode(dit_job *job, dit__op *ops) {
  dit__job_buffers b = job_buffers_of(job, ops);
  b.latents += (job->picture - job->first) * job->shape.latent;
  dit__job_plan_decode(&job->plan, &job->engine, job->model, &job->shape, &b);
}

static void job_open_encode(dit_job *job, dit__op *ops) {
  const dit__job_buffers b = job_buffers_of(job, ops);
  dit__job_plan_encode(&job->plan, &job->engine, job->model, &job->params, &b);
}

/* Units of the group under way, from its beginning to its last pixels. */
static int64_t job_group_units(dit_job *job) {
  const int32_t decodes = job->model->vae.decoder != NULL;
  int64_t units = 1, pass[2][3]; /* by guided and reuse */
  if (job->params.init_image) {
    job_open_encode(job, NULL);
    units += (job->plan.units + 1) * job->count;
  }
  for (job->window_step = job->shape.first_step; job->window_step < job->params.steps;
       job->window_step += job->shape.window) {
    job_open_modulation(job, NULL);
    units += job->plan.units;
  }
  for (int32_t guided = 0; guided <= job->shape.guided; guided++)
    for (int32_t reuse = DIT__CACHE_OFF; reuse <= DIT__CACHE_USE; reuse++) {
      job_open_pass(job, NULL, guided, (dit__block_cache)reuse);
      pass[guided][reuse] = job->plan.units;
    }
  for (int32_t step = job->shape.first_step; step < job->params.steps; step++)
    units += pass[dit__job_step_guided(job, step)][dit__job_step_reuse(job, step)] + 1;
  if (decodes) {
    job_open_decode(job, NULL);
  }
  return units + (decodes ? job->plan.units + 1 : 0) * job->count;
}

static int64_t job_all_units(dit_job *job) {
  int64_t units = 0, last = 0;
  int32_t count = 0, conditions = 0;
  for (int32_t first = 0; first < job->params.count; first += job->shape.group) {
    job_group(job, first);
    job->picture = first;
    if (job->count != count || job->conditions != conditions) last = job_group_units(job); /* else as the one before */
    count = job->count;
    conditions = job->conditions;
    units += last;
  }
  return units;
}

dit_status dit__job_start(const dit_model *model, const dit_params *params, dit_job **out, dit_error *error) {
  dit_params p;
  dit__job_layout shape;
  dit_status status = dit__params_resolve(model, params, &p, error);
  if (!status) status = dit__job_layout_choose(model, &p, &shape, error);
  if (status) return status;
  dit_job *job = (dit_job *)dit__allocate(&model->options, shape.size, 64);
  if (!job) return dit__fail(error, DIT_ERROR_MEMORY, "dit_job_start: no memory for %zu bytes", shape.size);
  memset(job, 0, sizeof *job);
  job->model = model;
  job->params = p;
  job->shape = shape;
  job->status = DIT_MORE;
  dit__engine_open(&job->engine, model, p.threads);
  job->engine.packing_clock = &job->packing;
  job_copy(job);
  dit__schedule(&model->dit.diffusion, p.steps, p.timestep_spacing, p.sampler, p.eta, p.steps,
                (dit_schedule_row *)dit__job_at(job, shape.schedule), NULL);
  job->wanted.mix = p.class_mix;
  job->wanted.timesteps = (double *)dit__job_at(job, shape.times);
  job->wanted.condition = (dit__condition *)dit__job_at(job, shape.condition);
  job->units_total = job_all_units(job);
  job_group(job, 0);
  job->picture = 0;
  job->step = shape.first_step;
  job->phase = p.init_image ? JOB_LOAD : JOB_BEGIN;
  dit__model_hold(model);
  *out = job;
  return DIT_OK;
}

/* ---- Working ---- */

/* Timesteps of the window, and the row of modulation of each pass at the step under way. */
static void job_window(dit_job *job) {
  const dit_schedule_row *row = (const dit_schedule_row *)dit__job_at(job, job->shape.schedule);
  double *times = (double *)dit__job_at(job, job->shape.times);
  job->window_step = job->step;
  for (int32_t s = 0; s < job->shape.window && job->step + s < job->params.steps; s++)
    times[s] = row[job->step + s].timestep;
}

static void job_rows(dit_job *job, int32_t guided) {
  int32_t *rows = (int32_t *)dit__job_at(job, job->shape.rows);
  const int32_t *place = rows + job->shape.group * (1 + job->shape.guided);
  for (int32_t i = 0; i < job->count * (1 + guided); i++)
    rows[i] = (job->step - job->window_step) * job->conditions + place[i];
}

/* Opens the plan of the phase that now begins. */
static void job_open(dit_job *job) {
  dit__op *ops = (dit__op *)dit__job_at(job, job->shape.ops);
  const int32_t guided = dit__job_step_guided(job, job->step);
  if (job->phase == JOB_ENCODE) {
    job_open_encode(job, ops);
  } else if (job->phase == JOB_MODULATION) {
    job_window(job);
    job_open_modulation(job, ops);
  } else if (job->phase == JOB_PASS) {
    job_rows(job, guided);
    job_open_pass(job, ops, guided, dit__job_step_reuse(job, job->step));
  } else if (job->phase == JOB_DECODE) {
    job_open_decode(job, ops);
  }
}

static void job_enter(dit_job *job, job_phase phase) {
  job->phase = phase;
  job_open(job);
}

/* The next group, or the end. */
static void job_next_group(dit_job *job) {
  const int32_t next = job->first + job->count;
  if (next >= job->params.count) {
    job->phase = JOB_DONE;
    return;
  }
  job_group(job, next);
  job->picture = next;
  job->step = job->shape.first_step;
  job_enter(job, job->params.init_image ? JOB_LOAD : JOB_BEGIN);
}

/* Pictures up to `ready` are finished; the next is decoded, or the next group begins. */
static void job_next_picture(dit_job *job) {
  if (job->phase == JOB_PIXELS)
    job->picture++;
  else
    job->picture = job->first;
  if (!job->model->vae.decoder) job->picture = job->first + job->count;
  dit__atomic_store(&job->ready, job->picture);
  if (job->picture < job->first + job->count)
    job_enter(job, JOB_DECODE);
  else
    job_next_group(job);
}

static void job_next_step(dit_job *job) {
  job->step++;
  dit__atomic_add(&job->steps_done, 1);
  if (job->step == job->params.steps)
    job_next_picture(job);
  else
    job_enter(job, job->step == job->window_step + job->shape.window ? JOB_MODULATION : JOB_PASS);
}

/* One unit of work. */
static void job_unit(dit_job *job) {
  switch (job->phase) {
    case JOB_LOAD:
      dit__job_load(job);
      job_enter(job, JOB_ENCODE);
      break;
    case JOB_ENCODE:
      if (dit__plan_step(&job->plan)) break;
      job->picture++;
      job_enter(job, job->picture < job->first + job->count ? JOB_LOAD : JOB_BEGIN);
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
      job_next_picture(job);
      break;
    default: break;
  }
  dit__atomic_add(&job->units, 1);
}

/* The next unit; DIT__UNIT_SAMPLING: one of the job itself. */
static dit__unit job_next(const dit_job *job) {
  dit__unit unit = {DIT__UNIT_SAMPLING, (double)job->shape.latent * job->count * 400, 0};
  switch (job->phase) {
    case JOB_MODULATION:
    case JOB_PASS:
    case JOB_DECODE:
    case JOB_ENCODE: return dit__plan_next(&job->plan);
    case JOB_LOAD:
    case JOB_PIXELS: unit.flops = (double)job->shape.picture * 16; break;
    default: break;
  }
  return unit;
}

/* Microseconds a flop of a kind of unit; of one that was not run yet, as slow as the slowest that was. */
static double job_pace(const dit_job *job, int32_t kind) {
  double pace = job->pace[kind];
  for (int32_t i = 0; i < DIT__UNIT_KINDS && job->pace[kind] == 0; i++)
    pace = job->pace[i] > pace ? job->pace[i] : pace;
  return pace;
}

/* Units until the time is up: at least one, and none that is expected to end too late. */
void dit__job_work(dit_job *job, int64_t microseconds) {
  const int64_t start = dit__clock();
  int64_t now = start;
  for (int32_t first = 1; job->phase != JOB_DONE && !dit__atomic_load(&job->cancelled); first = 0) {
    const dit__unit unit = job_next(job);
    const double expected = unit.flops * job_pace(job, unit.kind);
    if (microseconds >= 0 && !first && (double)(now - start) + expected >= (double)microseconds) break;
    job_unit(job);
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
