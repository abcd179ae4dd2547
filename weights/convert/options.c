#include "weights/convert/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/platform.h"
#include "lib/model/gguf.h"
#include "weights/convert/shape/layout.h"

static dit_status usage(dit_error *error, const char *option, const char *value, const char *must) {
  return dit__fail(error, DIT_ERROR_ARGUMENT, "%s %.200s: must be %s", option, value, must);
}

static dit_status take_integer(const char *option, const char *value, int low, int high, int64_t *out,
                               dit_error *error) {
  char *end, must[64];
  errno = 0;
  long number = strtol(value, &end, 10);
  snprintf(must, sizeof must, "a whole number within %d and %d", low, high);
  if (end == value || *end || errno || number < low || number > high) return usage(error, option, value, must);
  *out = number;
  return DIT_OK;
}

static dit_status take_real(const char *option, const char *value, double low, double high, double *out,
                            dit_error *error) {
  char *end, must[64];
  double number = strtod(value, &end);
  snprintf(must, sizeof must, "a number within %g and %g", low, high);
  if (end == value || *end || !(number >= low && number <= high)) return usage(error, option, value, must);
  *out = number;
  return DIT_OK;
}

static dit_status take_text(const char *option, const char *value, const char **out, dit_error *error) {
  if (!*value || !dit__is_utf8((const uint8_t *)value, strlen(value))) return usage(error, option, value, "UTF-8 text");
  *out = value;
  return DIT_OK;
}

/* One of the words in "a|b|c"; its place from 1 goes to *out. */
static dit_status take_word(const char *option, const char *value, const char *words, int *out, dit_error *error) {
  size_t length = strlen(value);
  int place = 1;
  for (const char *at = words;; place++) {
    size_t size = strcspn(at, "|");
    if (size == length && strncmp(at, value, size) == 0) {
      *out = place;
      return DIT_OK;
    }
    if (!at[size]) return usage(error, option, value, words);
    at += size + 1;
  }
}

static dit_status add_input(command_line *o, const char *path, int kind, dit_error *error) {
  if (o->input_count == MAX_OPTION_INPUTS) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: too many inputs", path);
  o->kinds[o->input_count] = kind;
  o->inputs[o->input_count++] = path;
  return DIT_OK;
}

static dit_status add_synthetic(command_line *o, const char *text, dit_error *error) {
  if (o->synthetic_count == MAX_OPTION_INPUTS) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: too many inputs", text);
  o->synthetic[o->synthetic_count++] = text;
  return DIT_OK;
}

enum {
  HELP,
  VERSION,
  QUIET,
  FIT_PREVIEW,
  CHECK_FILES,
  NULL_CLASS,
  NO_NULL_CLASS,
  NO_LABELS,
  WITH_VALUE,
  OUT = WITH_VALUE,
  DIT,
  VAE,
  SYNTHETIC,
  TYPE,
  NAME,
  LICENSE,
  LABELS,
  VARIANT,
  FORWARD,
  SCHEDULER,
  STEPS,
  SAMPLER,
  SPACING,
  GUIDANCE,
  GUIDANCE_CHANNELS,
  HEADS,
  LATENT,
  GROUPS,
  SCALING_FACTOR,
  OPTIONS
};
static const char *const option_names[OPTIONS] = {"--help",
                                                  "--version",
                                                  "--quiet",
                                                  "--fit-preview",
                                                  "--check",
                                                  "--null-class",
                                                  "--no-null-class",
                                                  "--no-labels",
                                                  "-o",
                                                  "--dit",
                                                  "--vae",
                                                  "--synthetic",
                                                  "--type",
                                                  "--name",
                                                  "--license",
                                                  "--labels",
                                                  "--variant",
                                                  "--forward",
                                                  "--scheduler",
                                                  "--steps",
                                                  "--sampler",
                                                  "--spacing",
                                                  "--guidance-scale",
                                                  "--guidance-channels",
                                                  "--heads",
                                                  "--latent",
                                                  "--groups",
                                                  "--scaling-factor"};

