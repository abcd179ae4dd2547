/* libdit: diffusion transformers as a C library.
 *
 * libdit loads Diffusion Transformers (DiT; Peebles & Xie, "Scalable Diffusion Models with Transformers", 2022) and
 * their autoencoders from model files made by dit-convert, and samples pictures with DDPM, DDIM or DPM-Solver++ and
 * classifier-free guidance, on the processor. It needs libc and libm. This header is its manual.
 *
 *     dit_model *model;
 *     dit_error error;
 *     if (dit_model_open("model.gguf", NULL, &model, &error)) { puts(error.message); return 1; }
 *     dit_info info = {.struct_size = sizeof info};
 *     dit_model_info(model, &info);
 *     size_t size = (size_t)info.width * info.height * 4;
 *     unsigned char *pixels = malloc(size);
 *     dit_params params = {.struct_size = sizeof params};
 *     int32_t class_id = dit_model_find_class(model, "potion");
 *     params.classes = &class_id;
 *     params.seed = 7;
 *     if (dit_generate(model, &params, DIT_PIXELS_RGBA, pixels, size, &error)) puts(error.message);
 *     dit_model_close(model);
 *
 * What holds for every function:
 *
 *   Structs   begin with struct_size, which the caller sets to the sizeof he compiled with; all other members may be
 *             zero, and zero means "the model's or the library's choice". Members unknown to the caller count as zero,
 *             members unknown to the library must be zero. Output structs get no byte more than their struct_size.
 *             Reserved members must be zero. No struct crosses by value.
 *   Errors    are negative codes. A dit_error, if the caller gives one, receives a sentence: what, where, what to do.
 *             Output arguments are left alone on failure, except that an object pointer becomes NULL. Nothing prints,
 *             exits, aborts, sets a global, starts a thread (builds with OpenMP apart) or leaves the floating-point
 *             mode, the locale or a signal changed.
 *   Threads   "any thread" means that any number of threads may call at once; "one thread at a time" means per object.
 *             A model is never written after dit_model_open and may be shared freely.
 *   Units     Pictures are rows from top to bottom, pixels from left to right. Latents are [channel][row][column] in
 *             the scale of the transformer, that is the autoencoder's own times the scaling factor.
 *   Bits      The same model file, parameters and `compute` give the same bytes on every processor, operating system,
 *             compiler, number of threads, hook, isa, load and memory_limit, as long as DIT_NUMERICS is equal. A
 *             picture depends on its own seed and class, not on its neighbours in the batch.
 *
 * This file is C99 and C++11. Since version 0.1.0 unless said otherwise.
 */
#ifndef DIT_H
#define DIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIT_VERSION 0x000100 /* major * 65536 + minor * 256 + patch */
#define DIT_NUMERICS 1       /* changes whenever any output bit changes; between equal values bits are equal for ever */

#if defined(_WIN32) && !defined(_WIN64)
#define DIT_CALL __cdecl
#else
#define DIT_CALL
#endif
#ifndef DIT_API /* define as __declspec(dllimport) or dllexport for a Windows DLL */
#if defined(__GNUC__) && !defined(_WIN32)
#define DIT_API __attribute__((visibility("default")))
#else
#define DIT_API
#endif
#endif

typedef struct dit_model dit_model; /* read-only weights; shared by any number of threads */
typedef struct dit_job dit_job;     /* one generation under way; one thread at a time */
typedef struct dit_rng dit_rng;     /* a stream of normal numbers; one thread at a time */

/* ---- Status and errors ---------------------------------------------------------------------------------------- */

typedef int32_t dit_status;
enum {
  DIT_OK = 0,
  DIT_MORE = 1,               /* dit_job_advance has work left */
  DIT_ERROR_ARGUMENT = -1,    /* an argument or member is impossible; the message names it */
  DIT_ERROR_IO = -2,          /* a file cannot be opened or read */
  DIT_ERROR_FORMAT = -3,      /* a file is not what it should be; the message names the key or tensor */
  DIT_ERROR_UNSUPPORTED = -4, /* a valid wish that this library, build, processor or model does not fulfil */
  DIT_ERROR_MEMORY = -5,      /* the allocator returned NULL, or memory_limit is too small */
  DIT_ERROR_STATE = -6,       /* the call does not fit the state of the job, such as pixels before the end */
  DIT_CANCELLED = -7          /* dit_job_cancel was called */
};

