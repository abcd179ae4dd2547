/* A job in memory, for the files that share it: layout.c decides where its parts lie, run.c runs it, picture.c does
 * what concerns one picture at a time, and sampler.c, at the root, hands results to the host. */
#ifndef DIT_JOB_H
#define DIT_JOB_H

#include "lib/nets/conditioning.h"
#include "lib/nets/transformer.h"

/* The parts of a job's one block of memory, in order. [count] stands for the pictures of the job, [batch] for those of
 * a batch, [passes] for 2 if the job is guided, else 1, [window] for modulation_window. Parts that a job does not need
 * are empty. */
typedef enum dit__job_part {
  DIT__JOB_ITSELF, /* dit_job */
  /* Copies of the caller's arrays: see dit_params. */
  DIT__JOB_CLASSES,
  DIT__JOB_CLASSES_B,
  DIT__JOB_SEEDS,
  DIT__JOB_NOISE,
  DIT__JOB_STEP_NOISE,
  DIT__JOB_INIT_IMAGE,
  DIT__JOB_MASK,
  /* Starting from pictures. */
  DIT__JOB_INIT_LATENTS, /* float [count][latent]: the encoded pictures */
  DIT__JOB_MASK_WEIGHTS, /* float [count][height][width]: see dit__inpaint_weights */
  DIT__JOB_MASK_DEPTHS,  /* uint8_t, one for each pixel of a picture: see dit__inpaint_depths */
  /* Sampling. */
  DIT__JOB_STREAMS,       /* dit_rng [batch], of a generator of PyTorch's */
  DIT__JOB_SCHEDULE,      /* dit_schedule_row [DIT__MAX_STEPS] */
  DIT__JOB_LATENTS,       /* float [count][latent] */
  DIT__JOB_PRED_X0,       /* float [count][latent]: see dit__solver_take */
  DIT__JOB_SOLVER_MEMORY, /* float [count][latent]: see dit__solver_arrays */
  DIT__JOB_NOISE_SCRATCH, /* float [latent]: the noise of one picture and step */
  DIT__JOB_OUTPUT,        /* float [passes][batch][out_channels][height][width]: of the network */
  DIT__JOB_BLOCK_CACHE,   /* float [passes][batch][tokens][hidden]: what the blocks added last, for cache_interval */
  DIT__JOB_IMAGE,         /* float [picture]: into the encoder, out of the decoder */
  DIT__JOB_PIXELS,        /* uint8_t [count][picture] */
  /* Modulation. */
  DIT__JOB_TIMESTEPS,        /* double [window] */
  DIT__JOB_SECOND_TIMESTEPS, /* double [window] */
  DIT__JOB_CONDITIONS,       /* dit__condition, up to `conditions` */
  DIT__JOB_MODULATION_INDEX, /* int32_t [passes][batch]: the row of MODULATION that each sample takes at this step */
  DIT__JOB_CONDITION_INDEX,  /* int32_t [passes][batch]: the element of CONDITIONS that it takes at every step */
  DIT__JOB_MODULATION,       /* float [window][conditions][dit__modulation_size] */
  DIT__JOB_OPS,              /* dit__op: the plan under way */
  DIT__JOB_WORKSPACE,        /* its buffers */
  DIT__JOB_PARTS
} dit__job_part;

/* What plans need. */
typedef struct dit__job_needs {
  int32_t ops;      /* operations of a plan, at most */
  int32_t overflow; /* 1: the workspace does not fit the address space */
  size_t workspace; /* bytes */
} dit__job_needs;

/* How a job is laid out: the sizes that follow from its parameters, and where its parts lie. */
typedef struct dit__job_layout {
  int32_t height, width;     /* of the latent */
  int32_t batch;             /* pictures that share their passes; the last batch may have fewer */
  int32_t conditions;        /* different conditions of a batch, at most; with that of the unconditional pass */
  int32_t modulation_window; /* steps whose modulation is computed at a time; the last window may have fewer */
  int32_t guided;            /* 1: some steps have a second, unconditional pass */
  int32_t rows;              /* of the schedule: the steps, but of a sampler with two passes its passes */
  int32_t first_step;        /* strength leaves out the rows before it */
  int32_t first_guided;      /* the first row inside of guidance_start and guidance_end, or first_step if none is */
  int64_t tokens;            /* of a latent */
  int64_t latent, picture;   /* numbers of a latent; bytes of a picture */
  size_t at[DIT__JOB_PARTS]; /* offsets in the block */
  size_t size;               /* bytes of the block */
  int32_t overflow;          /* 1: it does not fit the address space */
  size_t decode_budget;      /* bytes of workspace that decoding must keep to, if it can */
  dit__job_needs decode;     /* what decoding needs */
} dit__job_layout;

