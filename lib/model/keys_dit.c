/* The keys of a transformer. */
#include "lib/core/numerics.h"

#include <stdio.h>

#include "lib/core/error.h"
#include "lib/model/keys_dit.h"
#include "lib/sampling/schedule.h"

static void keys_geometry(dit__metadata *keys, dit__transformer *dit) {
  dit->hidden = (int32_t)dit__key_integer(keys, "dit.hidden_size", 4, DIT__MAX_HIDDEN);
  dit->depth = (int32_t)dit__key_integer(keys, "dit.depth", 1, DIT__MAX_DEPTH);
  dit->heads = (int32_t)dit__key_integer(keys, "dit.heads", 1, DIT__MAX_HEADS);
  dit->patch = (int32_t)dit__key_integer(keys, "dit.patch", 1, DIT__MAX_PATCH);
  dit->latent_size = (int32_t)dit__key_integer(keys, "dit.latent_size", 1, DIT__MAX_LATENT);
  dit->channels = (int32_t)dit__key_integer(keys, "dit.in_channels", 1, DIT__MAX_CHANNELS);
  dit->classes = (int32_t)dit__key_integer(keys, "dit.class_count", 1, DIT__MAX_CLASSES);
  dit->null_class = (int32_t)dit__key_integer(keys, "dit.null_class", -1, dit->classes);
  dit->mlp = (int32_t)dit__key_integer_or(keys, "dit.mlp_size", 4, DIT__MAX_MLP, 4 * (int64_t)dit->hidden);
  dit->out_channels = dit->channels * (dit__key_integer(keys, "dit.learned_sigma", 0, 1) ? 2 : 1);
  if (!keys->status && (dit->hidden % dit->heads || dit->hidden % 4 || dit->latent_size % dit->patch))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT,
                             "geometry: hidden_size %d must be a multiple of heads %d and of 4, latent_size %d of "
                             "patch %d",
                             dit->hidden, dit->heads, dit->latent_size, dit->patch);
}

/* The switches that make the networks of different families of one. */
static void keys_switches(dit__metadata *keys, dit__transformer *dit) {
  if (keys->status) return;
  dit->block_kind = (dit__block_kind)dit__key_word(keys, "dit.block", dit__block_words);
  dit->norm = (dit__norm_kind)dit__key_word(keys, "dit.norm", dit__norm_words);
  dit->mlp_kind = (dit__mlp_kind)dit__key_word(keys, "dit.mlp", dit__mlp_words);
  dit->qk_norm = (dit__qk_norm)dit__key_word(keys, "dit.qk_norm", dit__qk_norm_words);
  dit->rope = (dit__rope)dit__key_word(keys, "dit.rope", dit__rope_words);
  dit->pixels = (int32_t)dit__key_integer_or(keys, "dit.pixels", 0, 1, 0);
  dit->bottleneck = (int32_t)dit__key_integer_or(keys, "dit.bottleneck", 0, dit->hidden, 0);
  dit->context = (int32_t)dit__key_integer_or(keys, "dit.context_tokens", 0, DIT__MAX_CONTEXT, 0);
  dit->context_block = (int32_t)dit__key_integer_or(keys, "dit.context_block", 0, dit->depth - 1, 0);
  dit->diffusers = dit__key_word(keys, "dit.forward", dit__forward_words) == DIT__FORWARD_DIFFUSERS;
  dit->mlp_eps = (float)(dit->diffusers ? dit__key_real_or(keys, "dit.norm_eps", 1e-5) : 1e-6);
}

/* Checks that the switches go together. */
static void keys_check_switches(dit__metadata *keys, const dit__transformer *dit) {
  const int32_t dim = keys->status ? 0 : dit->hidden / dit->heads;
  if (keys->status) return;
  if (dit->context && !dit__block_types[dit->block_kind].modulated)
    keys->status = dit__fail(keys->error, DIT_ERROR_UNSUPPORTED, "key dit.context_tokens: not with dit.block '%s'",
                             dit__block_words[dit->block_kind]);
  else if (dit->pixels && dit->channels != 3 && dit->channels != 4)
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.pixels: pictures have 3 or 4 channels, not %d",
                             dit->channels);
  else if (dit->rope && dim % 4)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT,
                  "key dit.rope: heads of %d channels cannot be turned; their number must be a multiple of 4", dim);
  else if (dit->diffusers && dit->block_kind != DIT__BLOCK_ADALN_ZERO)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "keys: dit.forward 'diffusers' needs dit.block 'adaln_zero'");
  else if (!(dit->mlp_eps > 0 && dit->mlp_eps <= 1))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.norm_eps must be above 0 and at most 1");
}

