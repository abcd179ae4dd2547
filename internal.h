/* What the library's own files share. Names that cross files begin with dit__. */
#ifndef DIT_INTERNAL_H
#define DIT_INTERNAL_H

#include "dit.h"

/* ---- platform.c: the operating system ---- */

typedef struct dit__file {
  const uint8_t *bytes;
  size_t size;
  void *block; /* what to unmap or release; NULL for the caller's own memory */
  int32_t load;
} dit__file;

/* Maps (DIT_LOAD_MAP) or reads (DIT_LOAD_READ) a whole file. Errors: IO, MEMORY; the message names the path. */
dit_status dit__file_open(const char *path, int32_t load, const dit_options *hooks, dit__file *file, dit_error *error);
void dit__file_close(dit__file *file, const dit_options *hooks);

int64_t dit__clock(void);      /* monotonic, microseconds */
int32_t dit__processors(void); /* at least 1 */

/* Atomic, in sequential order; the sum is returned. */
intptr_t dit__atomic_add(intptr_t *value, intptr_t summand);
intptr_t dit__atomic_load(const intptr_t *value);
void dit__atomic_store(intptr_t *value, intptr_t to);

/* The host's allocator, or the C library's. `hooks` may be NULL. NULL on failure. */
void *dit__allocate(const dit_options *hooks, size_t size, size_t alignment);
void dit__release(const dit_options *hooks, void *block, size_t size);

/* ---- environment.c ---- */

/* Every entry point that computes, and every task, works between these two. */
typedef struct dit__environment {
  uint64_t words[16];
} dit__environment;
void dit__environment_enter(dit__environment *saved);
void dit__environment_leave(const dit__environment *saved);

/* ---- error.c ---- */

/* Fills `error` (NULL is fine) with a formatted sentence and returns `status`. */
dit_status dit__fail(dit_error *error, dit_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* ---- structs.c: structs with a struct_size ---- */

/* Copies a caller's struct into ours of `size` bytes: missing members become zero, unknown ones must be zero. NULL
 * gives all zero. `what` names the struct. */
dit_status dit__struct_read(void *to, size_t size, const void *from, const char *what, dit_error *error);
/* Copies ours into a caller's, not beyond his struct_size, which stays. */
dit_status dit__struct_write(void *to, const void *from, size_t size, const char *what, dit_error *error);

/* ---- math.c: elementary functions in double, the same bits everywhere; no fused operation ---- */

double dit__exp(double x);
double dit__log(double x);                                /* x > 0 */
void dit__sincos(double x, double *sine, double *cosine); /* |x| < 1e6 */

/* ---- random.c ---- */

/* Numbers first..first+count-1 of the stream of `seed` (DIT_GENERATOR_DIT); any part can be asked for at any time. */
void dit__normal(uint64_t seed, uint64_t first, int64_t count, float *out);
void dit__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]); /* Philox4x32-10 */
/* Two normal numbers from two uniform ones, 0 < u <= 1, 0 <= v <= 1. */
void dit__box_muller(double u, double v, double pair[2]);

/* ---- generator.c ---- */

enum { DIT__MT_WORDS = 624 };
struct dit_rng {
  int32_t generator; /* DIT_GENERATOR_*; 0 is DIT */
  int32_t word;      /* TORCH: the next of its words */
  uint64_t seed;
  uint64_t position;             /* DIT: the next number; PHILOX: calls so far */
  int32_t has_kept;              /* TORCH: */
  float kept;                    /* half of a pair */
  uint32_t state[DIT__MT_WORDS]; /* mt19937 */
};
void dit__rng_begin(dit_rng *rng, int32_t generator, uint64_t seed);
void dit__rng_call(dit_rng *rng, int64_t count, float *out); /* the next `count` numbers */

/* ---- spacing.c: which timesteps are taken ---- */

/* The noise that a model was trained with, and how diffusers' spacings end; from the keys dit.beta_schedule .. of its
 * file. */
typedef struct dit__process {
  int32_t scaled;              /* 1: the roots of the betas rise evenly, 0: the betas */
  int32_t timesteps;           /* 2..DIT__PROCESS_MOST */
  double beta_start, beta_end; /* of the first and last timestep */
  int32_t offset;              /* of the timesteps of DIT_SPACING_LEADING (steps_offset) */
  int32_t ends_clean;          /* DDIM with diffusers' spacings: 1: alpha_cumprod after the last step is 1, 0: that of
                                  timestep 0 (set_alpha_to_one) */
} dit__process;

enum { DIT__STEPS_MOST = 1000, DIT__PROCESS_MOST = 10000 };

extern const dit__process dit__process_usual; /* 1000 timesteps, linear betas 0.0001 to 0.02: official, and usual */

int32_t dit__spacing_diffusers(int32_t spacing); /* 1: the schedule and steps are those of diffusers */
/* What spacing 0 becomes: DDIM where DDIM has a whole stride, LINSPACE for DPM-Solver++, else EVEN. */
int32_t dit__spacing_choice(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler);
dit_status dit__spacing_check(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler,
                              dit_error *error);
/* The timesteps, upwards; spacing is not 0 and was checked. */
void dit__spacing_keep(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler, int32_t *kept);

/* ---- schedule.c: what belongs to these timesteps ---- */

dit_status dit__process_check(const dit__process *process, dit_error *error); /* as read from a file */

/* Rows of a schedule, in the order in which they are taken; the number of them, or a negative status. `rows` has room
 * for `steps`, or is NULL: only checked. spacing 0: dit__spacing_choice. */
int32_t dit__schedule(const dit__process *process, int32_t steps, int32_t spacing, int32_t sampler, float eta,
                      dit_schedule_row *rows, dit_error *error);

/* ---- step.c: one step of a sampler ---- */

/* The step of rows[index] of a schedule of `steps` rows, of which those from `first` are taken. sampler, spacing,
 * variance and clip are never 0. */
typedef struct dit__step {
  const dit_schedule_row *rows;
  int32_t index, first, steps;
  int32_t sampler, spacing, variance, clip;
} dit__step;

int32_t dit__step_needs_noise(const dit__step *step); /* whether it reads noise */

/* Takes it on the n numbers of a latent, in place. eps and v: the network's output (v NULL without a learned variance);
 * noise: normal numbers (NULL if they are not needed); clean: what the network takes the picture to be, kept from step
 * to step, for DPM-Solver++ and for previews. */
void dit__step_take(const dit__step *step, int64_t n, float *x, const float *eps, const float *v, const float *noise,
                    float *clean);

#endif
