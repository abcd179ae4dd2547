#include "weights/convert/shape/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/read/files.h"
#include "weights/convert/read/text.h"

enum { CONFIG_LIMIT = 1 << 20 };

typedef struct scheduler_reader {
  const json_value *config;
  const char *what;
  dit_error *error;
  dit_status status; /* of the first failure */
} scheduler_reader;

static void refuse(scheduler_reader *r, const char *key, const char *value, const char *known) {
  char shown[TEXT_SHOWN];
  if (r->status) return;
  r->status = dit__fail(r->error, DIT_ERROR_UNSUPPORTED, "%s: %s is %s, which this library does not do; it does %s",
                        r->what, key, text_shown(shown, value, strlen(value)), known);
}

/* How a value is shown in a message. */
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

/* One of the words in "a|b|c", of which a key holds one; an absent one holds `otherwise`. The word's place from 0. */
static int take_word(scheduler_reader *r, const char *key, const char *words, const char *otherwise) {
  const json_value *v = json_member(r->config, key);
  const char *value = !v ? otherwise : v->kind == JSON_STRING ? v->text : NULL;
  int place = 0;
  for (const char *at = words; value; place++) {
    size_t length = strcspn(at, "|");
    if (strlen(value) == length && strncmp(at, value, length) == 0) return place;
    if (!at[length]) break;
    at += length + 1;
  }
  refuse(r, key, value ? value : v ? value_text(v) : "not there", words);
  return 0;
}

/* 1 for true, 0 for false. */
static int take_switch(scheduler_reader *r, const char *key, int otherwise) {
  const json_value *v = json_member(r->config, key);
  if (v && v->kind != JSON_TRUE && v->kind != JSON_FALSE) refuse(r, key, value_text(v), "true or false");
  return v ? v->kind == JSON_TRUE : otherwise;
}

/* A switch that must be off, or a value that must be absent, null, or false. */
static void must_be_off(scheduler_reader *r, const char *key) {
  const json_value *v = json_member(r->config, key);
  if (v && v->kind != JSON_NULL && v->kind != JSON_FALSE) refuse(r, key, value_text(v), "without");
}

static int take_integer(scheduler_reader *r, const char *key, int low, int high, int otherwise, const char *known) {
  const json_value *v = json_member(r->config, key);
  int64_t value = otherwise;
  if (v && !json_integer(v, low, high, &value)) refuse(r, key, value_text(v), known);
  return (int)value;
}

static double take_real(scheduler_reader *r, const char *key, double otherwise) {
  const json_value *v = json_member(r->config, key);
  if (v && !(v->kind == JSON_NUMBER && v->number >= 1e-8 && v->number <= 0.999))
    refuse(r, key, value_text(v), "1e-8 to 0.999");
  return v && v->kind == JSON_NUMBER ? v->number : otherwise;
}

/* Only 1, if it is there. */
static void must_be_one(scheduler_reader *r, const char *key) {
  const json_value *v = json_member(r->config, key);
  if (v && !(v->kind == JSON_NUMBER && v->number == 1)) refuse(r, key, value_text(v), "1");
}

/* What all three have. */
static void read_common(scheduler_reader *r, schedule *out) {
  static const char *const betas[] = {"linear", "scaled_linear"}, *const spacings[] = {"leading", "trailing",
                                                                                       "linspace"};
  const char *usual = strcmp(out->sampler, "dpm++") ? "leading" : "linspace";
  out->beta_schedule = betas[take_word(r, "beta_schedule", "linear|scaled_linear", "linear")];
  out->spacing = spacings[take_word(r, "timestep_spacing", "leading|trailing|linspace", usual)];
  out->beta_start = take_real(r, "beta_start", 0.0001);
  out->beta_end = take_real(r, "beta_end", 0.02);
  if (out->beta_end < out->beta_start) refuse(r, "beta_end", "below beta_start", "rising ones");
  out->timesteps = take_integer(r, "num_train_timesteps", 2, 10000, 1000, "2 to 10000");
  out->steps_offset = take_integer(r, "steps_offset", 0, out->timesteps - 1, 0, "less than num_train_timesteps");
  out->set_alpha_to_one = 1;
  take_word(r, "prediction_type", "epsilon", "epsilon");
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
  static const char *const variances[] = {"fixed_small", "fixed_small", "fixed_large", "learned_range"};
  read_common(r, out);
  read_clip(r, out);
  /* The logarithm of fixed_small_log is taken back before it is used. */
  out->variance =
      variances[take_word(r, "variance_type", "fixed_small|fixed_small_log|fixed_large|learned_range", "fixed_small")];
}

static void read_dpm(scheduler_reader *r, schedule *out) {
  read_common(r, out);
  take_integer(r, "solver_order", 2, 2, 2, "order 2");
  take_word(r, "algorithm_type", "dpmsolver++", "dpmsolver++");
  take_word(r, "solver_type", "midpoint", "midpoint");
  take_word(r, "final_sigmas_type", "zero", "zero");
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
  scheduler_reader r = {config, what, error, DIT_OK};
  static const char *const samplers[] = {"ddim", "ddpm", "dpm++"};
  memset(out, 0, sizeof *out);
  if (config->kind != JSON_OBJECT) return dit__fail(error, DIT_ERROR_FORMAT, "%s: not an object", what);
  int which = take_word(&r, "_class_name", "DDIMScheduler|DDPMScheduler|DPMSolverMultistepScheduler", NULL);
  out->sampler = samplers[which];
  if (which == 0)
    read_ddim(&r, out);
  else if (which == 1)
    read_ddpm(&r, out);
  else
    read_dpm(&r, out);
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