/* Belongs to the caller; NULL is allowed wherever one is taken. The message is a terminated UTF-8 sentence. */
typedef struct dit_error {
  dit_status status;
  char message[508];
} dit_error;

/* The name of a status, such as "DIT_ERROR_IO". A static string, never NULL. Any thread. */
DIT_API const char *dit_status_name(dit_status status);

/* DIT_VERSION of the library that is linked, to compare with the header's. Any thread. */
DIT_API uint32_t dit_version(void);

/* ---- Models ----------------------------------------------------------------------------------------------------- */

enum {
  DIT_ISA_SCALAR = 1,
  DIT_ISA_NEON = 2,
  DIT_ISA_AVX2 = 3,        /* with FMA and F16C */
  DIT_ISA_AVX512 = 4,      /* F, BW, DQ, VL */
  DIT_ISA_AVX_VNNI = 5,    /* AVX2, and products of bytes in one instruction */
  DIT_ISA_AVX512_VNNI = 6, /* AVX-512, likewise */
  DIT_ISA_NEON_DOT = 7     /* NEON, likewise */
};
enum { DIT_COMPUTE_F32 = 1, DIT_COMPUTE_INT8 = 2, DIT_COMPUTE_BF16 = 3 };
enum { DIT_LOAD_MAP = 1, DIT_LOAD_READ = 2 };
enum { DIT_TYPE_F32 = 1, DIT_TYPE_F16 = 2, DIT_TYPE_BF16 = 3, DIT_TYPE_Q8 = 4, DIT_TYPE_Q4 = 5 };

/* How a model runs. NULL or zeroes mean the defaults. */
typedef struct dit_options {
  uint32_t struct_size;
  int32_t threads; /* most tasks in flight; 0: all processors (1 in a build without OpenMP), or 8 with parallel_for */
  int32_t isa;     /* DIT_ISA_*; 0: the best that is present. One that is absent is refused. Never changes a bit */
  int32_t compute; /* DIT_COMPUTE_*; 0: int8 for q8 and q4 weights, which it needs, else f32. Changes the pictures. bf16
                      needs a processor that multiplies it (AVX-512 BF16), and its bits may differ between processors */
  int32_t load;    /* DIT_LOAD_MAP (default) maps the file; DIT_LOAD_READ reads it, and survives a file that shrinks */
  int32_t reserved;
  uint64_t memory_limit; /* for one job, bytes; 0: none. Chooses strips and windows, never bits: first fewer pictures
                            and timesteps at a time, then decoding in bands of rows, which takes up to four times as
                            long. Likewise for the workspace of dit_vae_decode; encoding has no such bands */
  void *user;            /* given to the three hooks */
  /* Called only on the thread that is inside a dit_ call. allocate: a block of `size` bytes at a multiple of
   * `alignment` (a power of two, at most 4096), or NULL; its contents may be anything. release gets the same size.
   * Both or neither must be given. */
  void *(DIT_CALL *allocate)(void *user, size_t size, size_t alignment);
  void(DIT_CALL *release)(void *user, void *block, size_t size);
  /* Runs task(context, index) once for each index in 0..count-1, in any order, on any threads or serially, and returns
   * when all are done. count is at most `threads`. Called only from the thread inside a dit_ call, never nested,
   * possibly by two jobs at once. */
  void(DIT_CALL *parallel_for)(void *user, int32_t count, void(DIT_CALL *task)(void *context, int32_t index),
                               void *context);
} dit_options;

/* Opens a model file. `path` is UTF-8. The options, hooks included, hold for the model and all its jobs; the struct is
 * copied. Returns DIT_OK and the model, or ARGUMENT, IO, FORMAT, UNSUPPORTED or MEMORY and NULL. Any thread. */
DIT_API dit_status dit_model_open(const char *path, const dit_options *options, dit_model **model, dit_error *error);

/* The same from memory, at any alignment. The bytes are used in place and belong to the caller, who keeps them
 * unchanged until the model and its last job are gone. `load` is ignored. */
