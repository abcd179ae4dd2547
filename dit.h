/* libdit: diffusion transformers as a C library.
 *
 * libdit loads Diffusion Transformers (DiT; Peebles & Xie, "Scalable Diffusion Models with Transformers", 2022) and
 * their autoencoders from model files, which dit-convert makes, and samples pictures on the CPU, with DDPM, DDIM or
 * DPM-Solver++ and classifier-free guidance. It needs libc and libm only. This header is its manual.
 *
 *     dit_model *model;
 *     dit_error error;
 *     if (dit_model_open("model.gguf", NULL, &model, &error)) { puts(error.message); return 1; }
 *     dit_info info = {.struct_size = sizeof info};
 *     dit_model_info(model, &info);
 *     size_t size = (size_t)info.width * info.height * 4;
 *     unsigned char *pixels = malloc(size);
 *     int32_t class_id = dit_model_find_class(model, "potion");
 *     dit_params params = {.struct_size = sizeof params, .classes = &class_id, .seed = 7};
 *     if (dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, size, &error)) puts(error.message);
 *     dit_model_close(model);
 *
 * These rules hold for every function:
 *
 *   Structs   A struct with a struct_size must have it set to its sizeof before the call, so that both sides may have
 *             been compiled with different versions. Every other member may be 0, which means the default that the
 *             member's comment names. A member that the caller's version lacks counts as 0; a member that the library's
 *             version lacks must be 0, and so must reserved ones. The library writes no byte beyond struct_size. No
 *             struct is passed by value.
 *   Errors    An error is a negative dit_status. A dit_error, which may be NULL, then receives a sentence that says
 *             what is wrong, where, and what to do. Output arguments are not written on failure, except that a pointer
 *             to an object becomes NULL. "Errors:" lists the codes, without the prefix DIT_ERROR_, that a function
 *             returns.
 *   Effects   The library does not print, exit, abort or keep global state. It starts no thread, takes no lock and
 *             waits for no other call. It leaves the floating-point environment, the locale and the signals as it found
 *             them. Built with OpenMP (make OPENMP=1), it starts threads where parallel_for is NULL.
 *   Processes After fork, models and jobs may be used in the parent and in the child. A job that was inside of a call
 *             on another thread is lost to the child. A hook must survive fork as well; dit_pool_run does. With OpenMP
 *             this does not hold: gcc's runtime hangs in the child if the parent had threads. It also ends the process
 *             where threads cannot be started.
 *   Threads   "Any thread" means that any number of threads may make the call at once. "One thread at a time" means one
 *             for each object. A model is not written to after it is opened, and may be shared freely.
 *   Units     Pictures are rows from top to bottom of pixels from left to right. A latent is [C][h][w], C being
 *             latent_channels, h and w height and width in latent pixels. Its numbers are in the transformer's scale,
 *             which is the autoencoder's times scaling_factor.
 *   Bits      With `compute` f32 or int8, the same model file and parameters give the same bytes on every processor
 *             (of either order of bytes), operating system and compiler, whatever threads, hooks, isa, load and memory_limit are, in all versions
 *             with the same DIT_NUMERICS. A picture depends on its own seed and class, not on the others of its job.
 *
 * This header is C99 and C++11. Everything exists since version 0.1.0 unless it says otherwise.
 */
#ifndef DIT_H
#define DIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIT_VERSION 0x000100 /* major * 65536 + minor * 256 + patch */
#define DIT_NUMERICS 1       /* changes whenever any output bit changes */

#if defined(_WIN32) && !defined(_WIN64)
#define DIT_CALL __cdecl
#else
#define DIT_CALL
#endif
#ifndef DIT_API /* for a Windows DLL, define it as __declspec(dllexport) in the library, (dllimport) in the host */
#if defined(__GNUC__) && !defined(_WIN32)
#define DIT_API __attribute__((visibility("default")))
#else
#define DIT_API
#endif
#endif

typedef struct dit_model dit_model; /* weights; read-only, shared by any number of threads */
typedef struct dit_job dit_job;     /* a generation under way; one thread at a time */
typedef struct dit_rng dit_rng;     /* a stream of random numbers; one thread at a time */

/* ---- Status and errors ---------------------------------------------------------------------------------------- */

