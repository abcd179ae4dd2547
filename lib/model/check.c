/* Checking a model file, from its keys to its last tensor. */
#include "lib/core/numerics.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/check.h"
#include "lib/model/keys_dit.h"
#include "lib/model/keys_vae.h"
#include "lib/model/metadata.h"
#include "lib/model/tensors.h"
#include "lib/model/variant.h"
#include "lib/sampling/schedule.h"

/* ---- Kind of file, and tensors ---- */

static void check_architecture(dit__metadata *keys) {
  char architecture[16] = "";
  dit__key_text(keys, "general.architecture", architecture, sizeof architecture);
  if (!keys->status && strcmp(architecture, "dit"))
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT,
                  "general.architecture is '%s', not 'dit': the file holds another kind of model", architecture);
  if (!keys->status && dit__key_integer_or(keys, "dit.format", 1, 1 << 20, 1) != 1)
    keys->status = dit__fail(keys->error, DIT_ERROR_UNSUPPORTED, "dit.format: the file needs a newer libdit");
}

typedef struct check_tensors {
  const dit__gguf *gguf;
  dit_error *error;
  uint64_t parameters;
} check_tensors;

static dit_status check_tensor(void *user, const dit__tensor *tensor) {
  check_tensors *check = (check_tensors *)user;
  check->parameters += dit__tensor_elements(tensor);
  return dit__tensor_check(check->gguf, tensor, check->error);
}

static void check_networks(dit__metadata *keys, dit__contents *out) {
  check_tensors check = {keys->gguf, keys->error, 0};
  dit__keys_transformer(keys, &out->dit);
  if (!keys->status && out->dit.present) keys->status = dit__list_transformer(&out->dit, check_tensor, &check);
  dit__keys_autoencoder(keys, &out->vae);
  if (!keys->status) keys->status = dit__list_autoencoder(&out->vae, check_tensor, &check);
  if (keys->status) return;
  const int vae = out->vae.has_decoder || out->vae.has_encoder;
  if (!out->dit.present && !vae)
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "the file holds neither a transformer nor an autoencoder");
  else if (out->dit.present && vae && out->dit.channels != out->vae.channels)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "the transformer has %d latent channels, the autoencoder %d",
                  out->dit.channels, out->vae.channels);
  else if (out->dit.pixels && vae)
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                             "key dit.pixels: the transformer draws pixels, but the file has an autoencoder, too");
  if (out->dit.pixels) {
    out->vae.channels = out->vae.image_channels = out->dit.channels;
    out->vae.scale_factor = 1;
    out->vae.scaling = 1;
  }
  out->info.parameters = check.parameters;
}

/* ---- What the file recommends and says ---- */

static void check_sampling(dit__metadata *keys, dit__contents *out) {
  dit_info *info = &out->info;
  const int32_t timesteps = out->dit.process.timesteps;
  const int32_t most = timesteps < DIT__MAX_STEPS ? timesteps : DIT__MAX_STEPS;
  info->steps = (int32_t)dit__key_integer_or(keys, "dit.steps", 1, most, most < 250 ? most : 250);
  info->sampler = dit__key_enum(keys, "dit.sampler", DIT__ENUM_SAMPLER);
  if (!info->sampler) info->sampler = info->flow ? DIT_SAMPLER_EULER : DIT_SAMPLER_DDPM;
  if (!keys->status && dit__schedule_check_sampler(&out->dit.process, info->sampler, NULL))
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.sampler is '%s', which cannot follow dit.path '%s'",
                  dit__name(DIT__ENUM_SAMPLER, info->sampler), dit__path_words[out->dit.process.path]);
  info->timestep_spacing = dit__key_enum(keys, "dit.spacing", DIT__ENUM_SPACING);
}

static void check_guidance(dit__metadata *keys, dit__contents *out) {
  dit_info *info = &out->info;
  const int32_t channels = out->dit.channels, null_class = out->dit.null_class;
  info->guidance_scale = (float)dit__key_real_or(keys, "dit.guidance", null_class >= 0 ? 4.0 : 1.0);
  info->guidance_channels =
      (int32_t)dit__key_integer_or(keys, "dit.guidance_channels", -1, channels, channels > 3 ? 3 : -1);
  if (!keys->status && !(info->guidance_scale >= 0 && info->guidance_scale <= 1000))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.guidance must be 0 to 1000");
  if (!keys->status && info->guidance_channels == 0)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.guidance_channels must be 1 to %d, or -1", channels);
  if (info->guidance_channels < 0) info->guidance_channels = channels;
  if (null_class < 0) info->guidance_scale = 1;
  info->guidance_start = (float)dit__key_real_or(keys, "dit.guidance_start", 0);
  info->guidance_end = (float)dit__key_real_or(keys, "dit.guidance_end", 1);
  if (!keys->status &&
      !(info->guidance_start >= 0 && info->guidance_start <= info->guidance_end && info->guidance_end <= 1))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                             "keys dit.guidance_start and dit.guidance_end must be 0 <= start <= end <= 1");
}