DIT_API dit_status dit_model_open_memory(const void *data, size_t size, const dit_options *options, dit_model **model,
                                         dit_error *error);

/* Gives the model back; NULL is fine. While jobs live, the model stays until the last of them ends, so the order of
 * closing does not matter. Any thread. */
DIT_API void dit_model_close(dit_model *model);

/* What a model is and recommends. Numbers that do not apply (no transformer, no autoencoder) are 0. */
typedef struct dit_info {
  uint32_t struct_size;
  int32_t numerics;           /* DIT_NUMERICS of the library that is linked */
  int32_t has_transformer;    /* 1 or 0 */
  int32_t has_decoder;        /* 1 or 0; without one there are latents but no pictures */
  int32_t has_encoder;        /* 1 or 0 */
  int32_t hidden_size;        /* transformer width */
  int32_t depth;              /* blocks */
  int32_t heads;              /* attention heads of hidden_size / heads channels */
  int32_t patch_size;              /* patch side, in latent pixels */
  int32_t latent_size;        /* latent side the model was trained at */
  int32_t latent_channels;    /* C */
  int32_t out_channels;       /* C, or 2 C with a learned variance */
  int32_t learned_sigma;      /* 1 or 0 */
  int32_t class_count;        /* classes 0..class_count-1 */
  int32_t null_class;         /* row of the null embedding; -1: trained without, guidance other than 1 is refused */
  int32_t label_count;        /* classes with a name */
  int32_t image_channels;     /* 3: RGB, 4: RGBA with straight alpha */
  int32_t vae_scale_factor;             /* pixels per latent pixel, along one side */
  int32_t width, height;      /* the model's own picture size, pixels (latent pixels without an autoencoder) */
  int32_t weight_type;        /* DIT_TYPE_* of the transformer's (or else the decoder's) matrices */
  int32_t isa, compute, load; /* what is in use */
  int32_t threads;            /* what is in use */
  int32_t steps, sampler, timestep_spacing, guidance_channels, variance_type, clip_sample; /* recommended; see dit_params */
  float guidance_scale;                                                     /* recommended */
  float scaling_factor;                                               /* transformer's latent / autoencoder's latent */
  int32_t has_preview;                                                /* 1: dit_job_preview works */
  int32_t reserved, reserved2;
  uint64_t parameters; /* weights in the file */
  uint64_t file_size;  /* bytes */
  uint64_t memory;     /* bytes that the model itself allocated; the mapped file is not counted */
  char variant[32];    /* such as "DiT-XL/2", or "DiT 192x8x3/2" for a geometry without a name */
  char name[96];       /* as the file says; empty if it does not */
  char license[96];    /* licence of the weights as the file says; empty if it does not */
} dit_info;

/* Fills `info` up to its struct_size. Any thread. Errors: ARGUMENT. */
DIT_API dit_status dit_model_info(const dit_model *model, dit_info *info);

/* Class ids that are not classes. */
enum {
  DIT_NO_CLASS = -1,     /* as an argument: no class, that is the null embedding */
  DIT_UNKNOWN_CLASS = -2 /* as a result: no class has this name. As an argument it is refused, with ARGUMENT */
};

/* Returns the name of a class as UTF-8, which lives as long as the model, or NULL if there is no such class or it has
 * no name. Any thread. */
DIT_API const char *dit_model_class_label(const dit_model *model, int32_t class_id);

/* Returns the class that has a name, or DIT_UNKNOWN_CLASS, which every function that takes a class refuses, so that a
 * misspelt name cannot make a picture of nothing. Upper and lower case, spaces, '-' and '_' make no difference, and of
 * a name with several synonyms ("tench, Tinca tinca") one is enough. Any thread. */
DIT_API int32_t dit_model_find_class(const dit_model *model, const char *label);

/* ---- What to make ------------------------------------------------------------------------------------------------ */

