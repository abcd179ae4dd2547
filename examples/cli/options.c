/* The command line: every option is checked by itself, and then with the others. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "closest.h"
#include "message.h"
#include "number.h"
#include "option_table.h"
#include "pytorch.h"

enum { MAX_OPTION = 32 };              /* bytes of an option's name in messages */
enum { UNKNOWN = -1, AMBIGUOUS = -2 }; /* instead of an option's id */

/* ---- Values ---- */

/* Finds the enum value that is called `value`. */
static int parse_enum(int id, const char *option, const char *value, int32_t *out) {
  enum_names *names = option_table[id].names;
  char choices[MAX_ENUM_CHOICES];
  *out = enum_find(names, value);
  if (*out) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: must be %s", option, value, enum_choices(names, choices));
}

/* Parses "CLASS:X". The name of a class may itself contain a colon. */
static int parse_mix(const char *option, const char *value, cli_options *o) {
  /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the table says that the option has a value. */
  const char *colon = strrchr(value, ':');
  if (!colon || colon == value)
    return fail(EXIT_USAGE, "%s %s: must be a class and a number, such as sword:0.5", option, value);
  o->mix = value;
  o->mix_length = (size_t)(colon - value);
  return number_float(option, colon + 1, 0, 1, &o->params.class_mix);
}

static int parse_megabytes(const char *option, const char *value, uint64_t *bytes) {
  int32_t megabytes = 0;
  const int status = number_int(option, value, 1, 1000000, &megabytes);
  *bytes = (uint64_t)megabytes * 1000000;
  return status;
}

/* Applies one option. `option` is its name as the user wrote it, for messages. */
static int set_option(cli_options *o, int id, const char *option, const char *value) {
  switch (id) {
    case OPTION_MODEL: o->model = value; return EXIT_OK;
    case OPTION_CLASSES: o->classes = value; return EXIT_OK;
    case OPTION_COUNT: return number_int(option, value, 1, 65536, &o->count);
    case OPTION_SEED: return number_seed(option, value, &o->params.seed);
    case OPTION_WIDTH: return number_int(option, value, 1, 65536, &o->params.width);
    case OPTION_HEIGHT: return number_int(option, value, 1, 65536, &o->params.height);
    case OPTION_OUTPUT: o->output = value; return EXIT_OK;
    case OPTION_SCALE: return number_int(option, value, 1, 64, &o->scale);
    case OPTION_QUIET: o->quiet = 1; return EXIT_OK;
    case OPTION_HELP: o->action = ACTION_HELP, o->topic = value; return EXIT_OK;
    case OPTION_VERSION: o->action = ACTION_VERSION; return EXIT_OK;
    case OPTION_INFO: o->action = ACTION_INFO; return EXIT_OK;
    case OPTION_LIST: o->action = ACTION_LIST; return EXIT_OK;

    case OPTION_STEPS: return number_int(option, value, 1, 1000, &o->params.steps);
    case OPTION_SAMPLER: return parse_enum(id, option, value, &o->params.sampler);
    case OPTION_TIMESTEP_SPACING: return parse_enum(id, option, value, &o->params.timestep_spacing);
    case OPTION_TIMESTEP_SHIFT: return number_float(option, value, 0.01, 100, &o->params.timestep_shift);
    case OPTION_ETA: return number_float(option, value, 0, 1, &o->params.eta);
    case OPTION_GENERATOR: return parse_enum(id, option, value, &o->params.generator);
    case OPTION_REFERENCE: o->program = PYTORCH_OFFICIAL; return EXIT_OK;
    case OPTION_DIFFUSERS: o->program = PYTORCH_DIFFUSERS; return EXIT_OK;
    case OPTION_GUIDANCE_SCALE: return number_float(option, value, 0.01, 1000, &o->params.guidance_scale);
    case OPTION_GUIDANCE_CHANNELS:
      /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the table says that the option has a value. */
      if (strcmp(value, "all") == 0) return o->params.guidance_channels = -1, EXIT_OK;
      return number_int(option, value, 1, 65536, &o->params.guidance_channels);
    case OPTION_GUIDANCE_START: return number_float(option, value, 0, 1, &o->params.guidance_start);
    /* To the library, an end of 0 means the default. The same holds for a strength of 0. */
    case OPTION_GUIDANCE_END: return number_float(option, value, 0.001, 1, &o->params.guidance_end);
    case OPTION_CACHE_INTERVAL: return number_int(option, value, 1, 1000, &o->params.cache_interval);
    case OPTION_FAST: o->fast = 1; return EXIT_OK;
    case OPTION_COMPUTE: return parse_enum(id, option, value, &o->run.compute);

    case OPTION_INIT_IMAGE: o->init_image = value; return EXIT_OK;
    case OPTION_STRENGTH: return number_float(option, value, 0.001, 1, &o->params.strength);
    case OPTION_MASK: o->mask = value; return EXIT_OK;
    case OPTION_MIX: return parse_mix(option, value, o);
    case OPTION_AGAIN: o->again = value; return EXIT_OK;

    case OPTION_SHOW: o->show = 1; return EXIT_OK;
    case OPTION_PREVIEW: o->preview = 1; return EXIT_OK;
    case OPTION_JSON: o->json = 1; return EXIT_OK;
    case OPTION_LONG: o->allow_long = 1; return EXIT_OK;
    case OPTION_MEMORY: o->memory = 1; return EXIT_OK;
    case OPTION_MEMORY_LIMIT: return parse_megabytes(option, value, &o->run.memory_limit);
    case OPTION_PROFILE: o->profile = 1; return EXIT_OK;
    case OPTION_THREADS: return number_int(option, value, 1, 1024, &o->run.threads);
    default: return parse_enum(id, option, value, &o->run.isa);
  }
}