typedef int32_t dit_status;
enum {
  DIT_OK = 0,
  DIT_MORE = 1,               /* dit_job_advance has work left */
  DIT_ERROR_ARGUMENT = -1,    /* an argument or a member has an impossible value */
  DIT_ERROR_IO = -2,          /* a file cannot be opened or read */
  DIT_ERROR_FORMAT = -3,      /* a file is not a valid model file; the message names the key or the tensor */
  DIT_ERROR_UNSUPPORTED = -4, /* a valid request that this version, build, processor or model does not support */
  DIT_ERROR_MEMORY = -5,      /* allocation failed, or memory_limit is too small */
  DIT_ERROR_STATE = -6,       /* the job is not in a state that allows the call */
  DIT_CANCELLED = -7          /* dit_job_cancel was called */
};

/* Belongs to the caller, and is written on failure only. */
typedef struct dit_error {
  dit_status status;
  char message[508]; /* one sentence in UTF-8, ended by 0 */
} dit_error;

/* Returns the name of a status, such as "DIT_ERROR_IO": a static string, never NULL. Any thread. */
DIT_API const char *dit_status_name(dit_status status);

/* Returns the DIT_VERSION of the library that is linked, which may differ from the header's. Any thread. */
DIT_API uint32_t dit_version(void);

/* ---- Models ----------------------------------------------------------------------------------------------------- */

enum {
  DIT_ISA_SCALAR = 1, /* plain C */
  DIT_ISA_NEON = 2,
  DIT_ISA_AVX2 = 3,        /* with FMA and F16C */
  DIT_ISA_AVX512 = 4,      /* F, BW, DQ and VL */
  DIT_ISA_AVX_VNNI = 5,    /* AVX2, with dot products of bytes */
  DIT_ISA_AVX512_VNNI = 6, /* AVX-512, with dot products of bytes */
  DIT_ISA_NEON_DOT = 7     /* NEON, with dot products of bytes */
};
enum {
  DIT_COMPUTE_F32 = 1,
  DIT_COMPUTE_INT8 = 2, /* activations are quantised for the products of the blocks, which are exact in integers */
  DIT_COMPUTE_BF16 = 3  /* the inputs of large products are rounded to bfloat16 */
};
enum {
  /* The file is mapped: pages are read when they are needed, and shared between processes. It must not shrink while the
   * model lives: a page that is gone raises SIGBUS on POSIX systems. Other changes of its bytes change pictures. */
  DIT_LOAD_MAP = 1,
  DIT_LOAD_READ = 2 /* the file is read into memory, and may change or shrink afterwards */
};
/* Model files are little-endian. A big-endian machine opens the same files, mapped or not, and copies weights of f32, f16
 * and bf16 with their bytes swapped; dit_info.memory counts the copies. */
enum { DIT_TYPE_F32 = 1, DIT_TYPE_F16 = 2, DIT_TYPE_BF16 = 3, DIT_TYPE_Q8 = 4, DIT_TYPE_Q4 = 5 };

/* How a model runs. */
typedef struct dit_options {
  uint32_t struct_size;
  /* Tasks that run at once, at most, 1..1024; 0: 8 with parallel_for, one for each processor with OpenMP, else 1. */
  int32_t threads;
  /* DIT_ISA_*; 0: the best that the processor has. It never changes a bit of the output. */
  int32_t isa;
  /* DIT_COMPUTE_*; 0: int8 for a model with q8 or q4 weights, else f32. It changes the pictures. int8 needs q8 or q4
   * weights; bf16 needs a processor with AVX-512 BF16. */
  int32_t compute;
  int32_t load; /* DIT_LOAD_*; 0: map */
  int32_t reserved;
  /* Bytes that one job may allocate; 0: no limit. A job first takes fewer pictures and timesteps at a time, then
   * decodes in bands of rows, which takes up to four times as long. It never changes a bit of the output. It also
   * limits the workspace of dit_vae_decode, but not that of dit_forward and dit_vae_encode. */
  uint64_t memory_limit;
  void *user; /* passed to the three hooks */
  /* allocate returns `size` bytes at a multiple of `alignment`, a power of two up to 4096, with any contents, or NULL.
   * release gets the same size. Both must be given, or neither. They are called only on a thread that is inside of a
   * function of this library. */
  void *(DIT_CALL *allocate)(void *user, size_t size, size_t alignment);
  void(DIT_CALL *release)(void *user, void *block, size_t size);
  /* Calls task(context, index) once for each index from 0 to count - 1, in any order and on any threads, and returns
   * when all calls have returned. count is at most `threads`. It is called only on a thread that is inside of a
   * function of this library, and never from a task. Two jobs may call it at the same time. NULL: a loop. dit_pool.h
   * has one. */
  void(DIT_CALL *parallel_for)(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                               void *context);
} dit_options;