enum {
  DIT_SAMPLER_DDPM = 1, /* Ho et al. 2020; noise at every step */
  DIT_SAMPLER_DDIM = 2, /* Song et al. 2020; see eta */
  DIT_SAMPLER_DPMPP = 3 /* DPM-Solver++ (2M): Lu et al. 2022, algorithm 2; no noise; good pictures with 20 steps. The
                           first and the last step are of order 1, the others of order 2 */
};
/* Which of the T timesteps (1000, or what the model file says) are taken. N is the number of steps. The first two are
 * of the official code, which makes of them a process of its own, the others of diffusers' schedulers, with their
 * rules: the cumulative products are those of the whole process; DDIM goes from t to t - trunc(T / N) whichever the
 * next timestep is, keeps the network's eps when x0 is cut, and adds noise at the last step too if eta is not 0 and
 * something of it is left; DDPM leaves noise out at timestep 0 alone. */
enum {
  DIT_SPACING_EVEN = 1,     /* the official "N": from 0 to T-1 in even strides, rounded */
  DIT_SPACING_DDIM = 2,     /* the official "ddimN": 0, s, 2s, ... with the smallest whole s that gives N steps */
  DIT_SPACING_LEADING = 3,  /* 0, s, 2s, ... with s = trunc(T / N), all plus the model's steps_offset */
  DIT_SPACING_TRAILING = 4, /* T-1, T-1 - T/N, ..., rounded */
  DIT_SPACING_LINSPACE = 5  /* from 0 to T-1 in even strides, rounded. DPM-Solver++ takes those of N + 1 steps, but for
                               the last, of this and LEADING */
};
/* Where normal numbers come from. In a job each picture has a stream of its own, of its own seed, as if it were sampled
 * alone: its start, then the noise of each step (with TORCH and PHILOX each is a call of randn for C*h*w numbers, and
 * only steps that are taken have one). To have the numbers of a program that draws for a whole batch at once, draw them
 * with dit_rng in its order, and give them as noise and step_noise. */
enum {
  DIT_GENERATOR_DIT = 1,   /* ours */
  DIT_GENERATOR_TORCH = 2, /* PyTorch's on the processor: manual_seed(seed mod 2^32), randn; within 1.3e-6 of it */
  DIT_GENERATOR_PHILOX = 3 /* PyTorch's on CUDA, as NumPy programs re-implement it: equal up to a GPU's threads in
                              numbers a call */
};
enum {
  DIT_VARIANCE_LEARNED_RANGE = 1,     /* between the next two (learned range), as v says; all DiTs of the paper */
  DIT_VARIANCE_FIXED_LARGE = 2, /* beta */
  DIT_VARIANCE_FIXED_SMALL = 3, /* that of the posterior */
  DIT_VARIANCE_LEARNED = 4       /* v is itself the variance with diffusers' spacings ("learned"), and its logarithm with
                                   the official ones (ModelVarType.LEARNED) */
};
enum {
  DIT_CLIP_OFF = 1,
  DIT_CLIP_ON = 2,
  DIT_CLIP_MODEL_OUTPUT = 3 /* on, and DDIM with diffusers' spacings derives eps anew from what was cut, as with the official
                          ones (use_clipped_model_output) */
};
enum {
  DIT_PIXELS_NATIVE = 0, /* what the model makes: RGB, or RGBA with straight alpha */
  DIT_PIXELS_RGB = 1,    /* of an RGBA model: composed over black */
  DIT_PIXELS_RGBA = 2,   /* straight alpha; 255 if the model has none */
  DIT_PIXELS_RGBA_PREMULTIPLIED = 3,
  DIT_PIXELS_BGRA = 4 /* straight alpha */
};

/* What to make. NULL or zeroes mean the model's own recommendation. Arrays are the caller's, and are copied by
 * dit_job_start. */
