/* The keys of a model file: what it is, what it recommends. docs/convert.md lists them. */
#include "weights/convert/write/keys.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/metadata.h"
#include "lib/model/variant.h"
#include "lib/sampling/schedule.h"
#include "weights/convert/shape/imagenet.h"

/* Returns whether 0, s, 2s, ... below 1000 has `steps` entries for some integer s. */
static int has_ddim_stride(int steps) {
  for (int stride = 1; stride < 1000; stride++)
    if ((999 + stride) / stride == steps) return 1;
  return 0;
}

/* ---- What the file recommends ---- */

static dit_status check_guidance(double guidance, int channels, int64_t in_channels, int64_t null_class,
                                 dit_error *error) {
  if (null_class < 0 && guidance != 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a guidance of %g needs a null class, which this model lacks",
                     guidance);
  if (channels > in_channels)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--guidance-channels %d: the latent has only %d", channels,
                     (int)in_channels);
  return DIT_OK;
}

/* Chooses the channels that are guided by default. The official code guides three of four, diffusers' pipeline all; what
 * a model with more channels was trained for, no file says. */
static dit_status usual_channels(const model_content *m, const convert_options *options, int *channels,
                                 dit_error *error) {
  *channels = m->dit.family->guidance_channels;
  if (*channels) return DIT_OK;
  *channels = m->dit.in_channels <= 3 || options->pipeline ? -1 : 3;
  if (*channels < 0 || m->dit.in_channels == 4 || m->synthetic_dit) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "the latent has %d channels, and nothing tells how many of them guidance is for: the official code "
                   "guides 3 of 4, other programs guide all; give --guidance-channels N or all",
                   (int)m->dit.in_channels);
}

static dit_status check_shift(const convert_options *options, int flow, dit_error *error) {
  if (!(options->shift > 0) || flow) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "--timestep-shift %g: only models of flow matching have shifted timesteps, and this is none",
                   options->shift);
}

static dit_status write_recommendations(gguf_writer *w, const model_content *m, const convert_options *options,
                                        int32_t null_class, dit_error *error) {
  const schedule *from = options->schedule;
  const family *f = m->dit.family;
  int steps = options->steps ? options->steps : from ? 50 : f->steps, channels = options->guidance_channels;
  if (from && !options->steps && from->timesteps < steps) steps = from->timesteps;
  const int sampler = options->sampler ? options->sampler : from ? from->sampler : f->sampler;
  int spacing = options->spacing ? options->spacing : from ? from->spacing : 0;
  double guidance = options->guidance >= 0 ? options->guidance : null_class < 0 ? 1 : f->guidance;
  if (!spacing) spacing = sampler == DIT_SAMPLER_DDIM && has_ddim_stride(steps) ? DIT_SPACING_DDIM : DIT_SPACING_EVEN;
  if (spacing == DIT_SPACING_DDIM && !has_ddim_stride(steps))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "no integer stride makes %d steps, which --timestep-spacing ddim needs",
                     steps);
  if (from && steps > from->timesteps)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--steps %d: the scheduler has only %d timesteps", steps,
                     from->timesteps);
  dit_status status = check_guidance(guidance, channels, m->dit.in_channels, null_class, error);
  if (!status) status = dit__schedule_check_sampler(&(dit__process){.path = f->path}, sampler, error);
  if (!status) status = check_shift(options, f->path != DIT__PATH_DIFFUSION, error);
  if (!status && !channels) status = usual_channels(m, options, &channels, error);
  if (status) return status;
  gguf_writer_u32(w, "dit.steps", (uint32_t)steps);
  gguf_writer_string(w, "dit.sampler", dit_sampler_name(sampler));
  gguf_writer_string(w, "dit.spacing", dit_spacing_name(spacing));
  gguf_writer_f32(w, "dit.guidance", (float)guidance);
  gguf_writer_i32(w, "dit.guidance_channels", channels);
  if (f->guidance_start > 0 || f->guidance_end < 1) {
    gguf_writer_f32(w, "dit.guidance_start", (float)f->guidance_start);
    gguf_writer_f32(w, "dit.guidance_end", (float)f->guidance_end);
  }
  return DIT_OK;
}

/* ---- What the model is ---- */

