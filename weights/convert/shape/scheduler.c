#include "weights/convert/shape/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/metadata.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/text.h"

enum { CONFIG_LIMIT = 1 << 20 }; /* bytes */

typedef struct scheduler_reader {
  const json_value *config;
  const char *what;
  dit_error *error;
  dit_status status; /* of the first failure */
} scheduler_reader;

/* `must` completes "must be ...". The first failure is kept. */
static void refuse(scheduler_reader *r, const char *key, const char *value, const char *must) {
  char shown[TEXT_SHOWN];
  if (r->status) return;
  if (value)
    r->status = dit__fail(r->error, DIT_ERROR_UNSUPPORTED, "%s: unsupported value %s for %s (must be %s)", r->what,
                          text_shown(shown, value, strlen(value)), key, must);
  else
    r->status = dit__fail(r->error, DIT_ERROR_UNSUPPORTED, "%s: %s is missing (must be %s)", r->what, key, must);
}

/* Returns a value as it is shown in a message. */
static const char *value_text(const json_value *v) {
  switch (v->kind) {
    case JSON_NULL: return "null";
    case JSON_FALSE: return "false";
    case JSON_TRUE: return "true";
    case JSON_ARRAY: return "a list";
    case JSON_OBJECT: return "an object";
    default: return v->text;
  }
}

typedef struct word {
  const char *text;
  int value; /* what it stands for in the model file */
} word;

/* Returns the value of the word that a key holds; an absent key holds `otherwise`. `words` end with a NULL. */
static int take_word(scheduler_reader *r, const char *key, const word *words, const char *otherwise) {
  const json_value *v = json_member(r->config, key);
  const char *text = !v ? otherwise : v->kind == JSON_STRING ? v->text : NULL;
  char all[160] = "";
  size_t used = 0;
  for (int i = 0; words[i].text; i++) {
    if (text && strcmp(text, words[i].text) == 0) return words[i].value;
    const char *between = !i ? "" : words[i + 1].text ? ", " : " or ";
    used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", between, words[i].text);
  }
  refuse(r, key, text ? text : v ? value_text(v) : NULL, all);
  return words[0].value;
}

/* Checks that a key, if it is there, holds the one word that is supported. */
static void must_be(scheduler_reader *r, const char *key, const char *text) {
  const word words[] = {{text, 0}, {NULL, 0}};
  take_word(r, key, words, text);
}

/* Returns 1 for true, 0 for false. */
static int take_switch(scheduler_reader *r, const char *key, int otherwise) {
  const json_value *v = json_member(r->config, key);
  if (v && v->kind != JSON_TRUE && v->kind != JSON_FALSE) refuse(r, key, value_text(v), "true or false");
  return v ? v->kind == JSON_TRUE : otherwise;
}

static void must_be_off(scheduler_reader *r, const char *key) {
  const json_value *v = json_member(r->config, key);
  if (v && v->kind != JSON_NULL && v->kind != JSON_FALSE) refuse(r, key, value_text(v), "absent, null or false");
}

static int take_integer(scheduler_reader *r, const char *key, int low, int high, int otherwise, const char *must) {
  const json_value *v = json_member(r->config, key);
  int64_t value = otherwise;
  if (v && !json_integer(v, low, high, &value)) refuse(r, key, value_text(v), must);
  return (int)value;
}

static double take_real(scheduler_reader *r, const char *key, double otherwise) {
  const json_value *v = json_member(r->config, key);
  if (v && !(v->kind == JSON_NUMBER && v->number >= 1e-8 && v->number <= 0.999))
    refuse(r, key, value_text(v), "1e-8 to 0.999");
  return v && v->kind == JSON_NUMBER ? v->number : otherwise;
}

static void must_be_one(scheduler_reader *r, const char *key) {
  const json_value *v = json_member(r->config, key);
  if (v && !(v->kind == JSON_NUMBER && v->number == 1)) refuse(r, key, value_text(v), "1");
}