typedef struct dit_params {
  uint32_t struct_size;
  int32_t count;             /* pictures, 1..65536; 0 is 1 */
  const int32_t *classes;    /* [count]; -1, or NULL for all: no class (the null embedding) */
  const int32_t *classes_b;  /* [count], with mix: condition = (1 - mix) * class + mix * class_b */
  const uint64_t *seeds;     /* [count]; NULL: picture i uses seed + i */
  const float *noise;        /* [count][C][h][w]: start from this instead of the generator's normal numbers */
  const float *step_noise;   /* [steps][count][C][h][w]: likewise; block k belongs to the k-th step taken */
  const uint8_t *init_image; /* [count][height][width][image_channels]: start from pictures; see strength */
  const uint8_t *mask;       /* [count][height][width], with init_image: 255 is repainted, 0 is kept: such pixels come
                                back as they went in, and the new ones fade in over `factor` pixels beside them */
  uint64_t seed;
  int32_t width, height; /* pixels (latent pixels without an autoencoder), multiples of factor * patch, up to 1024
                            latent pixels and 16384 pixels; 0: the model's own */
  int32_t steps;         /* passes of the network, 1..1000, at most the model's timesteps */
  int32_t sampler;       /* DIT_SAMPLER_* */
  int32_t timestep_spacing;       /* DIT_SPACING_*; 0: the model's, if it is one of diffusers' or for this sampler; else
                            DDIM's for DDIM where a whole stride exists, LINSPACE for DPM-Solver++, else EVEN */
  int32_t generator;     /* DIT_GENERATOR_*; 0: DIT */
  int32_t variance_type;      /* DIT_VARIANCE_* for DDPM; 0: the model's, which is learned if it can, else fixed
                            large, unless its file says otherwise */
  int32_t clip_sample;          /* DIT_CLIP_*: whether x0 is cut to [-1, 1] at each step; 0: the model's (off, unless its file
                            says otherwise) */
  int32_t guidance_channels; /* leading latent channels that are guided; 0: the model's (three, as the official
                                code, for official models); -1: all, as diffusers */
  int32_t threads;           /* lowers the model's for this job */
  float guidance_scale;            /* classifier-free guidance scale, >= 0; exactly 1 needs one pass instead of two; 0: the
                                model's */
  float guidance_start, guidance_end; /* guide only in this part of the schedule, in [0,1], 0 being the noisy end; 0,0:
                                       all of it */
  float eta;                        /* DDIM: 0 is deterministic, 1 adds as much noise as DDPM */
  float class_mix;                        /* 0..1, with classes_b */
  float strength; /* 0..1, with init_image: the part of the schedule the picture is noised to; 0 is 1, where
                     nothing of it is left (but for a mask) */
  float reserved, reserved2;
  int32_t cache_interval; /* trades likeness for time: only every N-th step runs the transformer's blocks, and those
                    between add to their own tokens what the blocks added last; 0, 1: every step. Needs
                    4 bytes a channel, token, picture and pass (1.2 MB for a picture of DiT-XL/2 at 256 px
                    without guidance_scale, 2.4 MB with it). docs/fewer-passes.md has what it costs */
  int32_t reserved3;
} dit_params;

/* Fills in every default for `model` and checks every member as dit_job_start does; pointers are passed through.
 * out->struct_size must be set; `params` and `out` may be the same. Errors: ARGUMENT, UNSUPPORTED. Any thread. */
DIT_API dit_status dit_params_resolve(const dit_model *model, const dit_params *params, dit_params *out,
                                      dit_error *error);

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

/* How many bytes dit_job_start will allocate, to the byte. Errors: ARGUMENT, UNSUPPORTED, MEMORY (memory_limit; the
 * message names the least that would do). Any thread. */
DIT_API dit_status dit_job_memory(const dit_model *model, const dit_params *params, size_t *bytes, dit_error *error);

/* Starts a job: one call to allocate of exactly what dit_job_memory told, copies of all arrays, no arithmetic. The job
 * keeps the model alive. Errors: those of dit_job_memory. Any thread. */
DIT_API dit_status dit_job_start(const dit_model *model, const dit_params *params, dit_job **job, dit_error *error);

/* Works for about `microseconds`: at least one unit of work (at most 1 GFLOP, 0.05 GFLOP for a small model), then as
 * many as are expected to end in time; negative: to the end. DIT_MORE: call again; DIT_OK: finished (again and again);
 * DIT_CANCELLED; STATE for NULL. Allocates nothing. One thread at a time, which may change between calls. */
DIT_API dit_status dit_job_advance(dit_job *job, int64_t microseconds, dit_error *error);

