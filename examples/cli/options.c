/* The command line: what the user asked for. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "closest.h"
#include "message.h"
#include "number.h"
#include "option_table.h"
#include "program.h"

enum { OPTION_LIMIT = 32 };

/* Finds the enum value that is called `value`. */
static int parse_enum(int id, const char *option, const char *value, int32_t *out) {
  enum_names *names = option_table[id].names;
  char choices[MAX_ENUM_CHOICES];
  *out = enum_find(names, value);
  if (*out) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: must be %s", option, value, enum_choices(names, choices));
}

/* "CLASS:X"; a class's name may have a colon in it. */
static int parse_mix(const char *option, const char *value, cli_options *o) {
  const char *colon = strrchr(value, ':');
  if (!colon || colon == value)
    return fail(EXIT_USAGE, "%s %s: a class and a number are needed, as in sword:0.5", option, value);
  o->mix = value;
  o->mix_length = (size_t)(colon - value);
  return number_float(option, colon + 1, 0, 1, &o->make.class_mix);
}

static int parse_megabytes(const char *option, const char *value, uint64_t *bytes) {
  int32_t megabytes = 0;
  const int status = number_int(option, value, 1, 1000000, &megabytes);
  *bytes = (uint64_t)megabytes * 1000000;
  return status;
}

/* `option` is the option as the user wrote it, for messages. */
static int set_option(cli_options *o, int id, const char *option, const char *value) {
  switch (id) {
    case OPTION_MODEL: o->model = value; return EXIT_OK;
    case OPTION_CLASSES: o->classes = value; return EXIT_OK;
    case OPTION_COUNT: return number_int(option, value, 1, 65536, &o->count);
    case OPTION_SEED: return number_seed(option, value, &o->make.seed);
    case OPTION_OUTPUT: o->output = value; return EXIT_OK;
    case OPTION_SCALE: return number_int(option, value, 1, 64, &o->scale);
    case OPTION_STEPS: return number_int(option, value, 1, 1000, &o->make.steps);
    case OPTION_SAMPLER: return parse_enum(id, option, value, &o->make.sampler);
    case OPTION_TIMESTEP_SPACING: return parse_enum(id, option, value, &o->make.timestep_spacing);
    case OPTION_GENERATOR: return parse_enum(id, option, value, &o->make.generator);
    case OPTION_REFERENCE: o->program = PROGRAM_OFFICIAL; return EXIT_OK;
    case OPTION_DIFFUSERS: o->program = PROGRAM_DIFFUSERS; return EXIT_OK;
    case OPTION_CACHE_INTERVAL: return number_int(option, value, 1, 1000, &o->make.cache_interval);
    case OPTION_FAST: o->fast = 1; return EXIT_OK;
    case OPTION_ETA: return number_float(option, value, 0, 1, &o->make.eta);
    case OPTION_GUIDANCE_SCALE: return number_float(option, value, 0.01, 1000, &o->make.guidance_scale);
    case OPTION_GUIDANCE_CHANNELS:
      if (strcmp(value, "all") == 0) return o->make.guidance_channels = -1, EXIT_OK;
      return number_int(option, value, 1, 65536, &o->make.guidance_channels);
    case OPTION_WIDTH: return number_int(option, value, 1, 65536, &o->make.width);
    case OPTION_HEIGHT: return number_int(option, value, 1, 65536, &o->make.height);
    case OPTION_THREADS: return number_int(option, value, 1, 1024, &o->run.threads);
    case OPTION_ISA: return parse_enum(id, option, value, &o->run.isa);
    case OPTION_MIX: return parse_mix(option, value, o);
    case OPTION_GUIDANCE_START: return number_float(option, value, 0, 1, &o->make.guidance_start);
    /* Not 0, which the library takes as its choice: 1. */
    case OPTION_GUIDANCE_END: return number_float(option, value, 0.001, 1, &o->make.guidance_end);
    case OPTION_STRENGTH: return number_float(option, value, 0.001, 1, &o->make.strength);
    case OPTION_COMPUTE: return parse_enum(id, option, value, &o->run.compute);
    case OPTION_INIT_IMAGE: o->start = value; return EXIT_OK;
    case OPTION_MASK: o->mask = value; return EXIT_OK;
    case OPTION_AGAIN: o->again = value; return EXIT_OK;
    case OPTION_SHOW: o->show = 1; return EXIT_OK;
    case OPTION_PREVIEW: o->preview = 1; return EXIT_OK;
    case OPTION_JSON: o->json = 1; return EXIT_OK;
    case OPTION_MEMORY: o->memory = 1; return EXIT_OK;
    case OPTION_MEMORY_LIMIT: return parse_megabytes(option, value, &o->run.memory_limit);
    case OPTION_PROFILE: o->profile = 1; return EXIT_OK;
    case OPTION_QUIET: o->quiet = 1; return EXIT_OK;
    case OPTION_INFO: o->action = ACTION_INFO; return EXIT_OK;
    case OPTION_LIST: o->action = ACTION_LIST; return EXIT_OK;
    case OPTION_HELP: o->action = ACTION_HELP, o->topic = value; return EXIT_OK;
    default: o->action = ACTION_VERSION; return EXIT_OK;
  }
}

