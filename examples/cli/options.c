/* The command line: one table of options, which the parser and the help share. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "closest.h"
#include "message.h"
#include "number.h"

enum { OPTION_LIMIT = 32 };

enum {
  OPTION_MODEL,
  OPTION_CLASSES,
  OPTION_COUNT,
  OPTION_SEED,
  OPTION_OUTPUT,
  OPTION_SCALE,
  OPTION_STEPS,
  OPTION_SAMPLER,
  OPTION_ETA,
  OPTION_GUIDANCE,
  OPTION_GUIDANCE_CHANNELS,
  OPTION_WIDTH,
  OPTION_HEIGHT,
  OPTION_THREADS,
  OPTION_ISA,
  OPTION_INFO,
  OPTION_LIST,
  OPTION_QUIET,
  OPTION_HELP,
  OPTION_VERSION,
  OPTION_COUNT_ALL
};

typedef struct option_row {
  const char *letter; /* "" if there is none */
  const char *name;
  const char *value; /* what the help calls it; NULL: the option takes none */
  const char *help;
} option_row;

static const option_row option_table[OPTION_COUNT_ALL] = {
    [OPTION_MODEL] = {"m", "model", "FILE", "model file made by dit-convert (default: the embedded sprites)"},
    [OPTION_CLASSES] = {"c", "classes", "LIST",
                        "names or numbers with commas, 'all', or 'none' (default: all, up to 32)"},
    [OPTION_COUNT] = {"n", "count", "N", "pictures of each class (default: 1)"},
    [OPTION_SEED] = {"S", "seed", "N", "seed of the first picture of each class; the next has N+1 (default: 0)"},
    [OPTION_OUTPUT] = {"o", "output", "FILE", "PNG with one row for each class (default: dit.png), or a pattern, or -"},
    [OPTION_SCALE] = {"", "scale", "N", "enlarge N times, each pixel to a square (default: 1)"},
    [OPTION_STEPS] = {"s", "steps", "N", "sampling steps, 1 to 1000 (default: the model's)"},
    [OPTION_SAMPLER] = {"", "sampler", "NAME", "ddpm or ddim (default: the model's)"},
    [OPTION_ETA] = {"", "eta", "X", "noise of DDIM, 0 to 1 (default: 0)"},
    [OPTION_GUIDANCE] = {"g", "guidance", "X", "guidance scale; 1 is none and twice as fast (default: the model's)"},
    [OPTION_GUIDANCE_CHANNELS] = {"", "guidance-channels", "N",
                                  "guided latent channels, or 'all' (default: the model's)"},
    [OPTION_WIDTH] = {"", "width", "N", "pixels (default: the model's)"},
    [OPTION_HEIGHT] = {"", "height", "N", "pixels (default: the model's)"},
    [OPTION_THREADS] = {"", "threads", "N", "threads (default: one for each processor)"},
    [OPTION_ISA] = {"", "isa", "NAME", "instruction set: scalar, neon, avx2 or avx512 (default: the best)"},
    [OPTION_INFO] = {"", "info", NULL, "describe the model and exit"},
    [OPTION_LIST] = {"", "list", NULL, "list the model's classes and exit"},
    [OPTION_QUIET] = {"q", "quiet", NULL, "print errors only"},
    [OPTION_HELP] = {"h", "help", NULL, "print this help and exit"},
    [OPTION_VERSION] = {"", "version", NULL, "print the version and exit"},
};

void options_help(void) {
  printf("usage: dit [OPTION]...\n\nMakes pictures with a diffusion transformer.\n\n");
  for (int i = 0; i < OPTION_COUNT_ALL; i++) {
    const option_row *row = &option_table[i];
    char name[64];
    snprintf(name, sizeof name, "%s%s%s--%s%s%s", *row->letter ? "-" : "    ", row->letter, *row->letter ? ", " : "",
             row->name, row->value ? " " : "", row->value ? row->value : "");
    printf("  %-27s %s\n", name, row->help);
  }
  printf(
      "\nA pattern is a file name with placeholders, and writes one file for each picture:\n"
      "  %%i number of the picture, %%c class, %%s seed, %%%% a percent sign.\n"
      "The same options make the same picture everywhere; they are kept in the PNG's text.\n"
      "\nExamples:\n"
      "  dit -c potion,sword -n 8 --scale 4 -o sheet.png\n"
      "  dit -c all -S 100 -o sprite-%%c-%%s.png\n");
}