/* ---- Names ---- */

/* Finds "--name" or "--name=value". As in GNU getopt, an abbreviation that only one option begins with is enough.
 * Returns the option's id, UNKNOWN or AMBIGUOUS; *length is that of "--name", *value what follows '=', or NULL. */
static int find_long(const char *argument, size_t *length, const char **value) {
  const char *name = argument + 2, *equals = strchr(name, '=');
  size_t name_length = equals ? (size_t)(equals - name) : strlen(name);
  int found = UNKNOWN;
  *length = name_length + 2;
  *value = equals ? equals + 1 : NULL;
  for (int id = 0; id < OPTIONS && name_length; id++) {
    if (strncmp(option_table[id].name, name, name_length) != 0) continue;
    if (option_table[id].name[name_length] == 0) return id;
    found = found == UNKNOWN ? id : AMBIGUOUS;
  }
  return found;
}

/* Finds "-x" or "-xvalue". */
static int find_short(const char *argument, size_t *length, const char **value) {
  *length = 2;
  *value = argument[2] ? argument + 2 : NULL;
  for (int id = 0; id < OPTIONS; id++) {
    if (option_table[id].letter == argument[1]) return id;
  }
  return UNKNOWN;
}

static int refuse_unknown(const char *argument, size_t length) {
  closest near_names = {0};
  if (argument[1] == '-') {
    for (int id = 0; id < OPTIONS; id++) closest_offer(&near_names, argument + 2, length - 2, option_table[id].name);
  }
  char hint[256];
  return fail(EXIT_USAGE, "%.*s: no such option%s; dit --help lists the options", (int)length, argument,
              closest_sentence(&near_names, "--", hint, sizeof hint));
}

static int refuse_ambiguous(const char *argument, size_t length) {
  char names[512] = "";
  size_t used = 0;
  for (int id = 0; id < OPTIONS && used < sizeof names; id++) {
    if (strncmp(option_table[id].name, argument + 2, length - 2) != 0) continue;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s--%s", used ? ", " : "", option_table[id].name);
  }
  return fail(EXIT_USAGE, "%.*s: is ambiguous between %s", (int)length, argument, names);
}

/* ---- Combinations ---- */

/* Returns EXIT_OK if no option contradicts --again, which takes most settings from its PNG. */
static int check_again(const cli_options *o, const unsigned char *seen) {
  for (int id = 0; id < OPTIONS; id++) {
    if (seen[id] && option_table[id].recorded)
      return fail(EXIT_USAGE, "--%s: cannot be used with --again, which takes this setting from the PNG",
                  option_table[id].name);
  }
  if (strchr(o->output, '%')) return fail(EXIT_USAGE, "-o %s: must be a single file with --again", o->output);
  return EXIT_OK;
}