/* What all three schedulers have. */
static void read_common(scheduler_reader *r, schedule *out) {
  static const word betas[] = {{"linear", DIT__BETAS_LINEAR}, {"scaled_linear", DIT__BETAS_SCALED_LINEAR}, {NULL, 0}};
  static const word spacings[] = {{"leading", DIT_SPACING_LEADING},
                                  {"trailing", DIT_SPACING_TRAILING},
                                  {"linspace", DIT_SPACING_LINSPACE},
                                  {NULL, 0}};
  out->betas = take_word(r, "beta_schedule", betas, "linear");
  out->spacing = take_word(r, "timestep_spacing", spacings, out->sampler == DIT_SAMPLER_DPMPP ? "linspace" : "leading");
  out->beta_start = take_real(r, "beta_start", 0.0001);
  out->beta_end = take_real(r, "beta_end", 0.02);
  const json_value *end = json_member(r->config, "beta_end");
  if (out->beta_end < out->beta_start) refuse(r, "beta_end", end ? value_text(end) : "0.02", "at least beta_start");
  out->timesteps = take_integer(r, "num_train_timesteps", 2, 10000, 1000, "2 to 10000");
  out->steps_offset = take_integer(r, "steps_offset", 0, out->timesteps - 1, 0, "less than num_train_timesteps");
  out->set_alpha_to_one = 1;
  must_be(r, "prediction_type", "epsilon");
  must_be_off(r, "trained_betas");
  must_be_off(r, "thresholding");
  must_be_off(r, "rescale_betas_zero_snr");
}

static void read_clip(scheduler_reader *r, schedule *out) {
  out->clip = take_switch(r, "clip_sample", 1);
  if (out->clip) must_be_one(r, "clip_sample_range");
}

static void read_ddim(scheduler_reader *r, schedule *out) {
  read_common(r, out);
  read_clip(r, out);
  out->set_alpha_to_one = take_switch(r, "set_alpha_to_one", 1);
}

static void read_ddpm(scheduler_reader *r, schedule *out) {
  /* The logarithm of fixed_small_log is taken back before it is used, so it is the same as fixed_small. */
  static const word variances[] = {{"fixed_small", DIT_VARIANCE_FIXED_SMALL},
                                   {"fixed_small_log", DIT_VARIANCE_FIXED_SMALL},
                                   {"fixed_large", DIT_VARIANCE_FIXED_LARGE},
                                   {"learned_range", DIT_VARIANCE_LEARNED_RANGE},
                                   {NULL, 0}};
  read_common(r, out);
  read_clip(r, out);
  out->variance = take_word(r, "variance_type", variances, "fixed_small");
}

static void read_dpm(scheduler_reader *r, schedule *out) {
  read_common(r, out);
  take_integer(r, "solver_order", 2, 2, 2, "2");
  must_be(r, "algorithm_type", "dpmsolver++");
  must_be(r, "solver_type", "midpoint");
  must_be(r, "final_sigmas_type", "zero");
  if (!take_switch(r, "lower_order_final", 1)) refuse(r, "lower_order_final", "false", "true");
  must_be_off(r, "euler_at_final");
  must_be_off(r, "use_karras_sigmas");
  must_be_off(r, "use_exponential_sigmas");
  must_be_off(r, "use_beta_sigmas");
  must_be_off(r, "use_lu_lambdas");
  must_be_off(r, "use_flow_sigmas");
  must_be_off(r, "variance_type");
}

dit_status scheduler_read(const json_value *config, const char *what, schedule *out, dit_error *error) {
  static const word classes[] = {{"DDIMScheduler", DIT_SAMPLER_DDIM},
                                 {"DDPMScheduler", DIT_SAMPLER_DDPM},
                                 {"DPMSolverMultistepScheduler", DIT_SAMPLER_DPMPP},
                                 {NULL, 0}};
  scheduler_reader r = {config, what, error, DIT_OK};
  memset(out, 0, sizeof *out);
  if (config->kind != JSON_OBJECT) return dit__fail(error, DIT_ERROR_FORMAT, "%s: not an object", what);
  out->sampler = take_word(&r, "_class_name", classes, NULL);
  switch (out->sampler) {
    case DIT_SAMPLER_DDIM: read_ddim(&r, out); break;
    case DIT_SAMPLER_DDPM: read_ddpm(&r, out); break;
    default: read_dpm(&r, out); break;
  }
  return r.status;
}

dit_status scheduler_open(const char *path, schedule *out, dit_error *error) {
  char *inside = file_is_folder(path) ? file_join(path, "scheduler_config.json") : text_copy(path, strlen(path));
  if (!inside) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  json_value *config = file_json(inside, CONFIG_LIMIT, error);
  dit_status status = config ? scheduler_read(config, inside, out, error) : error ? error->status : DIT_ERROR_FORMAT;
  json_free(config);
  free(inside);
  return status;
}