/* Writes what a model with another path than diffusion was trained to do. */
static void write_flow(gguf_writer *w, const transformer_geometry *g, const convert_options *options) {
  const family *f = g->family;
  const double shift = options->shift > 0 ? options->shift : f->shift;
  gguf_writer_string(w, "dit.path", dit__path_words[f->path]);
  gguf_writer_string(w, "dit.prediction_type", dit__prediction_words[f->prediction]);
  gguf_writer_u32(w, "dit.data_time", (uint32_t)f->data_time);
  if (f->guides_passes) gguf_writer_bool(w, "dit.guides_passes", 1);
  if (shift > 0) gguf_writer_f64(w, "dit.timestep_shift", shift);
  if (f->second_time) gguf_writer_string(w, "dit.second_time", dit__second_time_words[f->second_time]);
  if (f->second_time == DIT__SECOND_TIME_END) gguf_writer_u32(w, "dit.second_time_block", (uint32_t)g->second_block);
}

static void write_forward(gguf_writer *w, const convert_options *options, double norm_eps) {
  int diffusers = options->forward == FORWARD_DIFFUSERS;
  gguf_writer_string(w, "dit.forward", dit__forward_words[diffusers ? DIT__FORWARD_DIFFUSERS : DIT__FORWARD_OFFICIAL]);
  if (diffusers) gguf_writer_f64(w, "dit.norm_eps", norm_eps > 0 ? norm_eps : 1e-5);
}

/* Writes the noise that the model was trained with and, of a pipeline, how it steps. */
static void write_schedule(gguf_writer *w, const schedule *s) {
  gguf_writer_string(w, "dit.beta_schedule", dit__beta_schedule_words[s ? s->betas : DIT__BETAS_LINEAR]);
  gguf_writer_f64(w, "dit.beta_start", s ? s->beta_start : 0.0001);
  gguf_writer_f64(w, "dit.beta_end", s ? s->beta_end : 0.02);
  gguf_writer_u32(w, "dit.timesteps", s ? (uint32_t)s->timesteps : 1000);
  if (!s) return;
  gguf_writer_string(w, "dit.prediction_type", dit__prediction_words[0]);
  gguf_writer_u32(w, "dit.steps_offset", (uint32_t)s->steps_offset);
  gguf_writer_bool(w, "dit.set_alpha_to_one", s->set_alpha_to_one);
  if (s->variance) gguf_writer_string(w, "dit.variance", dit_variance_name(s->variance));
  gguf_writer_string(w, "dit.clip", dit_clip_name(s->clip ? DIT_CLIP_ON : DIT_CLIP_OFF));
}

static dit_status write_labels(gguf_writer *w, const convert_options *options, int64_t classes, int64_t rows,
                               dit_error *error) {
  if (options->label_count && (int64_t)options->label_count != classes)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "%d labels for %d classes%s", (int)options->label_count, (int)classes,
                     (int64_t)options->label_count == rows ? "; was the model trained without a null class "
                                                             "(--no-null-class)?"
                                                           : "");
  if (options->label_count)
    gguf_writer_strings(w, "dit.labels", options->labels, options->label_count);
  else if (classes == IMAGENET_CLASSES && !options->no_labels)
    gguf_writer_strings(w, "dit.labels", imagenet_names, IMAGENET_CLASSES);
  return DIT_OK;
}

/* Decides whether the last row of the label table stands for no class. A checkpoint does not say: 1001 rows are taken for
 * 1000 classes and the null class, but if the number of rows is round, all of them may be classes. */
static dit_status decide_null(const model_content *m, const convert_options *options, int64_t *classes,
                              int32_t *null_class, dit_error *error) {
  int64_t rows = m->dit.class_rows;
  int asked = options->null_class || m->synthetic_dit || m->dit.null_known || m->dit.family->no_null_class;
  const int absent = options->null_class == NULL_CLASS_ABSENT || (!options->null_class && m->dit.family->no_null_class);
  if (!asked && rows % 10 == 0)
    return dit__fail(
        error, DIT_ERROR_ARGUMENT,
        "the label table has %d rows: %d classes and a null class, or %d classes of a model trained without "
        "one? Nothing in the file tells; give --null-class or --no-null-class",
        (int)rows, (int)rows - 1, (int)rows);
  *classes = absent ? rows : rows - 1;
  *null_class = absent ? -1 : (int32_t)*classes;
  if (*classes >= 1) return DIT_OK;
  return dit__fail(error, DIT_ERROR_ARGUMENT,
                   "a label table of one row would be the null class alone; give --no-null-class if it is a class");
}

