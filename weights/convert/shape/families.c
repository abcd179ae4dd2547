#include "weights/convert/shape/families.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"

/* Recommendations: DiT, sample.py; SiT, sample.py with an ODE of fewer passes; REPA, generate.py; DMF, scripts/eval_*.sh;
 * SoFlow, inference.py with one step; MeanFlow, the paper's one step. Licences: docs/models.md. */
static const family families[] = {
    {.option = "dit",
     .name = "DiT",
     .path = DIT__PATH_DIFFUSION,
     .prediction = DIT__PREDICTION_EPSILON,
     .sampler = DIT_SAMPLER_DDPM,
     .steps = 250,
     .guidance = 4,
     .guidance_end = 1},
    {.option = "sit",
     .name = "SiT",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .data_time = 1,
     .sampler = DIT_SAMPLER_HEUN,
     .steps = 25,
     .guidance = 4,
     .guidance_channels = 3,
     .guidance_end = 1},
    {.option = "repa",
     .name = "REPA",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .sampler = DIT_SAMPLER_EULER,
     .steps = 50,
     .guidance = 1.5,
     .guidance_channels = -1,
     .guidance_end = 1},
    {.option = "dmf",
     .name = "DMF",
     .license = "MIT (model card)",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .second_time = DIT__SECOND_TIME_END,
     .sampler = DIT_SAMPLER_EULER,
     .steps = 4,
     .guidance = 1,
     .guidance_channels = -1,
     .guidance_end = 1},
    {.option = "soflow",
     .name = "SoFlow",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .second_time = DIT__SECOND_TIME_DIFFERENCE,
     .sampler = DIT_SAMPLER_CONSISTENCY,
     .steps = 1,
     .guidance = 1,
     .guidance_channels = -1,
     .guidance_end = 1},
    {.option = "meanflow",
     .name = "MeanFlow",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .second_time = DIT__SECOND_TIME_DIFFERENCE,
     .sampler = DIT_SAMPLER_EULER,
     .steps = 1,
     .guidance = 1,
     .guidance_channels = -1,
     .guidance_end = 1},
    {.option = "lightningdit",
     .name = "LightningDiT",
     .license = "MIT (model card)",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .data_time = 1,
     .rope = DIT__ROPE_2D,
     .norm = DIT__NORM_RMS,
     .mlp_kind = DIT__MLP_SWIGLU,
     .shift = 1 / 0.3,
     .vae_factor = 16,
     .vae_channels = 32,
     .sampler = DIT_SAMPLER_EULER,
     .steps = 50,
     .guidance = 6.7,
     .guidance_channels = 3,
     .guidance_start = 0.125,
     .guidance_end = 1},
    {.option = "facm",
     .name = "FACM",
     .license = "Apache-2.0 (model card)",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_VELOCITY,
     .data_time = 1,
     .rope = DIT__ROPE_2D,
     .norm = DIT__NORM_RMS,
     .mlp_kind = DIT__MLP_SWIGLU,
     .qk_norm = DIT__QK_NORM_RMS,
     .no_null_class = 1,
     .guides_passes = 1,
     .vae_factor = 16,
     .vae_channels = 32,
     .sampler = DIT_SAMPLER_CONSISTENCY,
     .steps = 2,
     .guidance = 1,
     .guidance_channels = -1,
     .guidance_end = 1},
    {.option = "jit",
     .name = "JiT",
     .license = "MIT (model card)",
     .path = DIT__PATH_LINEAR,
     .prediction = DIT__PREDICTION_SAMPLE,
     .data_time = 1,
     .rope = DIT__ROPE_2D,
     .norm = DIT__NORM_RMS,
     .mlp_kind = DIT__MLP_SWIGLU,
     .qk_norm = DIT__QK_NORM_RMS,
     .pixels = 1,
     .guides_passes = 1,
     .no_bias = "x_embedder.proj1.",
     .sampler = DIT_SAMPLER_EULER,
     .steps = 1,
     .guidance = 3,
     .guidance_channels = -1,
     .guidance_start = 0.1,
     .guidance_end = 1},
};
enum { FAMILIES = sizeof families / sizeof *families };