/* Opens a model file. `path` is UTF-8. `options` may be NULL; it is copied, and holds for the model and all its jobs.
 * Returns DIT_OK and a model that dit_model_close must close. Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED, MEMORY. Any
 * thread. */
DIT_API dit_status dit_model_open(const char *path, const dit_options *options, dit_model **model, dit_error *error);

/* Opens a model file that is in memory, at any alignment. The bytes are used in place: they belong to the caller, and
 * must stay unchanged until the model and all its jobs are gone. `load` is ignored. Otherwise like dit_model_open. */
DIT_API dit_status dit_model_open_memory(const void *data, size_t size, const dit_options *options, dit_model **model,
                                         dit_error *error);

/* Releases the caller's reference; NULL is a no-op. The model lives until its last job ends, so models and jobs may be
 * closed in any order. Any thread. */
DIT_API void dit_model_close(dit_model *model);

/* What a model is, what it recommends, and how it runs. Numbers that do not apply, for want of a transformer or an
 * autoencoder, are 0. */
typedef struct dit_info {
  uint32_t struct_size;
  int32_t numerics;         /* the DIT_NUMERICS of the library that is linked */
  int32_t has_transformer;  /* 1 or 0 */
  int32_t has_decoder;      /* 1, also with `pixels`, or 0: the model makes latents but no pictures */
  int32_t has_encoder;      /* 1, or 0: the model cannot start from pictures */
  int32_t hidden_size;      /* channels of a token */
  int32_t depth;            /* transformer blocks */
  int32_t heads;            /* attention heads, each of hidden_size / heads channels */
  int32_t patch_size;       /* side of a token's patch, in latent pixels */
  int32_t latent_size;      /* side of the latent that the model was trained at, in latent pixels */
  int32_t latent_channels;  /* C */
  int32_t out_channels;     /* of the transformer: C, or 2 C if it predicts a variance */
  int32_t learned_sigma;    /* 1 if it predicts a variance, else 0 */
  int32_t class_count;      /* class ids are 0..class_count-1 */
  int32_t null_class;       /* row of the null embedding, which guidance needs; -1: the model was trained without one */
  int32_t label_count;      /* classes 0..label_count-1 may have a name */
  int32_t image_channels;   /* 3: RGB, 4: RGBA with straight alpha */
  int32_t vae_scale_factor; /* pixels along the side of a latent pixel */
  int32_t width, height;    /* size of a picture by default, in pixels; without an autoencoder in latent pixels */
  int32_t weight_type;      /* DIT_TYPE_* of the transformer's matrices, or without one of the autoencoder's */
  int32_t isa, compute, load, threads; /* in use: see dit_options */
  /* Recommended: see dit_params. */
  int32_t steps, sampler, timestep_spacing, guidance_channels, variance_type, clip_sample;
  float guidance_scale;
  float scaling_factor;    /* the transformer's latents are the autoencoder's times this */
  int32_t has_preview;     /* 1 if dit_job_preview works, else 0 */
  int32_t flow;            /* 1 if the model learned flow matching, 0 if diffusion */
  int32_t second_timestep; /* 1 if the network takes two times (dit_forward_params), else 0 */
  float guidance_start, guidance_end, timestep_shift; /* recommended */
  int32_t pixels;      /* 1 if the model samples pictures and has no autoencoder, else 0 */
  uint64_t parameters; /* weights in the file */
  uint64_t file_size;  /* bytes */
  uint64_t memory;     /* bytes that the model has allocated; a mapped file is not counted */
  char variant[32];    /* such as "DiT-XL/2", or "DiT 192x8x3/2" (hidden_size, depth, heads, patch_size) */
  char name[96];       /* from the file; may be empty */
  char license[96];    /* of the weights, from the file; may be empty */
} dit_info;

/* Fills in `info` up to its struct_size. Errors: ARGUMENT. Any thread. */
DIT_API dit_status dit_model_info(const dit_model *model, dit_info *info);

/* Class ids that are no class. */
enum {
  DIT_NO_CLASS = -1,     /* as an argument: no class, that is, the null embedding */
  DIT_UNKNOWN_CLASS = -2 /* as a result: no class has this name. As an argument it is refused */
};

