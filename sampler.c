/* Jobs: resumable state machines that sample pictures (Ho et al. 2020; Song et al. 2020; Ho & Salimans 2022).
 *
 * Pictures go in groups that share their passes. A group takes all its steps, a window of modulation at a time, and is
 * then decoded. Every phase is a plan of units, or one small unit of its own:
 *
 *   [LOAD -> ENCODE each start picture] -> BEGIN -> [MODULATION once a window] -> PASS -> UPDATE -> ... -> DECODE ->
 *   PIXELS -> ... next group -> DONE */
#include "numerics.h"

#include <math.h>
#include <string.h>

#include "edit.h"
#include "model.h"

enum { JOB_ROWS = 2048 };       /* tokens of a group's pass, about */
enum { JOB_WINDOW = 32 << 20 }; /* bytes of modulation of a window */

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

/* How a job is laid out: sizes that follow from parameters, and where its parts lie in its one block. */
typedef struct job_shape {
  int32_t height, width;     /* of the latent */
  int32_t group, conditions; /* pictures of a group; conditions of one at most */
  int32_t window;            /* steps of modulation at a time */
  int32_t guided;            /* 1: some steps have two passes */
  int32_t first_step;        /* steps before are left out: strength */
  int64_t latent, picture;   /* numbers of a latent; bytes of a picture */
  size_t classes, classes_b, seeds, noise, step_noise, init_image, mask; /* copies of the caller's arrays */
  size_t streams; /* of a group's pictures, if a generator of PyTorch's makes them */
  size_t schedule, latents, clean, fresh, output, image, pixels;
  size_t init, weights, depth; /* encoded start pictures; masks of latents; depths of one mask */
  size_t times, condition, rows, modulation, ops, scratch, workspace;
  size_t size;
  int32_t overflow;
} job_shape;

struct dit_job {
  const dit_model *model;
  dit_params params;
  job_shape shape;
  dit__engine engine;
  dit__plan plan;
  dit__rows wanted; /* modulation of the window */
  int32_t phase;
  int32_t first, count;      /* pictures of the group under way */
  int32_t step, window_step; /* step under way; first step of the window */
  int32_t picture;           /* being encoded or decoded */
  int32_t begun;             /* pictures that have a latent */
  int32_t conditions;        /* of the group; the null class is the last if the job is guided */
  /* Of each kind of operation; the last: units of the job itself. */
  double pace[DIT__KINDS + 1]; /* microseconds per flop, lately */
  dit_profile_row profile[DIT__KINDS + 1];
  int64_t units_total, worked; /* worked: microseconds in dit_job_advance */
  /* Atomic, read by other threads: */
  intptr_t units, milliseconds, steps_done, ready, status, cancelled;
};

static void *job_at(dit_job *job, size_t place) { return (uint8_t *)job + place; }
static float *job_floats(dit_job *job, size_t place) { return (float *)job_at(job, place); }

/* ---- Conditions ---- */

