/* A job in memory, for the files that share it: job_shape.c lays it out, sampler.c runs it, job_picture.c does what is
 * done to one picture, job_results.c gives it out. */
#ifndef DIT_JOB_H
#define DIT_JOB_H

#include "lib/nets/conditioning.h"
#include "lib/nets/transformer.h"

/* What plans need. */
typedef struct dit__job_needs {
  int32_t ops, overflow;
  size_t workspace;
} dit__job_needs;

/* How a job is laid out: sizes that follow from parameters, and where its parts lie in its one block. */
typedef struct dit__job_layout {
  int32_t height, width;     /* of the latent */
  int32_t group, conditions; /* pictures of a group; conditions of one at most */
  int32_t window;            /* steps of modulation at a time */
  int32_t guided;            /* 1: some steps have two passes */
  int32_t first_step;        /* steps before are left out: strength */
  int32_t first_guided;      /* the first step that guidance is for; first_step if there is none */
  int64_t tokens;            /* of a latent */
  int64_t latent, picture;   /* numbers of a latent; bytes of a picture */
  size_t classes, classes_b, seeds, noise, step_noise, init_image, mask; /* copies of the caller's arrays */
  size_t streams; /* of a group's pictures, if a generator of PyTorch's makes them */
  size_t schedule, latents, clean, fresh, output, image, pixels;
  size_t kept;                 /* what the blocks added to the tokens, with reuse */
  size_t init, weights, depth; /* encoded start pictures; masks of latents; depths of one mask */
  size_t times, condition, rows, modulation, ops, workspace;
  size_t size;
  int32_t overflow;
  size_t decode_budget; /* bytes of workspace that decoding should keep to */
  dit__job_needs decode;
} dit__job_layout;

struct dit_job {
  const dit_model *model;
  dit_params params;
  dit__job_layout shape;
  dit__engine engine;
  dit__plan plan;
  dit__modulation_request wanted; /* modulation of the window */
  int32_t phase;
  int32_t first, count;      /* pictures of the group under way */
  int32_t step, window_step; /* step under way; first step of the window */
  int32_t picture;           /* being encoded or decoded */
  int32_t begun;             /* pictures that have a latent */
  int32_t conditions;        /* of the group; the null class is the last if the job is guided */
  /* Of each kind of unit. */
  double pace[DIT__UNIT_KINDS]; /* microseconds per flop, lately */
  dit_profile_row profile[DIT__UNIT_KINDS];
  intptr_t packing;            /* atomic: microseconds of the unit under way, inside of products */
  int64_t units_total, worked; /* worked: microseconds in dit_job_advance */
  /* Atomic, read by other threads: */
  intptr_t units, milliseconds, steps_done, ready, status, cancelled;
};

void *dit__job_at(dit_job *job, size_t place);
float *dit__job_floats(dit_job *job, size_t place);

/* ---- job_shape.c ---- */

int32_t dit__job_guided_at(const dit_params *p, int32_t step); /* whether guidance is for it, if it is for any */

/* Where the buffers of plans are: in a job, or nowhere while it is measured. */
typedef struct dit__job_buffers {
  float *latents, *output, *image, *modulation, *init, *kept;
  const int32_t *rows;
  dit__op *ops; /* NULL while it is measured */
  uint8_t *workspace;
} dit__job_buffers;

void dit__job_plan_modulation(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                              const dit__modulation_request *wanted, const dit__job_buffers *b);
void dit__job_plan_pass(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                        const dit__job_layout *shape, int32_t count, int32_t guided, dit__block_cache reuse,
                        const dit__job_buffers *b);
void dit__job_plan_decode(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                          const dit__job_layout *shape, const dit__job_buffers *b);
void dit__job_plan_encode(dit__plan *plan, const dit__engine *engine, const dit_model *model, const dit_params *p,
                          const dit__job_buffers *b);

/* Chooses groups and windows, as large as is of use, or as memory_limit allows, and the fastest way to decode that it
 * allows. */
dit_status dit__job_layout_choose(const dit_model *model, const dit_params *p, dit__job_layout *shape,
                                  dit_error *error);

/* ---- job_picture.c ---- */

int32_t dit__job_step_guided(const dit_job *job, int32_t step);         /* whether it has two passes */
dit__block_cache dit__job_step_reuse(const dit_job *job, int32_t step); /* what it makes of the blocks */
void dit__job_load(dit_job *job);   /* the start picture under way, as the encoder takes it */
void dit__job_begin(dit_job *job);  /* the group's start: noise alone, or start pictures noised to their point */
void dit__job_update(dit_job *job); /* the step under way of the group's latents, by what the network said */
void dit__job_pixels(dit_job *job); /* the decoded picture as bytes, channel last */

/* ---- run.c ---- */

/* See dit_job_start and dit_job_advance; the caller has entered the floating-point environment. */
dit_status dit__job_start(const dit_model *model, const dit_params *params, dit_job **out, dit_error *error);
void dit__job_work(dit_job *job, int64_t microseconds);
int32_t dit__job_done(const dit_job *job); /* whether nothing is left to do */

#endif