static dit_status write_dit_keys(gguf_writer *w, const model_content *m, const convert_options *options,
                                 dit_error *error) {
  const transformer_geometry *g = &m->dit;
  int64_t classes = 0;
  int32_t null_class = -1;
  dit_status status = decide_null(m, options, &classes, &null_class, error);
  if (status) return status;
  const schedule *from = options->schedule;
  if (from && from->variance == DIT_VARIANCE_LEARNED_RANGE && g->out_channels == g->in_channels)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "the scheduler's variance_type is learned_range, but the transformer gives no variance");
  if (strcmp(g->family->name, "DiT")) gguf_writer_string(w, "dit.family", g->family->name);
  gguf_writer_u32(w, "dit.hidden_size", (uint32_t)g->hidden);
  gguf_writer_u32(w, "dit.depth", (uint32_t)g->depth);
  gguf_writer_u32(w, "dit.heads", (uint32_t)g->heads);
  gguf_writer_u32(w, "dit.mlp_size", (uint32_t)g->mlp);
  gguf_writer_u32(w, "dit.patch", (uint32_t)g->patch);
  if (g->block_kind != DIT__BLOCK_ADALN_ZERO) gguf_writer_string(w, "dit.block", dit__block_words[g->block_kind]);
  if (g->norm) gguf_writer_string(w, "dit.norm", dit__norm_words[g->norm]);
  if (g->mlp_kind) gguf_writer_string(w, "dit.mlp", dit__mlp_words[g->mlp_kind]);
  if (g->qk_norm) gguf_writer_string(w, "dit.qk_norm", dit__qk_norm_words[g->qk_norm]);
  if (g->family->rope) gguf_writer_string(w, "dit.rope", dit__rope_words[g->family->rope]);
  if (g->family->pixels) gguf_writer_bool(w, "dit.pixels", 1);
  if (g->bottleneck) gguf_writer_u32(w, "dit.bottleneck", (uint32_t)g->bottleneck);
  if (g->context) gguf_writer_u32(w, "dit.context_tokens", (uint32_t)g->context);
  if (g->context) gguf_writer_u32(w, "dit.context_block", (uint32_t)g->context_block);
  gguf_writer_u32(w, "dit.latent_size", (uint32_t)g->latent);
  gguf_writer_u32(w, "dit.in_channels", (uint32_t)g->in_channels);
  gguf_writer_bool(w, "dit.learned_sigma", g->out_channels != g->in_channels);
  gguf_writer_u32(w, "dit.class_count", (uint32_t)classes);
  gguf_writer_i32(w, "dit.null_class", null_class);
  write_forward(w, options, g->norm_eps);
  if (g->family->path == DIT__PATH_DIFFUSION)
    write_schedule(w, options->schedule);
  else
    write_flow(w, g, options);
  status = write_labels(w, options, classes, g->class_rows, error);
  return status ? status : write_recommendations(w, m, options, null_class, error);
}

static void write_vae_keys(gguf_writer *w, const autoencoder_geometry *g) {
  uint32_t blocks[DIT__MAX_VAE_LEVELS];
  for (int64_t i = 0; i < g->levels; i++) blocks[i] = (uint32_t)g->blocks[i];
  gguf_writer_u32s(w, "vae.block_channels", blocks, (size_t)g->levels);
  gguf_writer_u32(w, "vae.layers", (uint32_t)g->layers);
  gguf_writer_u32(w, "vae.groups", (uint32_t)g->groups);
  gguf_writer_u32(w, "vae.image_channels", (uint32_t)g->image_channels);
  gguf_writer_u32(w, "vae.latent_channels", (uint32_t)g->latent_channels);
  if (g->level_attention) gguf_writer_u32(w, "vae.level_attention", 1);
  gguf_writer_f64(w, "vae.scaling_factor", g->scaling_factor);
}

/* ---- Keys of a model file that is written again ---- */