const family *family_find(const char *option) {
  for (int i = 0; i < FAMILIES; i++)
    if (strcmp(families[i].option, option) == 0) return &families[i];
  return NULL;
}

void family_list(char *out, size_t room) {
  size_t used = 0;
  *out = 0;
  for (int i = 0; i < FAMILIES && used < room; i++)
    used += (size_t)snprintf(out + used, room - used, "%s%s", i ? ", " : "", families[i].option);
}

/* ---- Tensors ---- */

/* What only training needs. */
static const struct {
  const char *prefix, *option; /* option: the family that has them, or NULL: several */
} training[] = {{"projectors.", "repa"}, {"logvar_linear.", "dmf"}, {"feat_rope.", NULL}};

static size_t count_prefix(const checkpoint *s, const char *prefix) {
  size_t count = 0;
  for (size_t i = 0; i < s->count; i++) count += strncmp(s->tensors[i].name, prefix, strlen(prefix)) == 0;
  return count;
}

/* Returns what the tensors tell: the option of a family, or NULL; and in *tensor why. */
static const char *told_by_tensors(const checkpoint *s, const char **tensor) {
  for (size_t i = 0; i < sizeof training / sizeof *training; i++)
    if (training[i].option && count_prefix(s, training[i].prefix)) {
      *tensor = training[i].prefix;
      return training[i].option;
    }
  *tensor = "in_context_posemb";
  if (checkpoint_find(s, "in_context_posemb")) return "jit";
  *tensor = "s_embedder.";
  if (!count_prefix(s, "s_embedder.")) return NULL;
  if (s->meanflow_names) *tensor = "the embedder of a second time, under a name of MeanFlow's";
  return s->meanflow_names ? "meanflow" : "soflow";
}

int family_trains_with(const char *name) {
  for (size_t i = 0; i < sizeof training / sizeof *training; i++)
    if (strncmp(name, training[i].prefix, strlen(training[i].prefix)) == 0) return 1;
  return 0;
}

static void describe_left_out(const checkpoint *s, char *why, size_t room) {
  for (size_t i = 0; i < sizeof training / sizeof *training; i++) {
    const size_t found = count_prefix(s, training[i].prefix), used = strlen(why);
    if (found && used < room)
      snprintf(why + used, room - used, "%s%zu tensors %s* are left out, which only training needs", used ? "; " : "",
               found, training[i].prefix);
  }
}

dit_status family_choose(const checkpoint *s, const char *option, const family **out, char *why, size_t room,
                         dit_error *error) {
  const char *tensor = NULL, *told = told_by_tensors(s, &tensor);
  char known[160];
  *why = 0;
  family_list(known, sizeof known);
  if (!told && (s->config || s->diffusers_names)) {
    told = "dit";
    tensor = "diffusers' layout";
  }
  *out = family_find(option ? option : told ? told : "");
  if (option && !*out)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--family %s: no such family; known are %s", option, known);
  if (!*out)
    return dit__fail(error, DIT_ERROR_ARGUMENT,
                     "%s have the same tensors, and nothing in the file tells which it is; give --family, one of %s",
                     checkpoint_find(s, "blocks.0.mlp.w12.weight") ? "LightningDiT and FACM" : "DiT, SiT, REPA and DMF",
                     known);
  const int wants_second = (*out)->second_time == DIT__SECOND_TIME_DIFFERENCE;
  if (wants_second != (count_prefix(s, "s_embedder.") > 0))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--family %s: the checkpoint has %s embedder of a second time",
                     (*out)->option, wants_second ? "no" : "an");
  if (!option)
    snprintf(why, room, "%s, because of %s%s", (*out)->name, tensor, tensor[strlen(tensor) - 1] == '.' ? "*" : "");
  describe_left_out(s, why, room);
  return DIT_OK;
}