static void keys_diffusion(dit__metadata *keys, dit__process *process) {
  process->scaled = dit__key_word(keys, "dit.beta_schedule", dit__beta_schedule_words) == DIT__BETAS_SCALED_LINEAR;
  process->beta_start = dit__key_real_or(keys, "dit.beta_start", process->beta_start);
  process->beta_end = dit__key_real_or(keys, "dit.beta_end", process->beta_end);
  process->timesteps = (int32_t)dit__key_integer_or(keys, "dit.timesteps", 2, DIT__MAX_TIMESTEPS, process->timesteps);
  process->offset = (int32_t)dit__key_integer_or(keys, "dit.steps_offset", 0, process->timesteps - 1, 0);
  process->set_alpha_to_one = (int32_t)dit__key_integer_or(keys, "dit.set_alpha_to_one", 0, 1, 1);
  if (!keys->status) keys->status = dit__process_check(process, keys->error);
}

static void keys_flow(dit__metadata *keys, dit__transformer *dit) {
  dit__process *process = &dit->process;
  process->data_time = (int32_t)dit__key_integer_or(keys, "dit.data_time", 0, 1, 0);
  process->second_time = (dit__second_time)dit__key_word(keys, "dit.second_time", dit__second_time_words);
  process->guides_passes = (int32_t)dit__key_integer_or(keys, "dit.guides_passes", 0, 1, 0);
  process->shift = dit__key_real_or(keys, "dit.timestep_shift", 1);
  if (process->second_time == DIT__SECOND_TIME_END)
    dit->second_block = (int32_t)dit__key_integer(keys, "dit.second_time_block", 0, dit->depth);
  if (keys->status) return;
  if (!(process->shift >= 0.01 && process->shift <= 100))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key dit.timestep_shift must be 0.01 to 100");
  else if (process->second_time && !dit__block_types[dit->block_kind].modulated)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_UNSUPPORTED, "key dit.second_time: blocks of the kind '%s' take one time only",
                  dit__block_words[dit->block_kind]);
}

/* The process that the model was trained with. */
static void keys_process(dit__metadata *keys, dit__transformer *dit) {
  dit__process *process = &dit->process;
  *process = dit__process_default;
  process->path = (dit__path)dit__key_word(keys, "dit.path", dit__path_words);
  process->prediction = (dit__prediction)dit__key_word(keys, "dit.prediction_type", dit__prediction_words);
  if (!keys->status && (process->path == DIT__PATH_DIFFUSION) != (process->prediction == DIT__PREDICTION_EPSILON))
    keys->status = dit__fail(keys->error, DIT_ERROR_UNSUPPORTED,
                             "key dit.prediction_type: '%s' is not supported with dit.path '%s'",
                             dit__prediction_words[process->prediction], dit__path_words[process->path]);
  if (process->path == DIT__PATH_DIFFUSION)
    keys_diffusion(keys, process);
  else
    keys_flow(keys, dit);
}

void dit__keys_transformer(dit__metadata *keys, dit__transformer *dit) {
  /* One tensor of either end is enough, so that a file that lacks the other is refused. */
  if (keys->status ||
      !(dit__gguf_find(keys->gguf, "x_embedder.proj.weight") || dit__gguf_find(keys->gguf, "x_embedder.proj1.weight") ||
        dit__gguf_find(keys->gguf, "final_layer.linear.weight")))
    return;
  dit->present = 1;
  snprintf(dit->family, sizeof dit->family, "DiT");
  dit__key_text(keys, "dit.family", dit->family, sizeof dit->family);
  keys_geometry(keys, dit);
  keys_switches(keys, dit);
  keys_check_switches(keys, dit);
  keys_process(keys, dit);
}