/* Returns whether an option replaces a key of the file. */
static int is_overridden(const convert_options *options, const char *name, size_t length) {
  const struct {
    const char *key;
    int overridden;
  } table[] = {
      {"general.alignment", 1}, /* the writer writes it */
      {"general.name", options->name != NULL},
      {"general.license", options->license != NULL},
      {"dit.labels", options->label_count || options->no_labels},
      {"dit.forward", options->forward != 0},
      {"dit.norm_eps", options->forward != 0},
      {"dit.steps", options->steps != 0},
      {"dit.sampler", options->sampler != 0},
      {"dit.spacing", options->spacing != 0},
      {"dit.timestep_shift", options->shift > 0},
      {"dit.guidance", options->guidance >= 0},
      {"dit.guidance_channels", options->guidance_channels != 0},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strlen(table[i].key) == length && memcmp(table[i].key, name, length) == 0) return table[i].overridden;
  return 0;
}

static int is_flow(const dit__gguf *file) {
  const char *path;
  size_t length;
  const char *diffusion = dit__path_words[DIT__PATH_DIFFUSION];
  return dit__gguf_string(file, "dit.path", &path, &length, NULL) > 0 &&
         (length != strlen(diffusion) || memcmp(path, diffusion, length) != 0);
}

static dit_status write_overrides(gguf_writer *w, const dit__gguf *file, const convert_options *options,
                                  dit_error *error) {
  int64_t classes = 0, null_class = -1, channels = 0;
  double norm_eps = 0;
  if (dit__gguf_integer(file, "dit.class_count", 0, INT32_MAX, &classes, error) < 0 ||
      dit__gguf_integer(file, "dit.null_class", -1, INT32_MAX, &null_class, error) < 0 ||
      dit__gguf_integer(file, "dit.in_channels", 0, INT32_MAX, &channels, error) < 0 ||
      dit__gguf_real(file, "dit.norm_eps", &norm_eps, error) < 0)
    return DIT_ERROR_FORMAT;
  if (options->schedule || options->null_class)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "what a model file says of its training is not changed; convert the checkpoint again");
  dit_status status = check_guidance(options->guidance >= 0 ? options->guidance : 1, options->guidance_channels,
                                     channels, null_class, error);
  if (!status) status = check_shift(options, is_flow(file), error);
  if (!status && options->label_count) status = write_labels(w, options, classes, classes + 1, error);
  if (status) return status;
  if (options->name) gguf_writer_string(w, "general.name", options->name);
  if (options->license) gguf_writer_string(w, "general.license", options->license);
  if (options->forward) write_forward(w, options, norm_eps);
  if (options->steps) gguf_writer_u32(w, "dit.steps", (uint32_t)options->steps);
  if (options->sampler) gguf_writer_string(w, "dit.sampler", dit_sampler_name(options->sampler));
  if (options->spacing) gguf_writer_string(w, "dit.spacing", dit_spacing_name(options->spacing));
  if (options->shift > 0) gguf_writer_f64(w, "dit.timestep_shift", options->shift);
  if (options->guidance >= 0) gguf_writer_f32(w, "dit.guidance", (float)options->guidance);
  if (options->guidance_channels) gguf_writer_i32(w, "dit.guidance_channels", options->guidance_channels);
  return DIT_OK;
}

static dit_status copy_keys(gguf_writer *w, const dit__gguf *file, const convert_options *options, dit_error *error) {
  const char *name;
  const uint8_t *record;
  size_t length, size;
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &length, &size)) != NULL; i++)
    if (!is_overridden(options, name, length)) gguf_writer_copy(w, record, size);
  return write_overrides(w, file, options, error);
}

/* ---- All keys ---- */

dit_status keys_write(gguf_writer *w, const model_content *m, const convert_options *options, dit_error *error) {
  char variant[64] = "AutoencoderKL";
  if (m->file) return copy_keys(w, m->file, options, error);
  if (m->has_dit)
    dit__variant_name(m->dit.family->name, (int32_t)m->dit.hidden, (int32_t)m->dit.depth, (int32_t)m->dit.heads,
                      (int32_t)m->dit.patch, variant, sizeof variant);
  gguf_writer_string(w, "general.architecture", "dit");
  gguf_writer_string(w, "general.name", options->name ? options->name : variant);
  if (options->license) gguf_writer_string(w, "general.license", options->license);
  gguf_writer_u32(w, "dit.format", 1);
  dit_status status = m->has_dit ? write_dit_keys(w, m, options, error) : DIT_OK;
  if (!status && !m->has_dit && options->label_count)
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "labels belong to a transformer, and there is none");
  if (!status && m->has_vae) write_vae_keys(w, &m->vae);
  return status;
}