static int check_program(const cli_options *o, const unsigned char *seen) {
  const char *name = option_table[seen[OPTION_REFERENCE] ? OPTION_REFERENCE : OPTION_DIFFUSERS].name;
  if (seen[OPTION_REFERENCE] && seen[OPTION_DIFFUSERS])
    return fail(EXIT_USAGE, "--reference: cannot be used with --diffusers");
  if (o->init_image) return fail(EXIT_USAGE, "-i: cannot be used with --%s, which starts from noise", name);
  if (o->params.generator)
    return fail(EXIT_USAGE, "--generator: cannot be used with --%s, which draws PyTorch's noise", name);
  return EXIT_OK;
}

static int check_fast(const unsigned char *seen) {
  static const int excluded[] = {OPTION_STEPS, OPTION_SAMPLER, OPTION_TIMESTEP_SPACING, OPTION_REFERENCE};
  for (size_t i = 0; i < sizeof excluded / sizeof *excluded; i++) {
    if (seen[excluded[i]]) return fail(EXIT_USAGE, "--fast: cannot be used with --%s", option_table[excluded[i]].name);
  }
  return EXIT_OK;
}

static int check_guidance(cli_options *o, const unsigned char *seen) {
  if (seen[OPTION_GUIDANCE_START] && !seen[OPTION_GUIDANCE_END]) o->params.guidance_end = 1;
  if (o->params.guidance_start <= o->params.guidance_end) return EXIT_OK;
  return fail(EXIT_USAGE, "--guidance-start: must not be greater than --guidance-end");
}

/* seen[id] is 1 if the option was given. */
static int check_together(cli_options *o, const unsigned char *seen) {
  int status = EXIT_OK;
  if (!o->output) o->output = o->again ? "again.png" : "dit.png";
  if (o->action != ACTION_MAKE) return EXIT_OK;
  if (o->again) status = check_again(o, seen);
  if (status == EXIT_OK && o->program) status = check_program(o, seen);
  if (status == EXIT_OK && o->fast) status = check_fast(seen);
  if (status == EXIT_OK) status = check_guidance(o, seen);
  if (status != EXIT_OK) return status;
  if (o->mask && !o->init_image) return fail(EXIT_USAGE, "--mask: requires an init image (-i PNG)");
  if (seen[OPTION_STRENGTH] && !o->init_image) return fail(EXIT_USAGE, "--strength: requires an init image (-i PNG)");
  if (o->json && strcmp(o->output, "-") == 0)
    return fail(EXIT_USAGE, "--json: cannot be used with -o -, as both would write to the standard output");
  return EXIT_OK;
}

/* ---- The whole line ---- */

/* Parses the option at argv[*i], and moves *i to its value if that is an argument of its own. */
static int parse_option(int argc, char **argv, int *i, cli_options *o, unsigned char *seen) {
  const char *argument = argv[*i], *value = NULL;
  size_t length = 0;
  int is_long = argument[1] == '-';
  int id = is_long ? find_long(argument, &length, &value) : find_short(argument, &length, &value);
  if (id == UNKNOWN) return refuse_unknown(argument, length);
  if (id == AMBIGUOUS) return refuse_ambiguous(argument, length);
  char option[MAX_OPTION];
  snprintf(option, sizeof option, "%.*s", (int)length, argument);
  if (!option_table[id].value && value && id != OPTION_HELP)
    return fail(EXIT_USAGE, "%s: the option %s takes no value", argument, option);
  if (option_table[id].value && !value) {
    if (++*i == argc) return fail(EXIT_USAGE, "%s: a value is missing: %s %s", option, option, option_table[id].value);
    value = argv[*i];
  }
  seen[id] = 1;
  return set_option(o, id, option, value);
}

int options_parse(int argc, char **argv, cli_options *o) {
  unsigned char seen[OPTIONS] = {0};
  memset(o, 0, sizeof *o);
  o->count = 1;
  o->scale = 1;
  o->run.struct_size = sizeof o->run;
  o->params.struct_size = sizeof o->params;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i];
    if (argument[0] != '-' || argument[1] == 0 || strcmp(argument, "--") == 0)
      return fail(EXIT_USAGE, "%s: not an option; choose classes with -c and the output with -o", argument);
    int status = parse_option(argc, argv, &i, o, seen);
    if (status != EXIT_OK) return status;
  }
  return check_together(o, seen);
}