typedef struct dit_progress {
  uint32_t struct_size;
  dit_status status;   /* DIT_MORE, DIT_OK or DIT_CANCELLED */
  int32_t step, steps; /* sampling steps finished and in all, summed over groups of pictures */
  int64_t units, units_total;
  int64_t microseconds_left; /* of dit_job_advance, at the pace so far; -1: not known yet */
  float fraction;            /* of the work, 0..1 */
  int32_t pictures_ready;    /* pictures 0..pictures_ready-1 have their pixels */
} dit_progress;

/* May race with dit_job_advance, not with dit_job_end. Any thread. Errors: ARGUMENT. */
DIT_API dit_status dit_job_progress(const dit_job *job, dit_progress *progress);

/* Where the time of a job went so far, by kind of work. */
typedef struct dit_profile_row {
  const char *name; /* such as "attention"; static */
  double seconds;   /* in dit_job_advance */
  double gflop;     /* of multiplications and additions on weights and tokens, 2 a multiply-add; 0: not counted */
  int64_t units;
} dit_profile_row;

/* Writes at most `capacity` rows and the number of all of them to *count; rows may be NULL with capacity 0. Not while
 * advance runs. Errors: ARGUMENT. */
DIT_API dit_status dit_job_profile(const dit_job *job, int32_t capacity, dit_profile_row *rows, int32_t *count,
                                   dit_error *error);

/* A rough picture of the present state, latent-sized (width / factor x height / factor), by the model's linear
 * latent-to-pixel map; cheap. Rows are `stride` bytes apart (0: packed). Not while advance runs.
 * Errors: ARGUMENT, UNSUPPORTED (the model has no map: dit-convert --fit-preview makes one). */
DIT_API dit_status dit_job_preview(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                                   dit_error *error);

/* Asks a job to stop; advance then returns DIT_CANCELLED after at most one unit. Any thread, and signal handlers. */
DIT_API void dit_job_cancel(dit_job *job);

/* A finished picture, 8 bits a channel, rows `stride` bytes apart (0: packed). Bytes are floor(clamp(127.5 x + 128)).
 * Errors: ARGUMENT, STATE (not ready: see pictures_ready), UNSUPPORTED (no decoder). Not while advance runs. */
DIT_API dit_status dit_job_pixels(dit_job *job, int32_t picture, int32_t format, uint8_t *pixels, size_t stride,
                                  dit_error *error);

/* The latent of a picture as it is now (final once it is ready, 0 before it is begun), [C][h][w]. Not while advance
 * runs. */
DIT_API dit_status dit_job_latent(dit_job *job, int32_t picture, float *latent, dit_error *error);

/* Ends a job at any time; NULL is fine. Not while another call on the job runs. */
DIT_API void dit_job_end(dit_job *job);

/* A whole job in one call: `count` pictures one after the other, packed, into `pixels` of `size` bytes (at least
 * count * height * width * channels of the format). Errors: those of a job. Any thread. */
DIT_API dit_status dit_generate(const dit_model *model, const dit_params *params, int32_t format, uint8_t *pixels,
                                size_t size, dit_error *error);

/* ---- Names ------------------------------------------------------------------------------------------------------ */

/* The name of a value of an enum above, such as "ddim" for DIT_SAMPLER_DDIM: the words of dit, dit-convert and the keys
 * of model files. A static string, or NULL if there is no such value. Values are numbered without gaps (from 1, pixel
 * formats from 0), so a program can list an enum by counting until NULL. Any thread. */
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

/* ---- The parts, for hosts with a sampler of their own ---------------------------------------------------------- */

/* One pass of the transformer, without guidance. latent [count][C][height][width] (latent pixels, multiples of the
 * patch, up to 1024), timesteps [count] in 0..999 of the original process (0..T-1 of one with T), may be fractional,
 * classes [count] (-1 or the null class: no class; NULL: all of them) -> out [count][C or 2C][height][width]: eps, then
 * the variance values v of log var = (v+1)/2 log beta + (1-v)/2 log posterior variance. Allocates and frees its
 * workspace. Any thread. Errors: ARGUMENT, UNSUPPORTED (no transformer), MEMORY. */
DIT_API dit_status dit_denoise(const dit_model *model, int32_t count, int32_t height, int32_t width,
                               const float *latent, const float *timesteps, const int32_t *classes, float *out,
                               dit_error *error);

