/* Reading keys. */
#include "lib/core/numerics.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/model/metadata.h"
#include "lib/sampling/timesteps.h"

const char *const dit__forward_words[] = {
    [DIT__FORWARD_OFFICIAL] = "official", [DIT__FORWARD_DIFFUSERS] = "diffusers", NULL};
const char *const dit__beta_schedule_words[] = {
    [DIT__BETAS_LINEAR] = "linear", [DIT__BETAS_SCALED_LINEAR] = "scaled_linear", NULL};
const char *const dit__path_words[] = {[DIT__PATH_DIFFUSION] = "diffusion", [DIT__PATH_LINEAR] = "linear", NULL};
const char *const dit__prediction_words[] = {[DIT__PREDICTION_EPSILON] = "epsilon",
                                             [DIT__PREDICTION_VELOCITY] = "velocity",
                                             [DIT__PREDICTION_SAMPLE] = "sample",
                                             NULL};
const char *const dit__second_time_words[] = {[DIT__SECOND_TIME_NONE] = "none",
                                              [DIT__SECOND_TIME_END] = "end",
                                              [DIT__SECOND_TIME_DIFFERENCE] = "difference",
                                              NULL};

static void key_note(dit__metadata *keys, const char *key) {
  if (keys->asked_count < DIT__MAX_KEYS) keys->asked[keys->asked_count++] = key;
}

int64_t dit__key_integer_or(dit__metadata *keys, const char *key, int64_t low, int64_t high, int64_t otherwise) {
  int64_t value = otherwise;
  key_note(keys, key);
  if (!keys->status && dit__gguf_integer(keys->gguf, key, low, high, &value, keys->error) < 0)
    keys->status = DIT_ERROR_FORMAT;
  return value;
}

int64_t dit__key_integer(dit__metadata *keys, const char *key, int64_t low, int64_t high) {
  int64_t value = 0;
  key_note(keys, key);
  if (keys->status) return value;
  const int found = dit__gguf_integer(keys->gguf, key, low, high, &value, keys->error);
  if (found < 0) keys->status = DIT_ERROR_FORMAT;
  if (!found)
    keys->status =
        dit__fail(keys->error, DIT_ERROR_FORMAT, "key %s is missing; was the file made by dit-convert?", key);
  return value;
}

double dit__key_real_or(dit__metadata *keys, const char *key, double otherwise) {
  double value = otherwise;
  key_note(keys, key);
  if (keys->status) return value;
  if (dit__gguf_real(keys->gguf, key, &value, keys->error) < 0)
    keys->status = DIT_ERROR_FORMAT;
  else if (!(value > -1e9 && value < 1e9))
    keys->status = dit__fail(keys->error, DIT_ERROR_FORMAT, "key %s: not a reasonable number", key);
  return value;
}

void dit__key_text(dit__metadata *keys, const char *key, char *to, size_t size) {
  const char *text;
  size_t length;
  key_note(keys, key);
  if (keys->status) return;
  const int found = dit__gguf_string(keys->gguf, key, &text, &length, keys->error);
  if (found < 0) keys->status = DIT_ERROR_FORMAT;
  if (found <= 0) return;
  if (length > size - 1)
    for (length = size - 1; length && ((unsigned char)text[length] & 0xc0) == 0x80;) length--;
  memcpy(to, text, length);
  to[length] = 0;
}

static void fail_word(dit__metadata *keys, const char *key, const char *value, const char *words) {
  keys->status = dit__fail(keys->error, DIT_ERROR_UNSUPPORTED, "key %s: '%s' is not one of %s", key, value, words);
}

int32_t dit__key_enum(dit__metadata *keys, const char *key, dit__enum which) {
  char value[32] = "", words[128];
  dit__key_text(keys, key, value, sizeof value);
  if (keys->status || !value[0]) return 0;
  const int32_t found = dit__name_find(which, value, strlen(value));
  dit__name_list(which, words, sizeof words);
  if (!found) fail_word(keys, key, value, words);
  return found;
}

int32_t dit__key_word(dit__metadata *keys, const char *key, const char *const *words) {
  char value[32] = "", all[128] = "";
  size_t used = 0;
  dit__key_text(keys, key, value, sizeof value);
  if (keys->status || !value[0]) return 0;
  for (int32_t i = 0; words[i]; i++) {
    if (!strcmp(value, words[i])) return i;
    used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? "|" : "", words[i]);
  }
  fail_word(keys, key, value, all);
  return 0;
}

int32_t dit__key_array(dit__metadata *keys, const char *key, uint64_t *count) {
  key_note(keys, key);
  if (keys->status) return 0;
  const int found = dit__gguf_array(keys->gguf, key, count, keys->error);
  if (found < 0) keys->status = DIT_ERROR_FORMAT;
  return found > 0;
}

static int key_was_asked(const dit__metadata *keys, const char *name, size_t length) {
  for (int32_t i = 0; i < keys->asked_count; i++)
    if (strlen(keys->asked[i]) == length && !memcmp(keys->asked[i], name, length)) return 1;
  return 0;
}

void dit__key_refuse_others(dit__metadata *keys) {
  const char *name;
  size_t length, size;
  for (uint64_t i = 0; !keys->status && dit__gguf_key_at(keys->gguf, i, &name, &length, &size); i++)
    if (length > 4 && (!memcmp(name, "dit.", 4) || !memcmp(name, "vae.", 4)) && !key_was_asked(keys, name, length))
      keys->status = dit__fail(keys->error, DIT_ERROR_UNSUPPORTED,
                               "key %.*s: not known, or not for this kind of model; the file needs another libdit",
                               (int)(length < 64 ? length : 64), name);
}