/* "--name" or "--name=value": the option's id, -1 if there is none. *value is what follows '=', or NULL. */
static int find_long(const char *argument, size_t *length, const char **value) {
  const char *name = argument + 2, *equals = strchr(name, '=');
  *length = equals ? (size_t)(equals - argument) : strlen(argument);
  *value = equals ? equals + 1 : NULL;
  for (int id = 0; id < OPTIONS; id++) {
    if (strlen(option_table[id].name) == *length - 2 && strncmp(option_table[id].name, name, *length - 2) == 0)
      return id;
  }
  return -1;
}

/* "-x" or "-xvalue". */
static int find_short(const char *argument, size_t *length, const char **value) {
  *length = 2;
  *value = argument[2] ? argument + 2 : NULL;
  for (int id = 0; id < OPTIONS; id++) {
    if (option_table[id].letter == argument[1]) return id;
  }
  return -1;
}

static int unknown_option(const char *argument, size_t length) {
  closest near_names = {0};
  if (argument[1] == '-') {
    for (int id = 0; id < OPTIONS; id++) closest_offer(&near_names, argument + 2, length - 2, option_table[id].name);
  }
  char hint[256];
  return fail(EXIT_USAGE, "%.*s: no such option%s; dit --help lists them", (int)length, argument,
              closest_sentence(&near_names, "--", hint, sizeof hint));
}

/* What does not go together. seen[id]: the option was given. */
static int check_together(cli_options *o, const unsigned char *seen) {
  if (o->action != ACTION_MAKE) return EXIT_OK;
  for (int id = 0; id < OPTIONS && o->again; id++) {
    if (seen[id] && option_table[id].recorded) {
      return fail(EXIT_USAGE, "--%s: with --again, the picture says this", option_table[id].name);
    }
  }
  if (seen[OPTION_REFERENCE] && seen[OPTION_DIFFUSERS])
    return fail(EXIT_USAGE, "--reference and --diffusers: choose one");
  if (o->program && (o->start || o->make.generator)) {
    return fail(EXIT_USAGE, "%s: with --%s, the noise is that of PyTorch alone", o->start ? "-i" : "--generator",
                option_table[seen[OPTION_REFERENCE] ? OPTION_REFERENCE : OPTION_DIFFUSERS].name);
  }
  for (int id = 0; id < OPTIONS && o->fast; id++) {
    if (seen[id] &&
        (id == OPTION_STEPS || id == OPTION_SAMPLER || id == OPTION_TIMESTEP_SPACING || id == OPTION_REFERENCE))
      return fail(EXIT_USAGE, "--fast and --%s: choose one", option_table[id].name);
  }
  if (o->mask && !o->start) return fail(EXIT_USAGE, "--mask: a start picture is needed: -i PNG");
  if (seen[OPTION_STRENGTH] && !o->start) return fail(EXIT_USAGE, "--strength: a start picture is needed: -i PNG");
  if (seen[OPTION_GUIDANCE_START] && !seen[OPTION_GUIDANCE_END]) o->make.guidance_end = 1;
  if (o->make.guidance_start > o->make.guidance_end) {
    return fail(EXIT_USAGE, "--guidance-start lies behind --guidance-end");
  }
  if (!o->output) o->output = o->again ? "again.png" : "dit.png";
  if (o->json && strcmp(o->output, "-") == 0) {
    return fail(EXIT_USAGE, "--json and -o -: both would write to the standard output");
  }
  if (o->again && strchr(o->output, '%')) return fail(EXIT_USAGE, "-o %s: --again makes one file", o->output);
  return EXIT_OK;
}

int options_parse(int argc, char **argv, cli_options *o) {
  unsigned char seen[OPTIONS] = {0};
  memset(o, 0, sizeof *o);
  o->count = 1;
  o->scale = 1;
  o->run.struct_size = sizeof o->run;
  o->make.struct_size = sizeof o->make;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i], *value = NULL;
    size_t length = 0;
    if (argument[0] != '-' || argument[1] == 0 || strcmp(argument, "--") == 0) {
      return fail(EXIT_USAGE, "%s: not an option; classes are chosen with -c and the output with -o", argument);
    }
    int is_long = argument[1] == '-';
    int id = is_long ? find_long(argument, &length, &value) : find_short(argument, &length, &value);
    if (id < 0) return unknown_option(argument, length);
    char option[OPTION_LIMIT];
    snprintf(option, sizeof option, "%.*s", (int)length, argument);
    if (!option_table[id].value && value && id != OPTION_HELP) {
      return fail(EXIT_USAGE, "%s: the option %s takes no value", argument, option);
    }
    if (option_table[id].value && !value) {
      if (++i == argc)
        return fail(EXIT_USAGE, "%s: the value is missing: %s %s", option, option, option_table[id].value);
      value = argv[i];
    }
    int status = set_option(o, id, option, value);
    if (status != EXIT_OK) return status;
    seen[id] = 1;
  }
  return check_together(o, seen);
}