/* Returns the name of a class in UTF-8, which lives as long as the model, or NULL if there is no such class or it has
 * no name. Any thread. */
DIT_API const char *dit_model_class_label(const dit_model *model, int32_t class_id);

/* Returns the class that has a name, or DIT_UNKNOWN_CLASS. Every function that takes a class refuses the latter, so
 * that a misspelt name cannot make a picture of nothing. Case, spaces, '-' and '_' make no difference, and one of
 * several synonyms ("tench, Tinca tinca") is enough. Any thread. */
DIT_API int32_t dit_model_find_class(const dit_model *model, const char *label);

/* ---- What to make ------------------------------------------------------------------------------------------------ */

enum {
  DIT_SAMPLER_DDPM = 1, /* Ho et al. 2020; noise at every step */
  DIT_SAMPLER_DDIM = 2, /* Song et al. 2020; deterministic unless eta is set */
  /* DPM-Solver++ (2M), Lu et al. 2022, algorithm 2; deterministic; 20 steps give good pictures. The first and the last
   * step are of order 1, the others of order 2. */
  DIT_SAMPLER_DPMPP = 3,
  /* For models that learned flow matching (dit_info.flow); the others are for those that learned diffusion. */
  DIT_SAMPLER_EULER = 4,          /* deterministic; for models of one or few steps, too */
  DIT_SAMPLER_HEUN = 5,           /* deterministic; a step takes two passes, the last one */
  DIT_SAMPLER_EULER_MARUYAMA = 6, /* the reverse SDE (Ma et al. 2024); noise at every step but the last */
  /* Song et al. 2023, algorithm 1: each step jumps to the data, and noise leads back; for models of few steps. */
  DIT_SAMPLER_CONSISTENCY = 7
};

/* Which of the T timesteps of the model's process (1000 for most models) the N steps take. With flow matching there is
 * EVEN alone: N steps of equal length from sigma 1 to 0, then shifted (timestep_shift).
 *
 * EVEN and DDIM are the official code's spacings, and bring its rules with them:
 *   - The timesteps that are taken form a process of their own, with its own betas and variances.
 *   - DDIM recomputes eps from the clipped x0.
 *   - No sampler adds noise at its last step.
 * LEADING, TRAILING and LINSPACE are those of diffusers' schedulers, and bring theirs:
 *   - Cumulative products stay those of the whole process.
 *   - DDIM steps from t to t - trunc(T / N), whichever timestep is next.
 *   - DDIM keeps the network's eps when it clips x0, unless clip_sample is DIT_CLIP_MODEL_OUTPUT.
 *   - DDIM with eta adds noise at its last step too, if its sigma is not 0; DDPM adds none at timestep 0.
 *   - DPM-Solver++ takes, with LEADING and LINSPACE, the timesteps of N + 1 steps without the last. */
enum {
  DIT_SPACING_EVEN = 1,     /* the official "N": N timesteps at equal distances from 0 to T-1, rounded */
  DIT_SPACING_DDIM = 2,     /* the official "ddimN": 0, s, 2s, ..., with the smallest integer s that gives N */
  DIT_SPACING_LEADING = 3,  /* 0, s, 2s, ..., with s = trunc(T / N), plus the model's steps_offset */
  DIT_SPACING_TRAILING = 4, /* T-1, T-1 - T/N, ..., rounded */
  DIT_SPACING_LINSPACE = 5  /* N timesteps at equal distances from 0 to T-1, rounded */
};

/* Where normal numbers come from. Each picture of a job has a stream of its own, from its own seed, as if it were
 * sampled alone: first its start, then the noise of each step that is taken and reads noise. With TORCH and PHILOX each
 * of these is one call of torch.randn for C * h * w numbers. To reproduce a program that draws the noise of a whole
 * batch at once, draw it in that order with dit_rng, and pass it as noise and step_noise. */
enum {
  DIT_GENERATOR_DIT = 1,   /* libdit's own */
  DIT_GENERATOR_TORCH = 2, /* PyTorch's on the CPU: manual_seed(seed mod 2^32), randn; equal to within 1.3e-6 */
  /* PyTorch's on CUDA, as programs in NumPy re-implement it; equal while one call is for no more numbers than the GPU
   * runs threads. */
  DIT_GENERATOR_PHILOX = 3
};