static dit_status take_switch(command_line *o, int option, dit_error *error) {
  if ((option == NULL_CLASS || option == NO_NULL_CLASS) && o->options.null_class)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--null-class and --no-null-class exclude each other");
  switch (option) {
    case HELP: o->help = 1; break;
    case VERSION: o->version = 1; break;
    case QUIET: o->quiet = 1; break;
    case FIT_PREVIEW: o->fit_preview = 1; break;
    case CHECK_FILES: o->check = 1; break;
    case NULL_CLASS: o->options.null_class = NULL_CLASS_LAST_ROW; break;
    case NO_NULL_CLASS: o->options.null_class = NULL_CLASS_ABSENT; break;
    default: o->options.no_labels = 1; break;
  }
  return DIT_OK;
}

/* What the file recommends. */
static dit_status take_recommendation(command_line *o, int option, const char *name, const char *value,
                                      dit_error *error) {
  static const char *const samplers[] = {"ddpm", "ddim", "dpm++"};
  static const char *const spacings[] = {"even", "ddim", "leading", "trailing", "linspace"};
  convert_options *w = &o->options;
  int64_t number = 0;
  int place = 0;
  dit_status status;
  switch (option) {
    case STEPS:
      status = take_integer(name, value, 1, 1000, &number, error);
      w->steps = (int)number;
      return status;
    case SAMPLER:
      status = take_word(name, value, "ddpm|ddim|dpm++", &place, error);
      if (!status) w->sampler = samplers[place - 1];
      return status;
    case SPACING:
      status = take_word(name, value, "even|ddim|leading|trailing|linspace", &place, error);
      if (!status) w->spacing = spacings[place - 1];
      return status;
    case GUIDANCE: return take_real(name, value, 0, 1000, &w->guidance, error);
    default:
      if (strcmp(value, "all") == 0) {
        w->guidance_channels = -1;
        return DIT_OK;
      }
      status = take_integer(name, value, 1, 256, &number, error);
      w->guidance_channels = (int)number;
      return status;
  }
}

static dit_status take_value(command_line *o, int option, const char *value, dit_error *error) {
  static const int types[] = {DIT_TYPE_F32, DIT_TYPE_F16, DIT_TYPE_BF16, DIT_TYPE_Q8, DIT_TYPE_Q4};
  const char *name = option_names[option];
  convert_options *w = &o->options;
  int place = 0;
  dit_status status;
  switch (option) {
    case OUT: o->out = value; return DIT_OK;
    case DIT: return add_input(o, value, NETWORK_TRANSFORMER, error);
    case VAE: return add_input(o, value, NETWORK_AUTOENCODER, error);
    case SYNTHETIC: return add_synthetic(o, value, error);
    case TYPE:
      status = take_word(name, value, "f32|f16|bf16|q8|q4", &place, error);
      if (!status) w->type = types[place - 1];
      return status;
    case NAME: return take_text(name, value, &w->name, error);
    case LICENSE: return take_text(name, value, &w->license, error);
    case LABELS: o->labels_path = value; return DIT_OK;
    case VARIANT: return take_text(name, value, &o->variant, error);
    case SCHEDULER: o->scheduler_path = value; return DIT_OK;
    case FORWARD: return take_word(name, value, "official|diffusers", &w->forward, error);
    case HEADS: return take_integer(name, value, 1, 16384, &w->hints.heads, error);
    case LATENT: return take_integer(name, value, 1, 4096, &w->hints.latent, error);
    case GROUPS: return take_integer(name, value, 1, 8192, &w->hints.groups, error);
    case SCALING_FACTOR: return take_real(name, value, 1e-6, 1e6, &w->hints.scaling_factor, error);
    default: return take_recommendation(o, option, name, value, error);
  }
}

/* The option that an argument names, or OPTIONS. *value is what follows a '=', or NULL. */
static int find_option(const char *argument, const char **value) {
  const char *equals = argument[0] == '-' && argument[1] == '-' ? strchr(argument, '=') : NULL;
  size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
  int option = 0;
  while (option < OPTIONS &&
         (strlen(option_names[option]) != length || strncmp(option_names[option], argument, length) != 0))
    option++;
  *value = equals ? equals + 1 : NULL;
  return option;
}

