/* The names of the values of public enums. */
#include "lib/core/numerics.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/names.h"

enum { MAX_NAMES = 8 };

static const char *const enum_names[DIT__ENUMS][MAX_NAMES] = {
    [DIT__ENUM_ISA] = {[DIT_ISA_SCALAR] = "scalar",
                       [DIT_ISA_NEON] = "neon",
                       [DIT_ISA_AVX2] = "avx2",
                       [DIT_ISA_AVX512] = "avx512",
                       [DIT_ISA_AVX_VNNI] = "avxvnni",
                       [DIT_ISA_AVX512_VNNI] = "avx512vnni",
                       [DIT_ISA_NEON_DOT] = "neondot"},
    [DIT__ENUM_COMPUTE] = {[DIT_COMPUTE_F32] = "f32", [DIT_COMPUTE_INT8] = "int8", [DIT_COMPUTE_BF16] = "bf16"},
    [DIT__ENUM_LOAD] = {[DIT_LOAD_MAP] = "map", [DIT_LOAD_READ] = "read"},
    [DIT__ENUM_TYPE] = {[DIT_TYPE_F32] = "f32",
                        [DIT_TYPE_F16] = "f16",
                        [DIT_TYPE_BF16] = "bf16",
                        [DIT_TYPE_Q8] = "q8",
                        [DIT_TYPE_Q4] = "q4"},
    [DIT__ENUM_SAMPLER] = {[DIT_SAMPLER_DDPM] = "ddpm",
                           [DIT_SAMPLER_DDIM] = "ddim",
                           [DIT_SAMPLER_DPMPP] = "dpm++",
                           [DIT_SAMPLER_EULER] = "euler",
                           [DIT_SAMPLER_HEUN] = "heun",
                           [DIT_SAMPLER_EULER_MARUYAMA] = "euler_maruyama",
                           [DIT_SAMPLER_CONSISTENCY] = "consistency"},
    [DIT__ENUM_SPACING] = {[DIT_SPACING_EVEN] = "even",
                           [DIT_SPACING_DDIM] = "ddim",
                           [DIT_SPACING_LEADING] = "leading",
                           [DIT_SPACING_TRAILING] = "trailing",
                           [DIT_SPACING_LINSPACE] = "linspace"},
    [DIT__ENUM_GENERATOR] =
        {[DIT_GENERATOR_DIT] = "dit", [DIT_GENERATOR_TORCH] = "torch", [DIT_GENERATOR_PHILOX] = "philox"},
    [DIT__ENUM_VARIANCE] = {[DIT_VARIANCE_LEARNED_RANGE] = "learned_range",
                            [DIT_VARIANCE_FIXED_LARGE] = "fixed_large",
                            [DIT_VARIANCE_FIXED_SMALL] = "fixed_small",
                            [DIT_VARIANCE_LEARNED] = "learned"},
    [DIT__ENUM_CLIP] = {[DIT_CLIP_OFF] = "off", [DIT_CLIP_ON] = "on", [DIT_CLIP_MODEL_OUTPUT] = "model_output"},
    [DIT__ENUM_PIXELS] = {[DIT_PIXELS_NATIVE] = "native",
                          [DIT_PIXELS_RGB] = "rgb",
                          [DIT_PIXELS_RGBA] = "rgba",
                          [DIT_PIXELS_RGBA_PREMULTIPLIED] = "rgba_premultiplied",
                          [DIT_PIXELS_BGRA] = "bgra"},
};

const char *dit__name(dit__enum which, int32_t value) {
  return value >= 0 && value < MAX_NAMES ? enum_names[which][value] : NULL;
}

int32_t dit__name_find(dit__enum which, const char *name, size_t length) {
  for (int32_t value = 0; value < MAX_NAMES; value++) {
    const char *known = enum_names[which][value];
    if (known && strlen(known) == length && !memcmp(known, name, length)) return value;
  }
  return 0;
}

dit_status dit__check_enum(const char *where, const char *member, dit__enum which, int32_t value, dit_error *error) {
  char choices[256];
  size_t used = 0;
  if (value == 0 || dit__name(which, value)) return DIT_OK;
  for (int32_t i = 0; i < MAX_NAMES && used < sizeof choices; i++) {
    const char *name = i || dit__name(which, 0) ? dit__name(which, i) : "the default";
    if (name) used += (size_t)snprintf(choices + used, sizeof choices - used, "%s%d (%s)", i ? ", " : "", (int)i, name);
  }
  return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: %s is %d; it must be one of %s", where, member, (int)value, choices);
}

void dit__name_list(dit__enum which, char *out, size_t size) {
  size_t used = 0;
  *out = 0;
  for (int32_t value = 0; value < MAX_NAMES && used < size; value++)
    if (enum_names[which][value])
      used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "|" : "", enum_names[which][value]);
}