/* The variance of DDPM's steps (Nichol & Dhariwal 2021, section 3.1). */
enum {
  DIT_VARIANCE_LEARNED_RANGE = 1, /* predicted, between FIXED_SMALL and FIXED_LARGE; that of the DiT paper */
  DIT_VARIANCE_FIXED_LARGE = 2,   /* beta */
  DIT_VARIANCE_FIXED_SMALL = 3,   /* the posterior variance */
  /* Predicted directly: its logarithm with official spacings (ModelVarType.LEARNED), the variance itself with those of
   * diffusers ("learned"). */
  DIT_VARIANCE_LEARNED = 4
};

/* Whether x0 is clipped to [-1, 1] at each step. */
enum {
  DIT_CLIP_OFF = 1,
  DIT_CLIP_ON = 2,
  /* On; DDIM with diffusers' spacings also recomputes eps from the clipped x0 (use_clipped_model_output). */
  DIT_CLIP_MODEL_OUTPUT = 3
};

/* Pixels have 8 bits for each channel. */
enum {
  DIT_PIXELS_NATIVE = 0, /* the model's own: RGB, or RGBA with straight alpha */
  DIT_PIXELS_RGB = 1,    /* an RGBA model's pictures are composed over black */
  DIT_PIXELS_RGBA = 2,   /* straight alpha; 255 for an RGB model */
  DIT_PIXELS_RGBA_PREMULTIPLIED = 3,
  DIT_PIXELS_BGRA = 4 /* straight alpha; 255 for an RGB model */
};

/* What to make. A member that is 0, or a pointer that is NULL, means what the model recommends (dit_info), unless its
 * comment says otherwise. Arrays belong to the caller; dit_job_start copies them. */
typedef struct dit_params {
  uint32_t struct_size;
  int32_t count;            /* pictures, 1..65536; 0: 1 */
  const int32_t *classes;   /* [count]; NULL: DIT_NO_CLASS for all */
  const int32_t *classes_b; /* [count], needs `classes`; NULL: none; see class_mix */
  const uint64_t *seeds;    /* [count]; NULL: picture i has seed + i */
  /* [count][C][h][w]: normal numbers that pictures start from; NULL: those of the generator. */
  const float *noise;
  /* [steps][count][C][h][w]: normal numbers for each step of the schedule; NULL: those of the generator. */
  const float *step_noise;
  /* [count][height][width][image_channels]: pictures to start from, as far as strength says; NULL: noise alone. */
  const uint8_t *init_image;
  /* [count][height][width], needs init_image: 255 repaints a pixel, 0 keeps it to the byte, values between mix.
   * Repainted pixels fade in over vae_scale_factor pixels. NULL: all are repainted. */
  const uint8_t *mask;
  uint64_t seed; /* 0 is a seed like any other */
  /* Pixels, or latent pixels without an autoencoder: multiples of vae_scale_factor * patch_size, up to 1024 latent
   * pixels and 16384 pixels. */
  int32_t width, height;
  int32_t
      steps; /* forward passes for each picture (of Heun two a step), twice as many with guidance; 1..1000, at most T */
  int32_t sampler; /* DIT_SAMPLER_* */
  /* DIT_SPACING_*; 0: the model's if it is one of diffusers' or belongs to this sampler; else LINSPACE for
   * DPM-Solver++, DDIM for DDIM if an integer stride exists, and EVEN otherwise. */
  int32_t timestep_spacing;
  int32_t generator;         /* DIT_GENERATOR_*; 0: DIT */
  int32_t variance_type;     /* DIT_VARIANCE_*, for DDPM */
  int32_t clip_sample;       /* DIT_CLIP_* */
  int32_t guidance_channels; /* leading latent channels that are guided; -1: all, as in diffusers */
  int32_t threads;           /* at most the model's; 0: as many */
  /* Of classifier-free guidance (Ho & Salimans 2022), 0..1000. 1 means none, and takes one forward pass for each step
   * instead of two. */
  float guidance_scale;
  /* The part of the schedule that is guided: 0 <= start <= end <= 1, where 0 is the noisy end; both 0: the model's. The
   * middle of a step's share counts, or with flow matching 1 - sigma where it begins. */
  float guidance_start, guidance_end;
  float eta;       /* for DDIM, 0..1: 0 is deterministic, 1 adds as much noise as DDPM */
  float class_mix; /* 0..1: the condition is (1 - class_mix) * class + class_mix * class_b */
  /* 0..1, needs init_image: how much of the schedule is taken. The picture gets the noise of the point where sampling
   * begins, so that small values stay close to it, and 1 keeps nothing of it, except what mask keeps. 0: 1. */
  float strength;
  /* With flow matching: sigma becomes shift * sigma / (1 + (shift - 1) * sigma), 0.01..100; above 1 more of the steps are
   * noisy ones. 0: the model's. */
  float timestep_shift;
  float reserved;
  /* Trades accuracy for time: the transformer's blocks run only at every cache_interval-th step, and the steps between
   * add to their tokens what the blocks added last. It takes 4 bytes for each channel, token, picture and pass (1.2 MB
   * for a picture of DiT-XL/2 at 256 px, 2.4 MB with guidance). 0, 1: every step. See docs/fewer-passes.md. */
  int32_t cache_interval;
  int32_t reserved3;
} dit_params;