/* What must hold between the options. */
static dit_status check(const command_line *o, dit_error *error) {
  if (o->help || o->version) return DIT_OK;
  int inputs = o->input_count + o->synthetic_count;
  if (o->check) {
    if (o->input_count == 2 && inputs == 2 && !o->out) return DIT_OK;
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--check compares two files, and writes none");
  }
  if (!inputs) return dit__fail(error, DIT_ERROR_ARGUMENT, "no input; see dit-convert --help");
  if (!o->out && !(o->fit_preview && o->input_count == 1 && inputs == 1))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "no output: -o FILE says where the model file goes");
  return DIT_OK;
}

dit_status options_read(int count, char **arguments, command_line *o, dit_error *error) {
  int only_inputs = 0;
  memset(o, 0, sizeof *o);
  o->options.guidance = -1;
  for (int i = 1; i < count; i++) {
    const char *argument = arguments[i], *value;
    dit_status status = DIT_OK;
    int option = only_inputs ? OPTIONS : find_option(argument, &value);
    if (option == OPTIONS && !only_inputs && strcmp(argument, "--") == 0) {
      only_inputs = 1;
    } else if (option == OPTIONS && !only_inputs && argument[0] == '-') {
      return dit__fail(error, DIT_ERROR_ARGUMENT, "%.200s: no such option; see dit-convert --help", argument);
    } else if (option == OPTIONS) {
      status = add_input(o, argument, 0, error);
    } else if (option < WITH_VALUE) {
      if (value) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s takes no value", option_names[option]);
      status = take_switch(o, option, error);
    } else {
      if (!value && i + 1 == count) return dit__fail(error, DIT_ERROR_ARGUMENT, "%s: a value must follow", argument);
      status = take_value(o, option, value ? value : arguments[++i], error);
    }
    if (status) return status;
  }
  return check(o, error);
}

/* ---- Labels ---- */

enum { LABELS_MOST = 64 << 20 }; /* bytes of the file */

static dit_status load_text(const char *path, char **text, dit_error *error) {
  dit__file file;
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &file, error);
  if (status) return status;
  const uint8_t *bytes = file.bytes;
  size_t size = file.size;
  if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) bytes += 3, size -= 3; /* byte order mark */
  if (size > LABELS_MOST || !dit__is_utf8(bytes, size)) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: is no UTF-8 text of at most %d MB", path, LABELS_MOST >> 20);
  } else if (!(*text = (char *)malloc(size + 1))) {
    status = dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  } else {
    memcpy(*text, bytes, size);
    (*text)[size] = 0;
  }
  dit__file_close(&file, NULL);
  return status;
}

dit_status options_read_labels(command_line *o, dit_error *error) {
  size_t lines = 1, count = 0;
  if (!o->labels_path) return DIT_OK;
  dit_status status = load_text(o->labels_path, &o->labels_text, error);
  if (status) return status;
  for (const char *c = o->labels_text; *c; c++) lines += *c == '\n';
  o->labels = (const char **)malloc(lines * sizeof *o->labels);
  if (!o->labels) return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", o->labels_path);
  for (char *line = o->labels_text; *line;) {
    size_t length = strcspn(line, "\n");
    char *next = line + length + (line[length] == '\n');
    line[length] = 0;
    if (length && line[length - 1] == '\r') line[--length] = 0;
    if (!length) return dit__fail(error, DIT_ERROR_FORMAT, "%s: line %d is empty", o->labels_path, (int)count + 1);
    o->labels[count++] = line;
    line = next;
  }
  if (!count) return dit__fail(error, DIT_ERROR_FORMAT, "%s: holds no names", o->labels_path);
  o->options.labels = o->labels;
  o->options.label_count = count;
  return DIT_OK;
}

void options_free(command_line *o) {
  free(o->labels);
  free(o->labels_text);
}