static dit__condition job_condition(const dit_model *model, const dit_params *p, const int32_t *classes,
                                    const int32_t *classes_b, int32_t picture) {
  dit__condition condition = {model->dit.null_class, -1};
  if (classes && classes[picture] >= 0) condition.a = classes[picture];
  if (classes_b && p->mix != 0) condition.b = classes_b[picture] >= 0 ? classes_b[picture] : model->dit.null_class;
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

/* Whether step k is guided. */
static int32_t job_step_guided(const dit_job *job, int32_t step) {
  const double at = (step + 0.5) / job->params.steps;
  return job->shape.guided && at >= (double)job->params.guidance_from && at <= (double)job->params.guidance_to;
}

/* ---- Plans ---- */

/* Where the buffers of plans are: in a job, or nowhere while it is measured. */
typedef struct job_buffers {
  float *latents, *output, *image, *modulation, *init;
  const int32_t *rows;
  uint8_t *workspace;
} job_buffers;

static void job_plan_modulation(dit__plan *plan, dit__arena *arena, const dit_model *model, const dit__rows *wanted,
                                const job_buffers *b) {
  dit__arena_open(arena, b->workspace);
  dit__plan_modulation(plan, arena, &model->dit, wanted, b->modulation);
  dit__plan_close(plan);
}

static void job_plan_pass(dit__plan *plan, dit__arena *arena, const dit_model *model, const job_shape *shape,
                          int32_t count, int32_t guided, const job_buffers *b) {
  dit__arena_open(arena, b->workspace);
  dit__plan_pass(plan, arena, &model->dit, count * (1 + guided), count, shape->height, shape->width, b->latents,
                 b->modulation, b->rows, b->output);
  dit__plan_close(plan);
}

static void job_plan_decode(dit__plan *plan, dit__arena *arena, const dit_model *model, const job_shape *shape,
                            const job_buffers *b) {
  dit__arena_open(arena, b->workspace);
  dit__plan_decode(plan, arena, &model->vae, shape->height, shape->width, b->latents, 1.0 / model->vae.scaling,
                   b->image);
  dit__plan_close(plan);
}

static void job_plan_encode(dit__plan *plan, dit__arena *arena, const dit_model *model, const dit_params *p,
                            const job_buffers *b) {
  dit__arena_open(arena, b->workspace);
  dit__plan_encode(plan, arena, &model->vae, p->height, p->width, b->image, b->init, NULL);
  dit__plan_close(plan);
}

/* ---- Memory ---- */

typedef struct job_needs {
  int32_t ops, overflow;
  size_t scratch, workspace;
} job_needs;

static void job_needs_add(job_needs *needs, const dit__plan *plan, const dit__arena *arena) {
  if (plan->count > needs->ops) needs->ops = plan->count;
  if (plan->scratch > needs->scratch) needs->scratch = plan->scratch;
  if (arena->peak > needs->workspace) needs->workspace = arena->peak;
  needs->overflow |= arena->overflow;
}

/* What the plans of a shape need at most: one by one, nothing is kept. Smaller groups and windows, which may come last,
 * are measured too, for they are cut in other ways; fewer conditions than the most need no more. */
static job_needs job_measure(const dit_model *model, const dit_params *p, const job_shape *shape) {
  float *const nowhere = (float *)(void *)dit__nowhere;
  const job_buffers buffers = {nowhere, nowhere, nowhere, nowhere, nowhere, (const int32_t *)nowhere, dit__nowhere};
  const int32_t groups[2] = {shape->group, p->count % shape->group};
  const int32_t windows[2] = {shape->window, (p->steps - shape->first_step) % shape->window};
  job_needs needs = {0, 0, 0, 0};
  dit__engine engine;
  dit__plan plan;
  dit__arena arena;
  dit__engine_open(&engine, model, p->threads, NULL);
  for (int i = 0; i < 2; i++) {
    const dit__rows wanted = {windows[i], shape->conditions, 0, 0, NULL, NULL};
    if (!windows[i]) continue;
    dit__plan_open(&plan, &engine, NULL);
    job_plan_modulation(&plan, &arena, model, &wanted, &buffers);
    job_needs_add(&needs, &plan, &arena);
  }
  for (int i = 0; i < 2; i++)
    for (int32_t guided = 0; groups[i] && guided <= shape->guided; guided++) {
      dit__plan_open(&plan, &engine, NULL);
      job_plan_pass(&plan, &arena, model, shape, groups[i], guided, &buffers);
      job_needs_add(&needs, &plan, &arena);
    }
  if (model->vae.decoder) {
    dit__plan_open(&plan, &engine, NULL);
    job_plan_decode(&plan, &arena, model, shape, &buffers);
    job_needs_add(&needs, &plan, &arena);
  }
  if (p->init_image) {
    dit__plan_open(&plan, &engine, NULL);
    job_plan_encode(&plan, &arena, model, p, &buffers);
    job_needs_add(&needs, &plan, &arena);
  }
  return needs;
}

/* Lays a job out with groups of `group` pictures and windows of `window` steps. */
static void job_lay_out(const dit_model *model, const dit_params *p, job_shape *shape) {
  const uint64_t count = (uint64_t)p->count, latent = (uint64_t)shape->latent, group = (uint64_t)shape->group;
  const uint64_t passes = 1 + (uint64_t)shape->guided,
                 out = latent / (uint64_t)model->dit.channels * (uint64_t)model->dit.out_channels;
  const uint64_t rows = (uint64_t)shape->window * (uint64_t)shape->conditions;
  const uint64_t picture = (uint64_t)shape->picture, area = (uint64_t)p->width * (uint64_t)p->height;
  const int decodes = model->vae.decoder != NULL;
  const job_needs needs = job_measure(model, p, shape);
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
  shape->schedule = dit__layout_add(&l, DIT__STEPS_MOST, sizeof(dit_schedule_row)); /* the same for any steps */
  shape->latents = dit__layout_add(&l, count * latent, sizeof(float));
  shape->clean = dit__layout_add(&l, count * latent, sizeof(float));
  shape->fresh = dit__layout_add(&l, latent, sizeof(float));
  shape->output = dit__layout_add(&l, group * passes * out, sizeof(float));
  shape->image = dit__layout_add(&l, decodes || p->init_image ? picture : 0, sizeof(float));
  shape->pixels = dit__layout_add(&l, decodes ? count * picture : 0, 1);
  shape->times = dit__layout_add(&l, (uint64_t)shape->window, sizeof(double));
  shape->condition = dit__layout_add(&l, (uint64_t)shape->conditions, sizeof(dit__condition));
  shape->rows = dit__layout_add(&l, group * passes, 2 * sizeof(int32_t));
  shape->modulation = dit__layout_add(&l, rows * (uint64_t)dit__modulation_size(&model->dit), sizeof(float));
  shape->ops = dit__layout_add(&l, (uint64_t)needs.ops, sizeof(dit__op));
  shape->scratch = dit__layout_add(&l, needs.scratch, 1);
  shape->workspace = dit__layout_add(&l, needs.workspace, 1);
  shape->size = l.size;
  shape->overflow = l.overflow || needs.overflow;
}

/* Steps that are taken of a schedule when a start picture is noised to `strength` of it: at least one. */
static int32_t job_strength_steps(const dit_params *p) {
  const int32_t steps = (int32_t)((double)p->strength * p->steps + 0.5);
  return steps < 1 ? 1 : steps;
}

/* Chooses groups and windows, as large as is of use, or as memory_limit allows. */
static dit_status job_shape_choose(const dit_model *model, const dit_params *p, job_shape *shape, dit_error *error) {
  const dit__transformer *dit = &model->dit;
  const int32_t factor = model->vae.levels ? model->vae.factor : 1;
  memset(shape, 0, sizeof *shape);
  shape->height = p->height / factor;
  shape->width = p->width / factor;
  shape->latent = (int64_t)dit->channels * shape->height * shape->width;
  shape->picture = (int64_t)model->vae.image_channels * p->height * p->width;
  if (p->init_image) shape->first_step = p->steps - job_strength_steps(p);
  for (int32_t i = 0; p->guidance != 1 && p->classes && i < p->count;
       i++) /* without a class both passes are the same */
    if (p->classes[i] != -1 || p->classes_b) shape->guided = 1;
  const int64_t tokens = (int64_t)(shape->height / dit->patch) * (shape->width / dit->patch) * (1 + shape->guided);
  const int64_t fit = JOB_ROWS / tokens, row = dit__modulation_size(dit) * (int64_t)sizeof(float);
  shape->group = fit < 1 ? 1 : fit < p->count ? (int32_t)fit : p->count;
  for (;;) {
    shape->conditions = shape->group + shape->guided;
    const int64_t window = JOB_WINDOW / (row * shape->conditions);
    const int32_t steps = p->steps - shape->first_step;
    shape->window = window < 1 ? 1 : window < steps ? (int32_t)window : steps;
    for (;; shape->window = (shape->window + 1) / 2) {
      job_lay_out(model, p, shape);
      if (shape->overflow)
        return dit__fail(error, DIT_ERROR_MEMORY, "dit_params: a job of this size does not fit the address space");
      if (!model->options.memory_limit || shape->size <= model->options.memory_limit) return DIT_OK;
      if (shape->window == 1) break;
    }
    if (shape->group == 1) break;
    shape->group = (shape->group + 1) / 2;
  }
  return dit__fail(error, DIT_ERROR_MEMORY, "dit_options: memory_limit is %llu bytes; this job needs at least %llu",
                   (unsigned long long)model->options.memory_limit, (unsigned long long)shape->size);
}

dit_status dit_job_memory(const dit_model *model, const dit_params *params, size_t *bytes, dit_error *error) {
  dit_params p;
  job_shape shape;
  dit__environment saved;
  if (!bytes) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_memory: bytes is NULL");
  p.struct_size = sizeof p;
  dit_status status = dit_params_resolve(model, params, &p, error);
  if (status) return status;
  dit__environment_enter(&saved);
  status = job_shape_choose(model, &p, &shape, error);
  dit__environment_leave(&saved);
  if (!status) *bytes = shape.size;
  return status;
}

/* ---- Starting ---- */

static job_buffers job_buffers_of(dit_job *job) {
  const job_shape *shape = &job->shape;
  const job_buffers b = {job_floats(job, shape->latents) + job->first * shape->latent,
                         job_floats(job, shape->output),
                         job_floats(job, shape->image),
                         job_floats(job, shape->modulation),
                         job_floats(job, shape->init) + (job->params.init_image ? job->picture * shape->latent : 0),
                         (int32_t *)job_at(job, shape->rows),
                         (uint8_t *)job_at(job, shape->workspace)};
  return b;
}

/* Copies the caller's arrays into the job, and points its parameters there. */
static void job_copy(dit_job *job) {
  dit_params *p = &job->params;
  const job_shape *shape = &job->shape;
  const size_t count = (size_t)p->count, latent = (size_t)shape->latent * sizeof(float);
  if (p->classes)
    p->classes = (const int32_t *)memcpy(job_at(job, shape->classes), p->classes, count * sizeof(int32_t));
  if (p->classes_b)
    p->classes_b = (const int32_t *)memcpy(job_at(job, shape->classes_b), p->classes_b, count * sizeof(int32_t));
  if (p->seeds) p->seeds = (const uint64_t *)memcpy(job_at(job, shape->seeds), p->seeds, count * sizeof(uint64_t));
  if (p->noise) p->noise = (const float *)memcpy(job_at(job, shape->noise), p->noise, count * latent);
  if (p->step_noise)
    p->step_noise =
        (const float *)memcpy(job_at(job, shape->step_noise), p->step_noise, (size_t)p->steps * count * latent);
  if (p->init_image)
    p->init_image =
        (const uint8_t *)memcpy(job_at(job, shape->init_image), p->init_image, count * (size_t)shape->picture);
  if (p->mask)
    p->mask = (const uint8_t *)memcpy(job_at(job, shape->mask), p->mask, count * (size_t)p->width * (size_t)p->height);
}

/* The group that begins at picture `first`: its conditions, and for each pass the place of its condition. */
static void job_group(dit_job *job, int32_t first) {
  const dit_params *p = &job->params;
  const job_shape *shape = &job->shape;
  dit__condition *condition = (dit__condition *)job_at(job, shape->condition);
  int32_t *place = (int32_t *)job_at(job, shape->rows) + shape->group * (1 + shape->guided);
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
static void job_open_modulation(dit_job *job, dit__arena *arena) {
  const job_buffers b = job_buffers_of(job);
  const int32_t left = job->params.steps - job->window_step;
  job->wanted.steps = left < job->shape.window ? left : job->shape.window;
  job->wanted.conditions = job->conditions;
  job_plan_modulation(&job->plan, arena, job->model, &job->wanted, &b);
}

static void job_open_pass(dit_job *job, dit__arena *arena, int32_t guided) {
  const job_buffers b = job_buffers_of(job);
  job_plan_pass(&job->plan, arena, job->model, &job->shape, job->count, guided, &b);
}

static void job_open_decode(dit_job *job, dit__arena *arena) {
  job_buffers b = job_buffers_of(job);
  b.latents += (job->picture - job->first) * job->shape.latent;
  job_plan_decode(&job->plan, arena, job->model, &job->shape, &b);
}

static void job_open_encode(dit_job *job, dit__arena *arena) {
  const job_buffers b = job_buffers_of(job);
  job_plan_encode(&job->plan, arena, job->model, &job->params, &b);
}

/* Units of the group under way, from its beginning to its last pixels. */
static int64_t job_group_units(dit_job *job) {
  dit__arena arena;
  const int32_t decodes = job->model->vae.decoder != NULL;
  int64_t units = 1, pass[2] = {0, 0};
  if (job->params.init_image) {
    dit__plan_open(&job->plan, &job->engine, NULL);
    job_open_encode(job, &arena);
    units += (job->plan.units + 1) * job->count;
  }
  for (job->window_step = job->shape.first_step; job->window_step < job->params.steps;
       job->window_step += job->shape.window) {
    dit__plan_open(&job->plan, &job->engine, NULL);
    job_open_modulation(job, &arena);
    units += job->plan.units;
  }
  for (int32_t guided = 0; guided <= job->shape.guided; guided++) {
    dit__plan_open(&job->plan, &job->engine, NULL);
    job_open_pass(job, &arena, guided);
    pass[guided] = job->plan.units;
  }
  for (int32_t step = job->shape.first_step; step < job->params.steps; step++)
    units += pass[job_step_guided(job, step)] + 1;
  if (decodes) {
    dit__plan_open(&job->plan, &job->engine, NULL);
    job_open_decode(job, &arena);
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

static dit_status job_start(const dit_model *model, const dit_params *params, dit_job **out, dit_error *error) {
  dit_params p;
  job_shape shape;
  p.struct_size = sizeof p;
  dit_status status = dit_params_resolve(model, params, &p, error);
  if (!status) status = job_shape_choose(model, &p, &shape, error);
  if (status) return status;
  dit_job *job = (dit_job *)dit__allocate(&model->options, shape.size, 64);
  if (!job) return dit__fail(error, DIT_ERROR_MEMORY, "dit_job_start: no memory for %zu bytes", shape.size);
  memset(job, 0, sizeof *job);
  job->model = model;
  job->params = p;
  job->shape = shape;
  job->status = DIT_MORE;
  dit__engine_open(&job->engine, model, p.threads, (uint8_t *)job_at(job, shape.scratch));
  job_copy(job);
  dit__schedule(&model->dit.process, p.steps, p.spacing, p.sampler, p.eta,
                (dit_schedule_row *)job_at(job, shape.schedule), NULL);
  job->wanted.mix = p.mix;
  job->wanted.timesteps = (double *)job_at(job, shape.times);
  job->wanted.condition = (dit__condition *)job_at(job, shape.condition);
  job->units_total = job_all_units(job);
  job_group(job, 0);
  job->picture = 0;
  job->step = shape.first_step;
  job->phase = p.init_image ? JOB_LOAD : JOB_BEGIN;
  dit__model_hold(model);
  *out = job;
  return DIT_OK;
}

dit_status dit_job_start(const dit_model *model, const dit_params *params, dit_job **job, dit_error *error) {
  dit__environment saved;
  if (!job) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_start: job is NULL");
  *job = NULL;
  dit__environment_enter(&saved);
  const dit_status status = job_start(model, params, job, error);
  dit__environment_leave(&saved);
  return status;
}

void dit_job_end(dit_job *job) {
  if (!job) return;
  const dit_model *model = job->model;
  dit__release(&model->options, job, job->shape.size);
  dit_model_close((dit_model *)(uintptr_t)model);
}

/* ---- Working ---- */

/* The start picture under way, as the encoder takes it. */
static void job_load(dit_job *job) {
  const dit_params *p = &job->params;
  const int32_t channels = job->model->vae.image_channels;
  const int64_t area = (int64_t)p->width * p->height;
  dit__edit_image(p->init_image + job->picture * job->shape.picture, area, channels, job_floats(job, job->shape.image));
  if (p->mask)
    dit__edit_weights(
        p->mask + job->picture * area, job->shape.height, job->shape.width, job->model->vae.factor,
        job_floats(job, job->shape.weights) + (int64_t)job->picture * job->shape.height * job->shape.width);
}

static uint64_t job_seed(const dit_job *job, int32_t picture) {
  return job->params.seeds ? job->params.seeds[picture] : job->params.seed + (uint64_t)picture;
}

static void job_given(const dit_job *job, const float *from, int64_t latents, float *noise) {
  memcpy(noise, from + latents * job->shape.latent, (size_t)job->shape.latent * sizeof(float));
}

/* What a picture starts from: the beginning of its stream, or noise from the caller, in whose place the stream's is
 * passed over. */
static void job_noise(const dit_job *job, int32_t picture, dit_rng *stream, float *noise) {
  const dit_params *p = &job->params;
  dit__rng_begin(stream, p->generator, job_seed(job, picture));
  if (!p->noise || p->generator != DIT_GENERATOR_DIT) dit__rng_call(stream, job->shape.latent, noise);
  if (p->noise) job_given(job, p->noise, picture, noise);
}

/* The noise of the step under way. Ours is found by its place; PyTorch's streams have a call for each step. */
static void job_step_noise(dit_job *job, int32_t picture, float *noise) {
  const dit_params *p = &job->params;
  const int64_t latent = job->shape.latent;
  if (p->step_noise)
    job_given(job, p->step_noise, (int64_t)job->step * p->count + picture, noise);
  else if (p->generator == DIT_GENERATOR_DIT)
    dit__normal(job_seed(job, picture), (uint64_t)(job->step + 1) * (uint64_t)latent, latent, noise);
  else
    dit__rng_call((dit_rng *)job_at(job, job->shape.streams) + (picture - job->first), latent, noise);
}

/* The group's start: noise alone, or start pictures noised to their point of the schedule. */
static void job_begin(dit_job *job) {
  const int64_t latent = job->shape.latent;
  const dit_schedule_row *row = (const dit_schedule_row *)job_at(job, job->shape.schedule) + job->shape.first_step;
  for (int32_t i = job->first; i < job->first + job->count; i++) {
    float *x = job_floats(job, job->shape.latents) + i * latent, *init = job_floats(job, job->shape.init) + i * latent;
    dit_rng ours, *streams = (dit_rng *)job_at(job, job->shape.streams);
    job_noise(job, i, job->params.generator == DIT_GENERATOR_DIT ? &ours : &streams[i - job->first], x);
    memset(job_floats(job, job->shape.clean) + i * latent, 0, (size_t)latent * sizeof(float));
    if (!job->params.init_image) continue;
    for (int64_t k = 0; k < latent; k++) init[k] = (float)((double)init[k] * job->model->vae.scaling);
    if (job->shape.first_step) dit__edit_noised(row->alpha_cumprod, latent, init, x, x);
  }
  job->begun = job->first + job->count;
}

/* eps = uncond + guidance * (cond - uncond) on the leading channels, in double, in place of the conditional one. */
static void job_guide(const dit_job *job, float *conditional, const float *unconditional) {
  const int64_t guided = job->shape.latent / job->model->dit.channels * job->params.guidance_channels;
  const double scale = (double)job->params.guidance;
  for (int64_t i = 0; i < guided; i++) {
    const double base = (double)unconditional[i];
    conditional[i] = (float)(base + scale * ((double)conditional[i] - base));
  }
}

static void job_update(dit_job *job) {
  const job_shape *shape = &job->shape;
  const dit_params *p = &job->params;
  const dit__step step = {.rows = (const dit_schedule_row *)job_at(job, shape->schedule),
                          .index = job->step,
                          .first = shape->first_step,
                          .steps = p->steps,
                          .sampler = p->sampler,
                          .spacing = p->spacing,
                          .variance = p->variance,
                          .clip = p->clip};
  const int64_t latent = shape->latent, out = latent / job->model->dit.channels * job->model->dit.out_channels;
  const int32_t guided = job_step_guided(job, job->step);
  for (int32_t i = 0; i < job->count; i++) {
    float *eps = job_floats(job, shape->output) + i * out, *noise = job_floats(job, shape->fresh);
    float *x = job_floats(job, shape->latents) + (job->first + i) * latent;
    const int32_t picture = job->first + i;
    if (guided) job_guide(job, eps, eps + job->count * out);
    if (dit__step_needs_noise(&step)) job_step_noise(job, picture, noise);
    dit__step_take(&step, latent, x, eps, out > latent ? eps + latent : NULL, noise,
                   job_floats(job, shape->clean) + picture * latent);
    if (!p->mask) continue;
    const int64_t area = (int64_t)shape->height * shape->width;
    dit_rng again;
    job_noise(job, picture, &again, noise);
    dit__edit_keep(step.rows[job->step].alpha_cumprod_prev, job->model->dit.channels, area,
                   job_floats(job, shape->weights) + picture * area, job_floats(job, shape->init) + picture * latent,
                   noise, x);
  }
}

static uint8_t job_byte(float x) {
  const double value = 127.5 * (double)x + 128;
  return value >= 255 ? 255 : value > 0 ? (uint8_t)value : 0;
}

/* The decoded picture as bytes, channel last. */
static void job_pixels(dit_job *job) {
  const int64_t channels = job->model->vae.image_channels, area = job->shape.picture / channels;
  const float *image = job_floats(job, job->shape.image);
  uint8_t *to = (uint8_t *)job_at(job, job->shape.pixels) + job->picture * job->shape.picture;
  for (int64_t i = 0; i < area; i++)
    for (int64_t c = 0; c < channels; c++) to[i * channels + c] = job_byte(image[c * area + i]);
  if (!job->params.mask) return;
  const uint8_t *mask = job->params.mask + job->picture * area,
                *old = job->params.init_image + job->picture * job->shape.picture;
  uint8_t *depth = (uint8_t *)job_at(job, job->shape.depth);
  const int32_t fade = job->model->vae.factor;
  dit__edit_depths(mask, job->params.height, job->params.width, fade, depth);
  dit__edit_compose(mask, depth, old, area, (int32_t)channels, fade, to);
}

/* Timesteps of the window, and the row of modulation of each pass at the step under way. */
static void job_window(dit_job *job) {
  const dit_schedule_row *row = (const dit_schedule_row *)job_at(job, job->shape.schedule);
  double *times = (double *)job_at(job, job->shape.times);
  job->window_step = job->step;
  for (int32_t s = 0; s < job->shape.window && job->step + s < job->params.steps; s++)
    times[s] = row[job->step + s].timestep;
}

static void job_rows(dit_job *job, int32_t guided) {
  int32_t *rows = (int32_t *)job_at(job, job->shape.rows);
  const int32_t *place = rows + job->shape.group * (1 + job->shape.guided);
  for (int32_t i = 0; i < job->count * (1 + guided); i++)
    rows[i] = (job->step - job->window_step) * job->conditions + place[i];
}

/* Opens the plan of the phase that now begins. */
static void job_open(dit_job *job) {
  dit__arena arena;
  dit__op *ops = (dit__op *)job_at(job, job->shape.ops);
  const int32_t guided = job_step_guided(job, job->step);
  dit__plan_open(&job->plan, &job->engine, ops);
  if (job->phase == JOB_ENCODE) {
    job_open_encode(job, &arena);
  } else if (job->phase == JOB_MODULATION) {
    job_window(job);
    job_open_modulation(job, &arena);
  } else if (job->phase == JOB_PASS) {
    job_rows(job, guided);
    job_open_pass(job, &arena, guided);
  } else if (job->phase == JOB_DECODE) {
    job_open_decode(job, &arena);
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
      job_load(job);
      job_enter(job, JOB_ENCODE);
      break;
    case JOB_ENCODE:
      if (dit__plan_step(&job->plan)) break;
      job->picture++;
      job_enter(job, job->picture < job->first + job->count ? JOB_LOAD : JOB_BEGIN);
      break;
    case JOB_BEGIN:
      job_begin(job);
      job_enter(job, JOB_MODULATION);
      break;
    case JOB_MODULATION:
      if (!dit__plan_step(&job->plan)) job_enter(job, JOB_PASS);
      break;
    case JOB_PASS:
      if (!dit__plan_step(&job->plan)) job->phase = JOB_UPDATE;
      break;
    case JOB_UPDATE:
      job_update(job);
      job_next_step(job);
      break;
    case JOB_DECODE:
      if (!dit__plan_step(&job->plan)) job->phase = JOB_PIXELS;
      break;
    case JOB_PIXELS:
      job_pixels(job);
      job_next_picture(job);
      break;
    default: break;
  }
  dit__atomic_add(&job->units, 1);
}

/* What the next unit is made of, about how large it is, and how much of that is arithmetic on weights and tokens. */
static int32_t job_next_kind(const dit_job *job, double *flops, double *useful) {
  *useful = 0;
  *flops = (double)job->shape.latent * job->count * 400;
  if (job->phase == JOB_PIXELS) *flops = (double)job->shape.picture * 16;
  if (job->phase == JOB_LOAD) *flops = (double)job->shape.picture * 16;
  if (job->phase != JOB_MODULATION && job->phase != JOB_PASS && job->phase != JOB_DECODE && job->phase != JOB_ENCODE)
    return DIT__KINDS;
  const dit__op *op = &job->plan.ops[job->plan.at];
  *flops = dit__op_unit_flops(&job->engine, op);
  *useful = dit__op_useful_flops(&job->engine, op);
  return op->kind;
}

/* Microseconds a flop of a kind of unit; of one that was not run yet, as slow as the slowest that was. */
static double job_pace(const dit_job *job, int32_t kind) {
  double pace = job->pace[kind];
  for (int32_t i = 0; i <= DIT__KINDS && job->pace[kind] == 0; i++) pace = job->pace[i] > pace ? job->pace[i] : pace;
  return pace;
}

/* Units until the time is up: at least one, and none that is expected to end too late. */
static void job_work(dit_job *job, int64_t microseconds) {
  const int64_t start = dit__clock();
  int64_t now = start;
  for (int32_t first = 1; job->phase != JOB_DONE && !dit__atomic_load(&job->cancelled); first = 0) {
    double flops, useful;
    const int32_t kind = job_next_kind(job, &flops, &useful);
    if (microseconds >= 0 && !first && (double)(now - start) + flops * job_pace(job, kind) >= (double)microseconds)
      break;
    job_unit(job);
    const int64_t end = dit__clock();
    const double pace = (double)(end - now) / flops;
    job->pace[kind] = pace > job->pace[kind] ? pace : 0.75 * job->pace[kind] + 0.25 * pace;
    job->profile[kind].seconds += 1e-6 * (double)(end - now);
    job->profile[kind].gflop += 1e-9 * useful;
    job->profile[kind].units++;
    now = end;
  }
  job->worked += now - start;
  dit__atomic_store(&job->milliseconds, (intptr_t)(job->worked / 1000));
}

dit_status dit_job_advance(dit_job *job, int64_t microseconds, dit_error *error) {
  dit__environment saved;
  if (!job) return dit__fail(error, DIT_ERROR_STATE, "dit_job_advance: job is NULL");
  if (dit__atomic_load(&job->status) == DIT_MORE) {
    dit__environment_enter(&saved);
    job_work(job, microseconds);
    dit__environment_leave(&saved);
    if (job->phase == JOB_DONE)
      dit__atomic_store(&job->status, DIT_OK);
    else if (dit__atomic_load(&job->cancelled))
      dit__atomic_store(&job->status, DIT_CANCELLED);
  }
  const dit_status status = (dit_status)dit__atomic_load(&job->status);
  return status == DIT_CANCELLED ? dit__fail(error, status, "the job was cancelled") : status;
}

void dit_job_cancel(dit_job *job) {
  if (job) dit__atomic_store(&job->cancelled, 1);
}

dit_status dit_job_progress(const dit_job *job, dit_progress *progress) {
  dit_progress p;
  dit__environment saved;
  if (!job) return DIT_ERROR_ARGUMENT;
  dit__environment_enter(&saved);
  memset(&p, 0, sizeof p);
  const dit_params *params = &job->params;
  p.status = (dit_status)dit__atomic_load(&job->status);
  p.step = (int32_t)dit__atomic_load(&job->steps_done);
  p.steps = (params->count + job->shape.group - 1) / job->shape.group * (params->steps - job->shape.first_step);
  p.units = dit__atomic_load(&job->units);
  p.units_total = job->units_total;
  p.fraction = (float)((double)p.units / (double)p.units_total);
  const double spent = (double)dit__atomic_load(&job->milliseconds) * 1000;
  p.microseconds_left =
      p.units == 0 || spent == 0 ? -1 : (int64_t)(spent / (double)p.units * (double)(p.units_total - p.units));
  p.pictures_ready = (int32_t)dit__atomic_load(&job->ready);
  const dit_status status = dit__struct_write(progress, &p, sizeof p, "dit_progress", NULL);
  dit__environment_leave(&saved);
  return status;
}

dit_status dit_job_profile(const dit_job *job, int32_t capacity, dit_profile_row *rows, int32_t *count,
                           dit_error *error) {
  static const char *const names[DIT__KINDS + 1] = {"products",  "convolutions", "layer norms", "quantising",
                                                    "attention", "group norms",  "affine",      "embedding and layout",
                                                    "sampling"};
  if (!job) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: job is NULL");
  if (!count) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: count is NULL");
  if (capacity < 0 || (capacity > 0 && !rows))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_profile: capacity is %d, rows is %s", capacity,
                     rows ? "given" : "NULL");
  *count = DIT__KINDS + 1;
  for (int32_t i = 0; i < *count && i < capacity; i++) {
    rows[i] = job->profile[i];
    rows[i].name = names[i];
  }
  return DIT_OK;
}

/* ---- Results ---- */

/* Bytes of a pixel; 0: no such format. */
static int32_t job_pixel_size(const dit_model *model, int32_t format) {
  if (format == DIT_PIXELS_NATIVE) return model->vae.image_channels;
  if (format == DIT_PIXELS_RGB) return 3;
  return format >= DIT_PIXELS_RGBA && format <= DIT_PIXELS_BGRA ? 4 : 0;
}

static uint8_t job_times(uint8_t colour, uint8_t alpha) { return (uint8_t)((colour * alpha + 127) / 255); }

/* One native pixel in another format. */
static void job_convert(const uint8_t *from, int32_t channels, int32_t format, uint8_t *to) {
  const uint8_t alpha = channels == 4 ? from[3] : 255;
  const int premultiplied = format == DIT_PIXELS_RGB || format == DIT_PIXELS_RGBA_PREMULTIPLIED;
  for (int c = 0; c < 3; c++)
    to[format == DIT_PIXELS_BGRA ? 2 - c : c] = premultiplied ? job_times(from[c], alpha) : from[c];
  if (format == DIT_PIXELS_NATIVE ? channels == 4 : format != DIT_PIXELS_RGB) to[3] = alpha;
}

static dit_status job_check(const dit_job *job, const char *what, int32_t picture, dit_error *error) {
  if (!job) return dit__fail(error, DIT_ERROR_STATE, "%s: job is NULL", what);
  if (picture < 0 || picture >= job->params.count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: picture is %d; the job has pictures 0 to %d", what, picture,
                     job->params.count - 1);
  return DIT_OK;
}

static dit_status job_check_pixels(const dit_job *job, const char *what, int32_t picture, int32_t format,
                                   const uint8_t *pixels, size_t row, size_t *stride, dit_error *error) {
  const dit_status status = job_check(job, what, picture, error);
  if (status) return status;
  if (!job_pixel_size(job->model, format))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: format %d does not exist", what, format);
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: pixels is NULL", what);
  row *= (size_t)job_pixel_size(job->model, format);
  if (!*stride) *stride = row;
  if (*stride < row)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: stride is %zu bytes, but a row has %zu", what, *stride, row);
  return DIT_OK;
}

dit_status dit_job_pixels(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                          dit_error *error) {
  if (job && !job->model->vae.decoder)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_job_pixels: the model has no decoder; take dit_job_latent");
  const dit_status status = job_check_pixels(job, "dit_job_pixels", picture, format, pixels,
                                             job ? (size_t)job->params.width : 0, &stride, error);
  if (status) return status;
  if (picture >= dit__atomic_load(&job->ready))
    return dit__fail(error, DIT_ERROR_STATE, "dit_job_pixels: picture %d is not ready; call dit_job_advance", picture);
  const int32_t channels = job->model->vae.image_channels, size = job_pixel_size(job->model, format);
  const uint8_t *from = (const uint8_t *)job_at(job, job->shape.pixels) + picture * job->shape.picture;
  for (int32_t y = 0; y < job->params.height; y++)
    for (int32_t x = 0; x < job->params.width; x++, from += channels)
      job_convert(from, channels, format, pixels + (size_t)y * stride + (size_t)x * (size_t)size);
  return DIT_OK;
}

dit_status dit_job_preview(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                           dit_error *error) {
  if (job && !job->model->preview)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_job_preview: the model has no linear map; dit-convert --fit-preview adds one");
  const dit_status status = job_check_pixels(job, "dit_job_preview", picture, format, pixels,
                                             job ? (size_t)job->shape.width : 0, &stride, error);
  if (status) return status;
  dit__environment saved;
  dit__environment_enter(&saved);
  const int32_t channels = job->model->vae.image_channels, latents = job->model->vae.channels;
  const int64_t area = (int64_t)job->shape.height * job->shape.width;
  const float *clean = job_floats(job, job->shape.clean) + picture * job->shape.latent;
  for (int64_t i = 0; i < area; i++) {
    uint8_t native[4];
    for (int32_t c = 0; c < channels; c++) {
      const float *map = job->model->preview + c * (latents + 1);
      float value = map[latents];
      for (int32_t k = 0; k < latents && picture < job->begun; k++) value += map[k] * clean[k * area + i];
      native[c] = job_byte(value);
    }
    job_convert(native, channels, format,
                pixels + (size_t)(i / job->shape.width) * stride +
                    (size_t)(i % job->shape.width) * (size_t)job_pixel_size(job->model, format));
  }
  dit__environment_leave(&saved);
  return DIT_OK;
}

dit_status dit_job_latent(dit_job *job, int32_t picture, float *latent, dit_error *error) {
  const dit_status status = job_check(job, "dit_job_latent", picture, error);
  if (status) return status;
  if (!latent) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_job_latent: latent is NULL");
  const size_t size = (size_t)job->shape.latent * sizeof(float);
  if (picture < job->begun)
    memcpy(latent, job_floats(job, job->shape.latents) + picture * job->shape.latent, size);
  else
    memset(latent, 0, size);
  return DIT_OK;
}

/* ---- All in one call ---- */

dit_status dit_generate(const dit_model *model, const dit_params *params, int32_t format, uint8_t *pixels, size_t size,
                        dit_error *error) {
  dit_params p;
  dit_job *job;
  p.struct_size = sizeof p;
  dit_status status = dit_params_resolve(model, params, &p, error);
  if (status) return status;
  if (!model->vae.decoder) return dit__fail(error, DIT_ERROR_UNSUPPORTED, "dit_generate: the model has no decoder");
  if (!job_pixel_size(model, format))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: format %d does not exist", format);
  if (!pixels) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: pixels is NULL");
  const uint64_t picture = (uint64_t)p.width * (uint64_t)p.height * (uint64_t)job_pixel_size(model, format);
  if (size < picture * (uint64_t)p.count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_generate: size is %zu bytes, but %d pictures need %llu", size,
                     p.count, (unsigned long long)(picture * (uint64_t)p.count));
  status = dit_job_start(model, params, &job, error);
  if (status) return status;
  do status = dit_job_advance(job, -1, error);
  while (status == DIT_MORE);
  for (int32_t i = 0; i < p.count && !status; i++)
    status = dit_job_pixels(job, i, format, pixels + picture * (uint64_t)i, 0, error);
  dit_job_end(job);
  return status;
}