/* Fills in every default for `model`, and checks every member as dit_job_start does; pointers are passed through.
 * `params` may be NULL, and may be `out`, whose struct_size must be set. Errors: ARGUMENT, UNSUPPORTED. Any thread. */
DIT_API dit_status dit_params_resolve(const dit_model *model, const dit_params *params, dit_params *out,
                                      dit_error *error);

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

/* Writes the number of bytes that dit_job_start will allocate, exactly. `params` may be NULL. Errors: ARGUMENT,
 * UNSUPPORTED, MEMORY (memory_limit is too small; the message says what is needed). Any thread. */
DIT_API dit_status dit_job_memory(const dit_model *model, const dit_params *params, size_t *bytes, dit_error *error);

/* Starts a job, which dit_job_end must end. It makes one allocation, copies all arrays, and does no work yet. The
 * job keeps the model alive. `params` may be NULL. Errors: those of dit_job_memory. Any thread. */
DIT_API dit_status dit_job_start(const dit_model *model, const dit_params *params, dit_job **job, dit_error *error);

/* Works on a job for about `microseconds`: one unit of work (at most 1 GFLOP, 0.05 GFLOP for a small model), then more
 * while they are expected to end in time. A negative number means until the job is finished. Allocates nothing. Returns
 * DIT_MORE if work is left, DIT_OK if none is, however often it is called then, or DIT_CANCELLED. Errors: STATE (job is
 * NULL). One thread at a time, which may be another one at each call. */
DIT_API dit_status dit_job_advance(dit_job *job, int64_t microseconds, dit_error *error);

typedef struct dit_progress {
  uint32_t struct_size;
  dit_status status;          /* DIT_MORE, DIT_OK or DIT_CANCELLED */
  int32_t step, steps;        /* sampling steps that are done, and of the whole job; a batch of pictures shares them */
  int64_t units, units_total; /* units of work that are done, and of the whole job */
  int64_t microseconds_left;  /* that dit_job_advance will need at the pace so far; -1: not known yet */
  float fraction;             /* of the units that are done, 0..1 */
  int32_t pictures_ready;     /* pictures 0..pictures_ready-1 have their pixels */
} dit_progress;

/* Fills in `progress` up to its struct_size. Errors: ARGUMENT. Any thread, also during dit_job_advance, but not during
 * dit_job_end. */
DIT_API dit_status dit_job_progress(const dit_job *job, dit_progress *progress);

/* Where the time of a job went, by kind of work. */
typedef struct dit_profile_row {
  const char *name; /* such as "attention"; a static string */
  double seconds;   /* in dit_job_advance */
  double gflop;     /* operations on weights and tokens, 2 for a multiply-add; 0: not counted */
  int64_t units;    /* units of work */
} dit_profile_row;

/* Writes up to `capacity` rows, and how many there are to *count. With capacity 0, rows may be NULL. Errors: ARGUMENT.
 * Not during dit_job_advance. */
DIT_API dit_status dit_job_profile(const dit_job *job, int32_t capacity, dit_profile_row *rows, int32_t *count,
                                   dit_error *error);

/* Writes a rough and cheap view of an unfinished picture, width / vae_scale_factor x height / vae_scale_factor pixels:
 * the present estimate of x0, through a linear map from latents to pixels. Rows are `stride` bytes apart; 0 means
 * packed. Errors: ARGUMENT, STATE (job is NULL), UNSUPPORTED (the model has no such map; dit-convert --fit-preview adds
 * one). Not during dit_job_advance. */
DIT_API dit_status dit_job_preview(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                                   dit_error *error);