static void check_variance(dit__metadata *keys, dit__contents *out) {
  dit_info *info = &out->info;
  const int predicted = info->learned_sigma;
  info->variance_type = dit__key_enum(keys, "dit.variance", DIT__ENUM_VARIANCE);
  const int needed = info->variance_type == DIT_VARIANCE_LEARNED_RANGE || info->variance_type == DIT_VARIANCE_LEARNED;
  if (!keys->status && needed && !predicted)
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                             "key dit.variance is '%s', but by dit.learned_sigma the model does not predict it",
                             dit__name(DIT__ENUM_VARIANCE, info->variance_type));
  if (!info->variance_type) info->variance_type = predicted ? DIT_VARIANCE_LEARNED_RANGE : DIT_VARIANCE_FIXED_LARGE;
  info->clip_sample = dit__key_enum(keys, "dit.clip", DIT__ENUM_CLIP);
  if (!info->clip_sample) info->clip_sample = DIT_CLIP_OFF;
}

static void check_labels(dit__metadata *keys, dit__contents *out) {
  uint64_t count = 0, cursor = 0;
  const char *text;
  size_t length;
  if (keys->status) return;
  if (!dit__key_array(keys, "dit.labels", &count)) return;
  if (count > (uint64_t)out->dit.classes) {
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.labels: %llu labels for %d classes",
                             (unsigned long long)count, out->dit.classes);
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (!dit__gguf_array_string(keys->gguf, "dit.labels", &cursor, &text, &length)) {
      keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.labels: not an array of strings");
      return;
    }
    out->label_bytes += length + 1;
  }
  out->info.label_count = (int32_t)count;
}

static void check_preview(dit__metadata *keys, dit__contents *out) {
  const int64_t expected = (int64_t)out->vae.image_channels * (out->vae.channels + 1);
  uint64_t count = 0;
  double value;
  if (keys->status) return;
  if (out->dit.pixels) {
    out->info.has_preview = 1; /* what is sampled is what is shown */
    return;
  }
  if (!dit__key_array(keys, "dit.preview", &count) || !out->vae.has_decoder) return;
  for (int64_t i = 0; i < expected && !keys->status; i++)
    if ((uint64_t)expected != count || !dit__gguf_array_real(keys->gguf, "dit.preview", (uint64_t)i, &value))
      keys->status =
          dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.preview: expected %lld numbers", (long long)expected);
  out->info.has_preview = !keys->status;
}

/* ---- The description ---- */

/* The type of a tensor that stands for all: of the first matrix of the blocks, or of the autoencoder. */
static int32_t check_weight_type(const dit__gguf *gguf, const dit__contents *contents) {
  const dit__gguf_tensor *sample = dit__gguf_find(gguf, contents->dit.present       ? "blocks.0.attn.qkv.weight"
                                                        : contents->vae.has_decoder ? "vae.decoder.conv_in.weight"
                                                                                    : "vae.encoder.conv_in.weight");
  switch (sample->type) {
    case DIT__GGUF_F32: return DIT_TYPE_F32;
    case DIT__GGUF_F16: return DIT_TYPE_F16;
    case DIT__GGUF_BF16: return DIT_TYPE_BF16;
    default: return sample->rank == 1 ? DIT_TYPE_Q4 : DIT_TYPE_Q8;
  }
}

static void check_describe_transformer(const dit__contents *contents, dit_info *info) {
  const dit__transformer *dit = &contents->dit;
  info->hidden_size = dit->hidden;
  info->depth = dit->depth;
  info->heads = dit->heads;
  info->patch_size = dit->patch;
  info->latent_size = dit->latent_size;
  info->latent_channels = dit->channels;
  info->out_channels = dit->out_channels;
  info->pixels = dit->pixels;
  info->flow = dit->process.path != DIT__PATH_DIFFUSION;
  info->second_timestep = dit->process.second_time != DIT__SECOND_TIME_NONE;
  info->timestep_shift = (float)dit->process.shift;
  info->learned_sigma = dit->out_channels > dit->channels && !info->flow;
  info->class_count = dit->classes;
  info->null_class = dit->null_class;
  info->width = info->height = dit->latent_size * (contents->vae.levels ? contents->vae.scale_factor : 1);
  dit__variant_name(dit->family, dit->hidden, dit->depth, dit->heads, dit->patch, info->variant, sizeof info->variant);
}

static void check_describe(dit__metadata *keys, dit__contents *out) {
  dit_info *info = &out->info;
  const dit__vae *vae = &out->vae;
  if (keys->status) return;
  info->has_transformer = out->dit.present;
  info->has_decoder = vae->has_decoder || out->dit.pixels;
  info->has_encoder = vae->has_encoder;
  info->image_channels = vae->image_channels;
  info->latent_channels = vae->channels;
  info->scaling_factor = (float)vae->scaling;
  info->vae_scale_factor = vae->scale_factor;
  info->null_class = -1;
  info->weight_type = check_weight_type(keys->gguf, out);
  snprintf(info->variant, sizeof info->variant, "AutoencoderKL");
  if (out->dit.present) check_describe_transformer(out, info);
  dit__key_text(keys, "general.name", info->name, sizeof info->name);
  dit__key_text(keys, "general.license", info->license, sizeof info->license);
}

dit_status dit__model_check(const dit__gguf *gguf, dit__contents *out, dit_error *error) {
  dit__metadata keys = {.gguf = gguf, .error = error};
  memset(out, 0, sizeof *out);
  check_architecture(&keys);
  check_networks(&keys, out);
  check_describe(&keys, out);
  if (out->dit.present) {
    check_sampling(&keys, out);
    check_guidance(&keys, out);
    check_variance(&keys, out);
    check_labels(&keys, out);
  }
  check_preview(&keys, out);
  dit__key_refuse_others(&keys);
  return keys.status;
}