/* One of `count` words, or -1 after a message. */
static int choose(const char *option, const char *value, const char *const *words, int count) {
  for (int i = 0; i < count; i++) {
    if (strcmp(value, words[i]) == 0) return i;
  }
  fprintf(stderr, "dit: %s %s: choose", option, value);
  for (int i = 0; i < count; i++) fprintf(stderr, "%s %s", i == 0 ? "" : i + 1 < count ? "," : " or", words[i]);
  fputc('\n', stderr);
  return -1;
}

static int parse_sampler(const char *option, const char *value, int32_t *out) {
  static const char *const words[] = {"ddpm", "ddim"};
  static const int32_t samplers[] = {DIT_SAMPLER_DDPM, DIT_SAMPLER_DDIM};
  int chosen = choose(option, value, words, 2);
  if (chosen >= 0) *out = samplers[chosen];
  return chosen < 0 ? EXIT_USAGE : EXIT_OK;
}

static int parse_isa(const char *option, const char *value, int32_t *out) {
  static const char *const words[] = {"scalar", "neon", "avx2", "avx512"};
  static const int32_t sets[] = {DIT_ISA_SCALAR, DIT_ISA_NEON, DIT_ISA_AVX2, DIT_ISA_AVX512};
  int chosen = choose(option, value, words, 4);
  if (chosen >= 0) *out = sets[chosen];
  return chosen < 0 ? EXIT_USAGE : EXIT_OK;
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
    case OPTION_SAMPLER: return parse_sampler(option, value, &o->make.sampler);
    case OPTION_ETA: return number_float(option, value, 0, 1, &o->make.eta);
    case OPTION_GUIDANCE: return number_float(option, value, 0.01, 1000, &o->make.guidance);
    case OPTION_GUIDANCE_CHANNELS:
      if (strcmp(value, "all") == 0) return o->make.guidance_channels = -1, EXIT_OK;
      return number_int(option, value, 1, 65536, &o->make.guidance_channels);
    case OPTION_WIDTH: return number_int(option, value, 1, 65536, &o->make.width);
    case OPTION_HEIGHT: return number_int(option, value, 1, 65536, &o->make.height);
    case OPTION_THREADS: return number_int(option, value, 1, 1024, &o->run.threads);
    case OPTION_ISA: return parse_isa(option, value, &o->run.isa);
    case OPTION_QUIET: o->quiet = 1; return EXIT_OK;
    case OPTION_INFO: o->action = ACTION_INFO; return EXIT_OK;
    case OPTION_LIST: o->action = ACTION_LIST; return EXIT_OK;
    case OPTION_HELP: o->action = ACTION_HELP; return EXIT_OK;
    default: o->action = ACTION_VERSION; return EXIT_OK;
  }
}

/* "--name" or "--name=value": the option's id, -1 if there is none. *value is what follows '=', or NULL. */
static int find_long(const char *argument, size_t *length, const char **value) {
  const char *name = argument + 2, *equals = strchr(name, '=');
  *length = equals ? (size_t)(equals - argument) : strlen(argument);
  *value = equals ? equals + 1 : NULL;
  for (int id = 0; id < OPTION_COUNT_ALL; id++) {
    if (strlen(option_table[id].name) == *length - 2 && strncmp(option_table[id].name, name, *length - 2) == 0)
      return id;
  }
  return -1;
}

/* "-x" or "-xvalue". */
static int find_short(const char *argument, size_t *length, const char **value) {
  *length = 2;
  *value = argument[2] ? argument + 2 : NULL;
  for (int id = 0; id < OPTION_COUNT_ALL; id++) {
    if (option_table[id].letter[0] == argument[1]) return id;
  }
  return -1;
}

static int unknown_option(const char *argument, size_t length) {
  closest near_names = {0};
  if (argument[1] == '-') {
    for (int id = 0; id < OPTION_COUNT_ALL; id++)
      closest_offer(&near_names, argument + 2, length - 2, option_table[id].name);
  }
  char hint[256];
  return fail(EXIT_USAGE, "%.*s: no such option%s; dit --help lists them", (int)length, argument,
              closest_sentence(&near_names, "--", hint, sizeof hint));
}

int options_parse(int argc, char **argv, cli_options *o) {
  memset(o, 0, sizeof *o);
  o->count = 1;
  o->scale = 1;
  o->output = "dit.png";
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
    if (!option_table[id].value && value) {
      return fail(EXIT_USAGE, "%s: the option %s takes no value", argument, option);
    }
    if (option_table[id].value && !value) {
      if (++i == argc)
        return fail(EXIT_USAGE, "%s: the value is missing: %s %s", option, option, option_table[id].value);
      value = argv[i];
    }
    int status = set_option(o, id, option, value);
    if (status != EXIT_OK) return status;
  }
  return EXIT_OK;
}