/* Asks a job to stop: dit_job_advance returns DIT_CANCELLED after at most one more unit. NULL is a no-op. Any thread,
 * also during dit_job_advance, and from signal handlers. */
DIT_API void dit_job_cancel(dit_job *job);

/* Writes a finished picture: floor(clamp(127.5 x + 128, 0, 255)) of what the decoder makes. Rows are `stride` bytes
 * apart; 0 means packed. Errors: ARGUMENT, STATE (job is NULL, or the picture is not ready: see pictures_ready),
 * UNSUPPORTED (the model has no decoder). Not during dit_job_advance. */
DIT_API dit_status dit_job_pixels(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                                  dit_error *error);

/* Writes the latent of a picture, [C][h][w], as it is now: all 0 before its first step, final once the picture is
 * ready. Errors: ARGUMENT, STATE (job is NULL). Not during dit_job_advance. */
DIT_API dit_status dit_job_latent(dit_job *job, int32_t picture, float *latent, dit_error *error);

/* Ends a job, finished or not, and frees its memory. NULL is a no-op. Any thread, but not during another call on it. */
DIT_API void dit_job_end(dit_job *job);

/* Runs a whole job in one call, and writes its pictures, packed, one after the other, into `pixels`, which has `size`
 * bytes: at least count * height * width * the bytes of a pixel in `format`. Errors: those of dit_job_start and
 * dit_job_pixels. Any thread. */
DIT_API dit_status dit_generate(const dit_model *model, const dit_params *params, int32_t format, uint8_t *pixels,
                                size_t size, dit_error *error);

/* ---- Names ------------------------------------------------------------------------------------------------------ */

/* Each returns the name of a value, such as "ddim" for DIT_SAMPLER_DDIM, which the programs use too: a static string,
 * or NULL if there is no such value. Values are numbered without gaps, from 1 (pixel formats from 0), so that counting
 * until NULL lists them. Any thread. */
DIT_API const char *dit_isa_name(int32_t isa);
DIT_API const char *dit_compute_name(int32_t compute);
DIT_API const char *dit_load_name(int32_t load);
DIT_API const char *dit_type_name(int32_t type);
DIT_API const char *dit_sampler_name(int32_t sampler);
DIT_API const char *dit_spacing_name(int32_t spacing);
DIT_API const char *dit_generator_name(int32_t generator);
DIT_API const char *dit_variance_name(int32_t variance);
DIT_API const char *dit_clip_name(int32_t clip);
DIT_API const char *dit_pixels_name(int32_t format);

/* ---- Parts, for hosts with a sampler of their own ---------------------------------------------------------------- */

/* The inputs of a forward pass; arrays belong to the caller. */
typedef struct dit_forward_params {
  uint32_t struct_size;
  int32_t count;         /* samples, 1..65536 */
  int32_t height, width; /* in latent pixels: multiples of patch_size, up to 1024 */
  const float *latent;   /* [count][C][height][width] */
  /* [count], as dit_schedule_row has them: 0..T of a diffusion process, which was trained at the integers below T, or
   * 0..1 of flow matching; may be fractional. */
  const float *timesteps;
  const float *second_timesteps; /* [count], needed if dit_info.second_timestep is 1 */
  const int32_t *classes;        /* [count]; NULL: DIT_NO_CLASS for all */
} dit_forward_params;

/* Runs one forward pass of the transformer, without guidance. out is [count][out_channels][height][width]: C channels
 * of eps, or of what a model with flow matching predicts; with a learned variance C more of v, where
 *     log variance = (v + 1) / 2 * log beta + (1 - v) / 2 * log posterior variance
 * It allocates a workspace and frees it. Errors: ARGUMENT, UNSUPPORTED (no transformer), MEMORY. Any thread. */
DIT_API dit_status dit_forward(const dit_model *model, const dit_forward_params *params, float *out, dit_error *error);

/* Decodes latents, [count][C][height][width] in the autoencoder's scale (those of a job divided by scaling_factor), up
 * to 1024 latent pixels and 16384 pixels a side, to image [count][image_channels][height * vae_scale_factor][width *
 * vae_scale_factor], about [-1, 1], not clipped. It allocates a workspace within memory_limit, and frees it. Errors:
 * ARGUMENT, UNSUPPORTED (no decoder), MEMORY (the message says what is needed). Any thread. */
DIT_API dit_status dit_vae_decode(const dit_model *model, int32_t count, int32_t height, int32_t width,
                                  const float *latent, float *image, dit_error *error);

