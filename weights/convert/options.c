#include "weights/convert/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/core/platform.h"
#include "lib/model/gguf.h"
#include "lib/model/metadata.h"
#include "weights/convert/shape/layout.h"

static dit_status usage(dit_error *error, const char *option, const char *value, const char *must) {
  return dit__fail(error, DIT_ERROR_ARGUMENT, "%s %.200s: must be %s", option, value, must);
}

static dit_status take_integer(const char *option, const char *value, int low, int high, int64_t *out,
                               dit_error *error) {
  char *end, must[64];
  errno = 0;
  long number = strtol(value, &end, 10);
  snprintf(must, sizeof must, "an integer of %d to %d", low, high);
  if (end == value || *end || errno || number < low || number > high) return usage(error, option, value, must);
  *out = number;
  return DIT_OK;
}

static dit_status take_real(const char *option, const char *value, double low, double high, double *out,
                            dit_error *error) {
  char *end, must[64];
  double number = strtod(value, &end);
  snprintf(must, sizeof must, "a number of %g to %g", low, high);
  if (end == value || *end || !(number >= low && number <= high)) return usage(error, option, value, must);
  *out = number;
  return DIT_OK;
}

static dit_status take_text(const char *option, const char *value, const char **out, dit_error *error) {
  if (!*value || !dit__is_utf8((const uint8_t *)value, strlen(value))) return usage(error, option, value, "UTF-8 text");
  *out = value;
  return DIT_OK;
}

/* Takes a name of a public enum. */
static dit_status take_name(const char *option, const char *value, dit__enum which, int *out, dit_error *error) {
  char names[128];
  *out = dit__name_find(which, value, strlen(value));
  if (*out) return DIT_OK;
  dit__name_list(which, names, sizeof names);
  return usage(error, option, value, names);
}

static dit_status take_forward(const char *option, const char *value, int *out, dit_error *error) {
  if (strcmp(value, dit__forward_words[DIT__FORWARD_OFFICIAL]) == 0)
    *out = FORWARD_OFFICIAL;
  else if (strcmp(value, dit__forward_words[DIT__FORWARD_DIFFUSERS]) == 0)
    *out = FORWARD_DIFFUSERS;
  else
    return usage(error, option, value, "official|diffusers");
  return DIT_OK;
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
  LONG,
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
  FAMILY,
  SECOND_TIME_BLOCK,
  CONTEXT_BLOCK,
  FORWARD,
  SCHEDULER,
  STEPS,
  SAMPLER,
  SPACING,
  SHIFT,
  GUIDANCE,
  GUIDANCE_CHANNELS,
  HEADS,
  LATENT,
  GROUPS,
  SCALING_FACTOR,
  OPTIONS
};
static const char *const option_names[OPTIONS] = {
    [HELP] = "--help",
    [VERSION] = "--version",
    [QUIET] = "--quiet",
    [FIT_PREVIEW] = "--fit-preview",
    [LONG] = "--long",
    [CHECK_FILES] = "--check",
    [NULL_CLASS] = "--null-class",
    [NO_NULL_CLASS] = "--no-null-class",
    [NO_LABELS] = "--no-labels",
    [OUT] = "-o",
    [DIT] = "--dit",
    [VAE] = "--vae",
    [SYNTHETIC] = "--synthetic",
    [TYPE] = "--type",
    [NAME] = "--name",
    [LICENSE] = "--license",
    [LABELS] = "--labels",
    [VARIANT] = "--variant",
    [FAMILY] = "--family",
    [SECOND_TIME_BLOCK] = "--second-time-block",
    [CONTEXT_BLOCK] = "--context-block",
    [FORWARD] = "--forward",
    [SCHEDULER] = "--scheduler",
    [STEPS] = "--steps",
    [SAMPLER] = "--sampler",
    [SPACING] = "--timestep-spacing",
    [SHIFT] = "--timestep-shift",
    [GUIDANCE] = "--guidance-scale",
    [GUIDANCE_CHANNELS] = "--guidance-channels",
    [HEADS] = "--heads",
    [LATENT] = "--latent",
    [GROUPS] = "--groups",
    [SCALING_FACTOR] = "--scaling-factor",
};

static dit_status take_switch(command_line *o, int option, dit_error *error) {
  if ((option == NULL_CLASS || option == NO_NULL_CLASS) && o->options.null_class)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--null-class and --no-null-class exclude each other");
  switch (option) {
    case HELP: o->help = 1; break;
    case VERSION: o->version = 1; break;
    case QUIET: o->quiet = 1; break;
    case FIT_PREVIEW: o->fit_preview = 1; break;
    case LONG: o->allow_long = 1; break;
    case CHECK_FILES: o->check = 1; break;
    case NULL_CLASS: o->options.null_class = NULL_CLASS_LAST_ROW; break;
    case NO_NULL_CLASS: o->options.null_class = NULL_CLASS_ABSENT; break;
    default: o->options.no_labels = 1; break;
  }
  return DIT_OK;
}