/* latent [count][C][height][width] (up to 1024, and to 16384 / factor), the autoencoder's own (a job's latent divided
 * by the scaling factor) -> image [count][image_channels][height*factor][width*factor], about [-1,1], not clipped. Its
 * workspace keeps to memory_limit; MEMORY names the least that would do. As dit_denoise otherwise. */
DIT_API dit_status dit_vae_decode(const dit_model *model, int32_t count, int32_t height, int32_t width,
                                  const float *latent, float *image, dit_error *error);

/* The mirror: image [count][image_channels][height][width], multiples of the factor up to 16384, in [-1,1] -> mean
 * and logvar [count][C][height/factor][width/factor] of the posterior, logvar within [-30, 20]; either may be NULL. */
DIT_API dit_status dit_vae_encode(const dit_model *model, int32_t count, int32_t height, int32_t width,
                                  const float *image, float *mean, float *logvar, dit_error *error);

/* One step of a schedule, in the order in which the sampler takes them: the noisiest first. With official spacings
 * beta and what follows are those of the respaced process (Nichol & Dhariwal 2021, section 4; official
 * diffusion/respace.py); with diffusers', alpha_cumprod and _prev are those of the whole process at this timestep and
 * the one that the step goes to, and beta is 1 - alpha_cumprod / alpha_cumprod_prev. */
typedef struct dit_schedule_row {
  double timestep;           /* as the network sees it */
  double alpha_cumprod;      /* product of 1 - beta up to here */
  double alpha_cumprod_prev; /* the same after this step; 1 at the last (DDIM with diffusers' spacings: unless the
                                step ends at a timestep, or the model's set_alpha_to_one is 0) */
  double beta;
  double posterior_variance;     /* beta * (1 - alpha_cumprod_prev) / (1 - alpha_cumprod) */
  double posterior_log_variance; /* its logarithm; the last step has the last but one's, or 0 if it is alone; with
                                    diffusers' spacings that of 1e-20 if it is less */
  double posterior_mean_x0;      /* mean = this * x0 ... */
  double posterior_mean_x;       /* ... + this * x */
  double ddim_sigma;             /* of params->eta (Song et al. 2020, equation 16) */
} dit_schedule_row;

/* The schedule of params->steps, spacing, sampler (0: DDPM; it counts for spacing 0 and those of diffusers) and eta
 * (0..1); others are ignored. Linear betas 0.0001..0.02 over 1000 timesteps, no offset. params NULL or steps 0: 250
 * steps. Writes at most `capacity` rows and the number of all of them to *count; rows may be NULL with capacity 0.
 * Errors: ARGUMENT, UNSUPPORTED. Any thread. */
DIT_API dit_status dit_schedule(const dit_params *params, int32_t capacity, dit_schedule_row *rows, int32_t *count,
                                dit_error *error);

/* The schedule that a job with these parameters takes: with the model's betas, timesteps, steps_offset and
 * set_alpha_to_one, and its recommendations where a member is 0. As dit_schedule otherwise, but all of `params` must be
 * valid. */
DIT_API dit_status dit_model_schedule(const dit_model *model, const dit_params *params, int32_t capacity,
                                      dit_schedule_row *rows, int32_t *count, dit_error *error);

/* A stream of standard normal numbers. DIT_GENERATOR_DIT (or 0) is what a job uses for one picture: numbers 0..n-1 of
 * the picture's seed are its start, n*(k+1).. those of the k-th step, n = C*h*w. It is counter-based: Philox4x32-10
 * (Salmon et al. 2011), key = seed, counter = index of a block of four words, two Box-Muller pairs; docs/numerics.md.
 * Errors: ARGUMENT, MEMORY. Any thread. */
DIT_API dit_status dit_rng_open(int32_t generator, uint64_t seed, dit_rng **rng, dit_error *error);
/* The next `count` numbers. With TORCH and PHILOX a call is a call of randn, and 16 numbers are not twice 8. PHILOX
 * makes up to 2^32 in a call. Errors: ARGUMENT. */
DIT_API dit_status dit_rng_normal(dit_rng *rng, int64_t count, float *out);
DIT_API void dit_rng_close(dit_rng *rng); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