/* Encodes image [count][image_channels][height][width] in [-1, 1], where height and width are pixels, multiples of
 * vae_scale_factor up to 16384, to the mean and the logarithm of the variance of the posterior, each
 * [count][C][height / vae_scale_factor][width / vae_scale_factor] in the autoencoder's scale; logvar is clamped to
 * [-30, 20]. One of mean and logvar may be NULL. Errors: ARGUMENT, UNSUPPORTED (no encoder), MEMORY. Any thread. */
DIT_API dit_status dit_vae_encode(const dit_model *model, int32_t count, int32_t height, int32_t width,
                                  const float *image, float *mean, float *logvar, dit_error *error);

/* One step of a schedule; rows stand in the order in which they are taken, the noisiest first. With official spacings,
 * beta and all that follows from it are those of the respaced process (Nichol & Dhariwal 2021, section 4). With
 * diffusers' spacings, the cumulative products are those of the whole process, at this timestep and at the one that the
 * step goes to, and beta is 1 - alpha_cumprod / alpha_cumprod_prev. */
typedef struct dit_schedule_row {
  double timestep;      /* as the network sees it */
  double alpha_cumprod; /* the product of 1 - beta up to this timestep */
  /* The same where the step ends. For the last step it is 1, except that DDIM with diffusers' spacings may end at a
   * timestep, and ends at timestep 0 if the model's set_alpha_to_one is 0. */
  double alpha_cumprod_prev;
  double beta;
  double posterior_variance; /* beta * (1 - alpha_cumprod_prev) / (1 - alpha_cumprod) */
  /* Its logarithm. With official spacings the last step has that of the one before it, or 0 if it is alone; with
   * diffusers' it is at least log(1e-20). */
  double posterior_log_variance;
  double posterior_mean_x0; /* the posterior mean is posterior_mean_x0 * x0 + posterior_mean_x * x */
  double posterior_mean_x;
  double ddim_sigma; /* for dit_params.eta (Song et al. 2020, equation 16) */
  /* With flow matching only timestep and these are set, and with diffusion these are 0. There is a row for each pass. */
  double second_timestep;   /* as the network sees it, if it takes two (dit_info.second_timestep) */
  double sigma, sigma_next; /* share of the noise where the pass looks, and where the step ends */
} dit_schedule_row;

/* Writes the schedule of a process with T = 1000 and linear betas from 0.0001 to 0.02, which is that of the paper. Of
 * `params`, which may be NULL, it reads steps (0: 250), sampler (0: DDPM), timestep_spacing (0: the sampler's) and eta.
 * Writes up to `capacity` rows, and how many there are to *count; with capacity 0, rows may be NULL. Errors: ARGUMENT,
 * UNSUPPORTED. Any thread. */
DIT_API dit_status dit_schedule(const dit_params *params, int32_t capacity, dit_schedule_row *rows, int32_t *count,
                                dit_error *error);

/* Writes the schedule that a job with these parameters takes: with the model's betas, T, steps_offset and
 * set_alpha_to_one. All of `params` must be valid for the model. Otherwise like dit_schedule. */
DIT_API dit_status dit_model_schedule(const dit_model *model, const dit_params *params, int32_t capacity,
                                      dit_schedule_row *rows, int32_t *count, dit_error *error);

/* Opens a stream of standard normal numbers (0: DIT_GENERATOR_DIT), which dit_rng_close must close. With
 * DIT_GENERATOR_DIT the stream is that of a picture with this seed: with n = C * h * w, its numbers 0..n-1 are the
 * picture's start, and n * (k + 1).. the noise of step k. It is Philox4x32-10 (Salmon et al. 2011) with Box-Muller
 * pairs, as docs/numerics.md defines it. Errors: ARGUMENT, MEMORY. Any thread. */
DIT_API dit_status dit_rng_open(int32_t generator, uint64_t seed, dit_rng **rng, dit_error *error);

/* Writes the next `count` numbers of a stream. With TORCH and PHILOX each call stands for one call of torch.randn, so
 * that one call for 16 numbers and two calls for 8 differ. With PHILOX a call is for at most 2^32 numbers. Errors:
 * ARGUMENT. One thread at a time. */
DIT_API dit_status dit_rng_normal(dit_rng *rng, int64_t count, float *out);

/* Closes a stream; NULL is a no-op. */
DIT_API void dit_rng_close(dit_rng *rng);

#ifdef __cplusplus
}
#endif
#endif