static dit_status take_steps(const char *option, const char *value, int *out, dit_error *error) {
  int64_t number = 0;
  dit_status status = take_integer(option, value, 1, 1000, &number, error);
  *out = (int)number;
  return status;
}

static dit_status take_channels(const char *option, const char *value, int *out, dit_error *error) {
  int64_t number = -1;
  dit_status status = strcmp(value, "all") ? take_integer(option, value, 1, 256, &number, error) : DIT_OK;
  *out = (int)number;
  return status;
}

static dit_status take_family(const char *option, const char *value, const char **out, dit_error *error) {
  char known[160];
  *out = value;
  if (family_find(value)) return DIT_OK;
  family_list(known, sizeof known);
  return dit__fail(error, DIT_ERROR_ARGUMENT, "%s %s: no such family; known are %s", option, value, known);
}

/* Stores one more than the number, since 0 stands for no number. */
static dit_status take_block(const char *option, const char *value, int64_t *out, dit_error *error) {
  const dit_status status = take_integer(option, value, 0, DIT__MAX_DEPTH, out, error);
  *out += 1;
  return status;
}

static dit_status take_value(command_line *o, int option, const char *value, dit_error *error) {
  const char *name = option_names[option];
  convert_options *to = &o->options;
  switch (option) {
    case OUT: o->out = value; return DIT_OK;
    case DIT: return add_input(o, value, NETWORK_TRANSFORMER, error);
    case VAE: return add_input(o, value, NETWORK_AUTOENCODER, error);
    case SYNTHETIC: return add_synthetic(o, value, error);
    case TYPE: return take_name(name, value, DIT__ENUM_TYPE, &to->type, error);
    case NAME: return take_text(name, value, &to->name, error);
    case LICENSE: return take_text(name, value, &to->license, error);
    case LABELS: o->labels_path = value; return DIT_OK;
    case VARIANT: return take_text(name, value, &o->variant, error);
    case SCHEDULER: o->scheduler_path = value; return DIT_OK;
    case FAMILY: return take_family(name, value, &to->hints.family, error);
    case SECOND_TIME_BLOCK: return take_block(name, value, &to->hints.second_block, error);
    case CONTEXT_BLOCK: return take_block(name, value, &to->hints.context_block, error);
    case FORWARD: return take_forward(name, value, &to->forward, error);
    case HEADS: return take_integer(name, value, 1, 16384, &to->hints.heads, error);
    case LATENT: return take_integer(name, value, 1, 4096, &to->hints.latent, error);
    case GROUPS: return take_integer(name, value, 1, 8192, &to->hints.groups, error);
    case SCALING_FACTOR: return take_real(name, value, 1e-6, 1e6, &to->hints.scaling_factor, error);
    case STEPS: return take_steps(name, value, &to->steps, error);
    case SAMPLER: return take_name(name, value, DIT__ENUM_SAMPLER, &to->sampler, error);
    case SPACING: return take_name(name, value, DIT__ENUM_SPACING, &to->spacing, error);
    case SHIFT: return take_real(name, value, 0.01, 100, &to->shift, error);
    case GUIDANCE: return take_real(name, value, 0, 1000, &to->guidance, error);
    default: return take_channels(name, value, &to->guidance_channels, error);
  }
}

/* Returns the option that an argument names, or OPTIONS. *value becomes what follows a '=', or NULL. */
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

/* Checks that the options go together. */
static dit_status check(const command_line *o, dit_error *error) {
  if (o->help || o->version) return DIT_OK;
  int inputs = o->input_count + o->synthetic_count;
  if (o->check) {
    if (o->input_count == 2 && inputs == 2 && !o->out) return DIT_OK;
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--check compares two files, and writes none");
  }
  if (!inputs) return dit__fail(error, DIT_ERROR_ARGUMENT, "no input; see dit-convert --help");
  if (!o->out && !(o->fit_preview && o->input_count == 1 && inputs == 1))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "no output; give -o FILE");
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

enum { MAX_LABELS = 64 << 20 }; /* bytes of the file */

static dit_status load_text(const char *path, char **text, dit_error *error) {
  dit__file file;
  dit_status status = dit__file_open(path, DIT_LOAD_MAP, NULL, &file, error);
  if (status) return status;
  const uint8_t *bytes = file.bytes;
  size_t size = file.size;
  if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) bytes += 3, size -= 3; /* byte order mark */
  if (size > MAX_LABELS || !dit__is_utf8(bytes, size)) {
    status = dit__fail(error, DIT_ERROR_FORMAT, "%s: must be UTF-8 text of at most %d MB", path, MAX_LABELS >> 20);
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
  if (lines > DIT__MAX_CLASSES + 1)
    return dit__fail(error, DIT_ERROR_FORMAT, "%s: more than %d lines", o->labels_path, DIT__MAX_CLASSES);
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