struct dit_job {
  const dit_model *model;
  dit_params params; /* resolved; its pointers point into the job */
  dit__job_layout layout;
  dit__engine engine;
  dit__plan plan;                             /* the one under way */
  dit__modulation_request modulation_request; /* for the window under way */
  int32_t phase;                              /* job_phase of run.c */
  int32_t batch_first, batch_count;           /* pictures of the batch under way */
  int32_t step;                               /* row of the schedule under way */
  int32_t window_first;                       /* first step of the modulation window */
  int32_t picture;                            /* picture that is being encoded or decoded */
  int32_t begun;                              /* pictures that have a latent */
  int32_t conditions; /* of the batch; that of the unconditional pass, if there is one, is the last */
  /* For each kind of unit: */
  double pace[DIT__UNIT_KINDS]; /* microseconds per flop, lately */
  dit_profile_row profile[DIT__UNIT_KINDS];
  intptr_t packing;    /* atomic: microseconds that the unit under way has spent packing inside GEMM units */
  int64_t units_total; /* units of work in the whole job */
  int64_t worked;      /* microseconds spent in dit_job_advance */
  /* Atomic, and read by other threads: */
  intptr_t units, milliseconds, steps_done, ready, status, cancelled;
};

void *dit__job_at(dit_job *job, dit__job_part part);
float *dit__job_floats(dit_job *job, dit__job_part part);

/* ---- layout.c ---- */

/* 1 if a row of the schedule falls inside of [guidance_start, guidance_end], else 0. */
int32_t dit__job_in_guidance(const dit_model *model, const dit_params *p, int32_t row);

/* Where the buffers of plans lie: in a job, or, while a plan is only measured, at dit__nowhere. */
typedef struct dit__job_buffers {
  float *latents; /* of the batch, or of the picture to decode */
  float *output;  /* DIT__JOB_OUTPUT, and so below */
  float *image;
  float *modulation;
  float *init_latent; /* of the picture to encode */
  float *block_cache;
  const int32_t *modulation_index;
  dit__op *ops; /* NULL: the plan is only measured */
  uint8_t *workspace;
} dit__job_buffers;

/* Each opens `plan` and makes one plan of a job in it: the modulation of a window; a pass over `count` pictures, twice
 * if `guided`; the decoder for one picture; the encoder for one picture. */
void dit__job_plan_modulation(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                              const dit__modulation_request *request, const dit__job_buffers *b);
void dit__job_plan_pass(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                        const dit__job_layout *layout, int32_t count, int32_t guided, dit__block_cache cache,
                        const dit__job_buffers *b);
void dit__job_plan_decode(dit__plan *plan, const dit__engine *engine, const dit_model *model,
                          const dit__job_layout *layout, const dit__job_buffers *b);
void dit__job_plan_encode(dit__plan *plan, const dit__engine *engine, const dit_model *model, const dit_params *p,
                          const dit__job_buffers *b);

/* Chooses the layout of a job: batches and modulation windows as large as is useful and as memory_limit allows, and the
 * fastest way to decode that it allows. p must be resolved. Errors: MEMORY. */
dit_status dit__job_layout_choose(const dit_model *model, const dit_params *p, dit__job_layout *layout,
                                  dit_error *error);

/* ---- picture.c ---- */

int32_t dit__job_step_guided(const dit_job *job, int32_t step);         /* 1 if the step has a second pass, else 0 */
dit__block_cache dit__job_step_cache(const dit_job *job, int32_t step); /* what its passes do with the block cache */

void dit__job_load(dit_job *job);   /* the picture to start from that is under way, to what the encoder takes */
void dit__job_begin(dit_job *job);  /* the first latents of the batch: noise, or pictures with noise added */
void dit__job_update(dit_job *job); /* the latents of the batch, by the step under way and the network's output */
void dit__job_pixels(dit_job *job); /* the decoded picture to bytes, [height][width][channels] */

/* ---- run.c ---- */

/* See dit_job_start and dit_job_advance. The caller has entered the library's floating-point environment. */
dit_status dit__job_start(const dit_model *model, const dit_params *params, dit_job **out, dit_error *error);
void dit__job_work(dit_job *job, int64_t microseconds);
int32_t dit__job_done(const dit_job *job); /* 1 if no work is left, else 0 */

#endif
